"""`edgecnn doctor` on NVIDIA machines, healthy and sick, built here from files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgecnn.doctor import Finding, _child, gpu, jetson, tensorrt

NOT_INSTALLED = "raise ModuleNotFoundError(f'No module named {__name__!r}', name=__name__)\n"


def put(root: Path, files: dict[str, str]) -> Path:
    """Write `files`, path → text, below `root`."""
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def by_topic(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.topic: finding for finding in findings}


# ── NVIDIA ─────────────────────────────────────────────────────────────────────────────────

DRIVER_VERSION = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build\n"
    "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n"
)
SMI = "NVIDIA H200, 580.159.04, 143771 MiB, 9.0\n"
NO_LIBCUDA = _child.Answer(error="libcuda.so.1: cannot open shared object file")


def gpu_finding(root: Path, answer: _child.Answer, smi: str = "") -> Finding:
    return gpu.check(root, lambda: answer, lambda: smi)[0]


def test_no_nvidia_gpu_is_no_fault(tmp_path: Path) -> None:
    assert gpu_finding(tmp_path, NO_LIBCUDA) == Finding("GPU", "absent", "no NVIDIA GPU")


def test_nvidia_smis_table_is_read() -> None:
    card = {"name": "NVIDIA H200", "driver": "580.159.04", "memory": "143771 MiB"}
    assert gpu.parse_smi(SMI) == [{**card, "capability": "9.0"}]
    assert gpu.parse_smi("Failed to initialize NVML: Driver/library version mismatch") == []


def test_a_working_gpu_is_described(tmp_path: Path) -> None:
    put(tmp_path, {"proc/driver/nvidia/version": DRIVER_VERSION})
    card = {"name": "NVIDIA H200", "bytes": 150_754_820_096, "capability": [9, 0]}
    found = gpu_finding(tmp_path, _child.Answer(value={"cuda": 13000, "cards": [card]}))
    assert found.message == (
        "NVIDIA H200, 140 GiB, compute capability 9.0, driver 580.159.04, CUDA up to 13.0"
    )


@pytest.mark.parametrize(
    ("files", "answer", "smi", "said", "remedy"),
    [
        (
            {
                "sys/bus/pci/devices/0000:01:00.0/vendor": "0x10de\n",
                "sys/bus/pci/devices/0000:01:00.0/class": "0x030000\n",
                "etc/os-release": 'NAME="Ubuntu"\nID=ubuntu\n',
            },
            NO_LIBCUDA,
            "",
            "(0000:01:00.0) is here, but no driver is loaded",
            "sudo ubuntu-drivers install && sudo reboot",
        ),
        (
            {"proc/driver/nvidia/version": DRIVER_VERSION},
            _child.Answer(error="803 from cuInit"),
            "Failed to initialize NVML: Driver/library version mismatch",
            "different versions",
            "sudo reboot",
        ),
        (
            {},
            _child.Answer(error="999 from cuInit"),
            SMI,
            "NVIDIA H200, driver 580.159.04, but CUDA does not start: unknown error",
            "sudo modprobe -r nvidia_uvm && sudo modprobe nvidia_uvm",
        ),
        (
            {"proc/driver/nvidia/version": DRIVER_VERSION},
            NO_LIBCUDA,
            "",
            "CUDA does not start: libcuda.so.1",
            "In a container: docker run --gpus all … ; else Install your distribution's",
        ),
        (
            {"proc/driver/nvidia/version": DRIVER_VERSION},
            _child.Answer(error="crashed with SIGSEGV"),
            SMI,
            "crashed with SIGSEGV",
            "In a container",
        ),
    ],
    ids=["no driver", "mismatch", "error 999", "container", "crash"],
)
def test_a_gpu_that_does_not_start_gets_its_remedy(
    files: dict[str, str],
    answer: _child.Answer,
    smi: str,
    said: str,
    remedy: str,
    tmp_path: Path,
) -> None:
    found = gpu_finding(put(tmp_path, files), answer, smi)
    assert found.status == "warn"
    assert said in found.message
    assert found.remedy.startswith(remedy)


class FakeCuda:
    """libcuda and libcudart of a machine with one Orin, as ctypes would load them."""

    def __init__(self, file: str) -> None:
        if file not in {"libcuda.so.1", "/pip/libcudart.so.12"}:
            raise OSError(f"{file}: cannot open shared object file")

    def __getattr__(self, function: str) -> Callable[..., int]:
        values = {
            "cuDriverGetVersion": 12060,
            "cuDeviceGetCount": 1,
            "cuDeviceGet": 0,
            "cuDeviceTotalMem_v2": 7_990_493_184,
            "cudaRuntimeGetVersion": 12060,
        }

        def called(*arguments: Any) -> int:
            if function in values:
                arguments[0]._obj.value = values[function]
            elif function == "cuDeviceGetName":
                arguments[0].value = b"Orin"
            elif function == "cuDeviceGetAttribute":
                arguments[0]._obj.value = {75: 8, 76: 7}[arguments[1]]
            return 0

        return called


def test_the_driver_is_asked_for_its_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", FakeCuda)
    card = {"name": "Orin", "bytes": 7_990_493_184, "capability": [8, 7]}
    assert gpu.query_driver() == {"cuda": 12060, "cards": [card]}


def test_the_first_library_that_loads_tells_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    files = ["libcudart.so.13", "/pip/libcudart.so.12"]
    with pytest.raises(OSError, match="no-such-library: cannot open shared object file"):
        gpu.query_library(["no-such-library"], "cudaRuntimeGetVersion")
    monkeypatch.setattr("ctypes.CDLL", FakeCuda)
    found = gpu.query_library(files, "cudaRuntimeGetVersion")
    assert found == {"version": 12060, "file": "/pip/libcudart.so.12"}


# ── TensorRT ───────────────────────────────────────────────────────────────────────────────


def tensorrt_finding(root: Path, names: list[str]) -> Finding:
    return by_topic(tensorrt.check(root, names))["TensorRT"]


REAL = "class Builder: pass\nclass OnnxParser: pass\n"


@pytest.mark.parametrize(
    ("module", "names", "status", "said"),
    [
        (REAL + "__version__ = '11.4.0.10'", ["tensorrt"], "ok", "11.4.0.10"),
        (REAL + "__version__ = '8.6.1'", ["tensorrt"], "warn", "8.6.1 is too old"),
        ("__version__ = '10.14.1.48'", ["tensorrt"], "warn", "10.14.1.48 is a stub"),
        ("import tensorrt_libs", ["tensorrt"], "warn", "No module named 'tensorrt_libs'"),
        (NOT_INSTALLED, ["tensorrt", "tensorrt-cu13"], "warn", "only the stub is installed"),
        (NOT_INSTALLED, ["tensorrt-rtx"], "absent", "not installed"),
    ],
    ids=["real", "too old", "no builder", "no libraries", "stub", "absent"],
)
def test_tensorrt_flavours(
    module: str,
    names: list[str],
    status: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(put(tmp_path, {"tensorrt.py": module}))
    found = tensorrt_finding(tmp_path, names)
    assert found.status == status
    assert said in found.message
    if status == "warn":
        assert found.remedy.endswith('pip install --no-cache-dir "edgecnn[tensorrt]"')


def test_a_system_tensorrt_without_bindings_is_pointed_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(put(tmp_path, {"tensorrt.py": NOT_INSTALLED}))
    put(tmp_path, {"usr/lib/aarch64-linux-gnu/libnvinfer.so.10": ""})
    found = tensorrt_finding(tmp_path, [])
    assert "libnvinfer.so.10 is here" in found.message
    assert found.remedy.startswith("sudo apt-get install python3-libnvinfer")


# ── Jetson ─────────────────────────────────────────────────────────────────────────────────

JETSON = {
    "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
    "etc/nv_tegra_release": (
        "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, "
        "DATE: Wed Jan  8 01:49:37 UTC 2025\n"
    ),
    "var/lib/dpkg/status": (
        "Package: nvidia-jetpack\nStatus: install ok installed\nVersion: 6.2+b77\n\n"
        "Package: libnvinfer10\nStatus: install ok installed\nVersion: 10.3.0.30-1+cuda12.5\n\n"
        "Package: libcudnn9-cuda-12\nStatus: install ok installed\nVersion: 9.3.0.75-1\n\n"
        "Package: libnvinfer8\nStatus: deinstall ok config-files\nVersion: 8.6.2\n"
    ),
}


def test_a_jetson_is_described_from_its_files(tmp_path: Path) -> None:
    (found,) = jetson.check(put(tmp_path, JETSON), (3, 10))
    assert found.message == (
        "NVIDIA Jetson Orin Nano Developer Kit, JetPack 6.2, L4T 36.4.3, "
        "TensorRT 10.3.0.30, cuDNN 9.3.0.75"
    )
    assert jetson.check(tmp_path / "elsewhere")[0].status == "absent"


def test_a_python_that_jetpack_was_not_built_for_is_pointed_out(tmp_path: Path) -> None:
    found = jetson.check(put(tmp_path, JETSON), (3, 12))[1]
    assert found.status == "warn"
    assert found.remedy == "python3.10 -m venv --system-site-packages .venv"


def test_a_jetson_with_an_old_or_bare_jetpack_gets_a_remedy(tmp_path: Path) -> None:
    bare = put(tmp_path / "bare", {**JETSON, "var/lib/dpkg/status": ""})
    assert "JetPack 6.x" in jetson.check(bare, (3, 10))[0].message
    assert jetson.check(bare, (3, 10))[1].remedy.endswith("sudo apt-get install nvidia-jetpack")
    nano = {**JETSON, "etc/nv_tegra_release": "# R32 (release), REVISION: 7.1, GCID: 1\n"}
    assert jetson.check(put(tmp_path / "nano", nano))[1].remedy == "Flash JetPack 6 or newer."
