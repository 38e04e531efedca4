"""OpenCV: whether it works, and what it was built with: windows, GStreamer, FFmpeg."""

from __future__ import annotations

import os
import re
from importlib import import_module
from pathlib import Path
from typing import Any

from edgecnn.doctor import Finding, _child
from edgecnn.doctor.jetson import board

_HEADLESS = (
    "pip uninstall -y opencv-python opencv-contrib-python && pip install opencv-python-headless"
)
_SYSTEM_PACKAGES = {"libGL.so.1": "libgl1", "libgthread-2.0.so.0": "libglib2.0-0"}
_JETPACK_OPENCV = (
    "pip uninstall -y opencv-python opencv-python-headless && sudo apt-get install python3-opencv "
    "&& python3 -m venv --system-site-packages .venv"
)


def check(root: Path = Path("/")) -> list[Finding]:
    """Import OpenCV in a process of its own, code a picture, and read its build; `root`: tests."""
    return judge(_child.call(describe), root)


def describe() -> dict[str, str]:
    """OpenCV's version, place and build information, after a JPEG there and back; for the child."""
    cv2: Any = import_module("cv2")
    if not hasattr(cv2, "imdecode"):
        raise ImportError("cv2 is an empty shell, left by an uninstalled distribution")
    import numpy as np

    grey = np.full((8, 8), 128, np.uint8)
    coded = cv2.imencode(".jpg", grey)[1]
    if abs(int(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)[4, 4]) - 128) > 2:
        raise RuntimeError("a JPEG does not survive being written and read")
    return {"version": cv2.__version__, "file": cv2.__file__, "build": cv2.getBuildInformation()}


def judge(answer: _child.Answer, root: Path = Path("/")) -> list[Finding]:
    """The findings that follow from what `describe` said."""
    if answer.missing == "cv2":
        return [Finding("OpenCV", "fault", "not installed", 'pip install "edgecnn[cpu]"')]
    if answer.error:
        message = f"does not work: {answer.error}"
        return [Finding("OpenCV", "fault", message, _repair(answer.error))]
    build = answer.value["build"]
    place = Path(answer.value["file"]).parent
    return [
        Finding("OpenCV", "ok", f"{answer.value['version']} in {place}"),
        _windows(gui(build)),
        _ffmpeg(built_with(build, "FFMPEG")),
        _gstreamer(built_with(build, "GStreamer"), root),
    ]


def built_with(build: str, feature: str) -> bool:
    """Whether OpenCV's build information says YES to a feature."""
    return bool(re.search(rf"^\s*{re.escape(feature)}:\s+YES", build, re.MULTILINE | re.IGNORECASE))


def gui(build: str) -> str:
    """The window toolkit OpenCV was built with, for instance "QT5" or "GTK3"; empty for none."""
    section = re.search(r"^  GUI:(.*)\n((?:    .*\n)*)", build, re.MULTILINE)
    if section is None:
        return ""
    name = section[1].strip()
    if name and name != "NONE":
        return name
    toolkits = ("QT", "GTK+", "Wayland", "Win32 UI", "Cocoa")
    return next((toolkit for toolkit in toolkits if built_with(section[2], toolkit)), "")


def _windows(toolkit: str) -> Finding:
    topic = "OpenCV windows"
    if not toolkit:
        remedy = 'pip uninstall -y opencv-python-headless && pip install "edgecnn[webcam]"'
        return Finding(topic, "absent", "headless build: results go to files", remedy)
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return Finding(topic, "ok", toolkit)
    return Finding(topic, "absent", f"{toolkit}, but no display is connected to this session")


def _ffmpeg(present: bool) -> Finding:
    if present:
        return Finding("OpenCV FFmpeg", "ok", "reads and writes video files, reads rtsp://")
    remedy = 'pip install "edgecnn[cpu]"'
    return Finding("OpenCV FFmpeg", "warn", "missing: most video files cannot be read", remedy)


def _gstreamer(present: bool, root: Path) -> Finding:
    topic = "OpenCV GStreamer"
    if present:
        return Finding(topic, "ok", "built in")
    if board(root):
        message = "missing: csi:// cameras and the hardware decoder are out of reach of OpenCV"
        return Finding(topic, "warn", message, _JETPACK_OPENCV)
    return Finding(topic, "absent", "missing, as in every OpenCV from pip")


def _repair(error: str) -> str:
    for library, package in _SYSTEM_PACKAGES.items():
        if library in error:
            return f"sudo apt-get install {package}   (or, without windows: {_HEADLESS})"
    if "numpy" in error or "_ARRAY_API" in error:
        return "pip install --upgrade opencv-python-headless numpy"
    if "empty shell" in error:
        return _HEADLESS.replace("pip install", "pip install --force-reinstall")
    return "pip install --force-reinstall opencv-python-headless"
