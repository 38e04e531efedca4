"""`edgecnn doctor` on Python packages that overwrite, hide or break each other."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from edgecnn.doctor import Finding, _child, distributions, opencv

DRIVER_VERSION = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build\n"
    "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n"
)


def put(root: Path, files: dict[str, str]) -> Path:
    """Write `files`, path → text, below `root`."""
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def by_topic(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.topic: finding for finding in findings}


def distribution(name: str, version: str, module: str) -> dict[str, str]:
    """The files by which pip knows an installed distribution."""
    folder = f"{name.replace('-', '_')}-{version}.dist-info"
    return {
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{folder}/top_level.txt": f"{module}\n",
        f"{module}/__init__.py": "",
    }


# ── distributions ──────────────────────────────────────────────────────────────────────────


def test_two_opencvs_get_the_line_that_keeps_what_both_can_do(tmp_path: Path) -> None:
    put(tmp_path, distribution("opencv-python-headless", "5.0.0.93", "cv2"))
    assert distributions.check(tmp_path, [str(tmp_path)])[0].status == "ok"
    put(tmp_path, distribution("opencv-contrib-python", "4.12.0.88", "cv2"))
    (found,) = distributions.check(tmp_path, [str(tmp_path)])
    assert found.status == "fault"
    assert found.remedy == (
        "pip uninstall -y opencv-contrib-python opencv-python-headless"
        " && pip install opencv-contrib-python==4.12.0.88"
    )


@pytest.mark.parametrize(
    ("gpu", "keep"), [(False, "onnxruntime==1.32.0"), (True, "onnxruntime-gpu==1.31.1")]
)
def test_of_two_onnxruntimes_the_gpus_stays_where_there_is_a_gpu(
    gpu: bool, keep: str, tmp_path: Path
) -> None:
    site = put(tmp_path / "site", distribution("onnxruntime", "1.32.0", "onnxruntime"))
    put(site, distribution("onnxruntime-gpu", "1.31.1", "onnxruntime"))
    # A plug-in provider lives beside onnxruntime, not in its folder.
    put(site, distribution("onnxruntime-ep-nv", "0.1", "onnxruntime_ep_nv"))
    if gpu:
        put(tmp_path, {"proc/driver/nvidia/version": DRIVER_VERSION})
    (found,) = distributions.check(tmp_path, [str(site)])
    line = "pip uninstall -y onnxruntime onnxruntime-gpu && pip install "
    assert (found.status, found.remedy) == ("fault", line + keep)


def test_an_opencv_that_hides_the_systems_is_named(tmp_path: Path) -> None:
    own = put(tmp_path / "own", distribution("opencv-python", "5.0.0.93", "cv2"))
    system = put(tmp_path / "system", {"cv2.cpython-310-aarch64-linux-gnu.so": ""})
    (found,) = distributions.check(tmp_path, [str(own), str(system)])
    assert found.status == "warn"
    assert f"the one in {own} hides the one in {system}" in found.message
    assert found.remedy.endswith("pip uninstall -y opencv-python")


# ── OpenCV ─────────────────────────────────────────────────────────────────────────────────

JETPACK_BUILD = """
  GUI:                           GTK3
    GTK+:                        YES (ver 3.24.33)
    VTK support:                 NO

  Video I/O:
    FFMPEG:                      YES
      avcodec:                   YES (58.134.100)
    GStreamer:                   YES (1.20.3)
"""
OLD_BUILD = """
  GUI:
    QT:                          NO
    GTK+:                        YES (ver 2.24.30)

"""
PIP_BUILD = """
  GUI:                           NONE
    VTK support:                 NO

    GStreamer:                   NO
"""


def test_the_build_information_is_read() -> None:
    toolkits = [opencv.gui(text) for text in (JETPACK_BUILD, OLD_BUILD, PIP_BUILD)]
    assert toolkits == ["GTK3", "GTK+", ""]
    assert opencv.built_with(JETPACK_BUILD, "GStreamer")
    assert not opencv.built_with(PIP_BUILD, "GStreamer")
    # Independent: the video back ends that this OpenCV registers when asked.
    backends = {cv2.videoio_registry.getBackendName(b) for b in cv2.videoio_registry.getBackends()}
    assert opencv.built_with(cv2.getBuildInformation(), "FFMPEG") == ("FFMPEG" in backends)


@pytest.mark.parametrize(
    ("answer", "said", "remedy"),
    [
        (_child.Answer(missing="cv2", error="-"), "not installed", 'pip install "edgecnn[cpu]"'),
        (
            _child.Answer(error="libGL.so.1: cannot open shared object file"),
            "libGL.so.1",
            "sudo apt-get install libgl1",
        ),
        (
            _child.Answer(error="numpy.core.multiarray failed to import"),
            "multiarray",
            "pip install --upgrade opencv-python-headless numpy",
        ),
    ],
    ids=["absent", "libGL", "numpy"],
)
def test_an_opencv_that_does_not_import_is_a_fault(
    answer: _child.Answer, said: str, remedy: str
) -> None:
    (found,) = opencv.judge(answer)
    assert found.status == "fault"
    assert said in found.message
    assert found.remedy.startswith(remedy)


def test_an_opencv_left_empty_by_an_uninstall_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(put(tmp_path, {"cv2/__init__.py": ""}))
    (found,) = opencv.check()
    assert "empty shell" in found.message
    assert found.remedy.endswith("pip install --force-reinstall opencv-python-headless")


JETSON_FILES = {"proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0"}


def test_on_a_jetson_pips_opencv_is_told_to_make_room_for_jetpacks(tmp_path: Path) -> None:
    build = {"version": "5.0.0", "file": "/x/cv2/__init__.py", "build": PIP_BUILD}
    elsewhere = by_topic(opencv.judge(_child.Answer(value=build), tmp_path))
    assert elsewhere["OpenCV GStreamer"].status == "absent"
    jetson = by_topic(opencv.judge(_child.Answer(value=build), put(tmp_path, JETSON_FILES)))
    assert jetson["OpenCV GStreamer"].status == "warn"
    assert "apt-get install python3-opencv" in jetson["OpenCV GStreamer"].remedy
