"""Python itself: version, architecture, C library, virtual environment, and the core packages."""

from __future__ import annotations

import platform
import struct
import sys
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from edgecnn.doctor import Finding

OLDEST, OLDEST_FOR_TRAINING = (3, 10), (3, 11)
_CORE = ("numpy", "imagesize")
_TRAINING = ("torch", "onnx", "onnxscript")


def check(
    version: tuple[int, int] = sys.version_info[:2],
    is_installed: Callable[[str], bool] = lambda name: find_spec(name) is not None,
) -> list[Finding]:
    """Whether this Python can run edgecnn, and whether it can train; arguments are for tests."""
    findings = [_interpreter(version)]
    for name in _CORE:
        if not is_installed(name):
            findings.append(Finding(name, "fault", "not installed", f"pip install {name}"))
    findings.append(_training(version, is_installed))
    if sys.prefix == sys.base_prefix and list(_stdlib().glob("EXTERNALLY-MANAGED")):
        message = "this Python belongs to the system: pip refuses to install into it"
        remedy = "python3 -m venv .venv && . .venv/bin/activate"
        findings.append(Finding("virtual environment", "warn", message, remedy))
    return findings


def _interpreter(version: tuple[int, int]) -> Finding:
    said = f"{platform.python_version()} on {platform.machine()}, {sys.executable}"
    if version < OLDEST:
        message = f"{version[0]}.{version[1]}; edgecnn needs 3.10 or newer"
        return Finding("Python", "fault", message, "python3.12 -m venv .venv")
    if struct.calcsize("P") == 4:
        message = f"{said}: a 32-bit Python, for which there are no engines"
        return Finding("Python", "fault", message, "Install a 64-bit system or Python.")
    if sys.platform == "linux" and platform.libc_ver()[0] != "glibc":
        message = f"{said}: not glibc (Alpine?), for which the engines have no wheels"
        return Finding("Python", "warn", message, "Use a Debian or Ubuntu image.")
    return Finding("Python", "ok", said)


def _training(version: tuple[int, int], is_installed: Callable[[str], bool]) -> Finding:
    if version < OLDEST_FOR_TRAINING:
        message = f"Python {version[0]}.{version[1]} runs networks; training needs 3.11 or newer"
        return Finding("training", "absent", message)
    missing = [name for name in _TRAINING if not is_installed(name)]
    if missing:
        message = f"{', '.join(missing)} not installed: networks run, but train and export do not"
        return Finding("training", "absent", message, 'pip install "edgecnn[train]"')
    return Finding("training", "ok", ", ".join(f"{name} {_version(name)}" for name in _TRAINING))


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "(no version)"


def _stdlib() -> Path:
    return Path(platform.__file__).parent
