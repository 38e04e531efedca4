"""`edgecnn doctor`: what it says on this machine, and on sick ones built here from files."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edgecnn import doctor
from edgecnn.cli import doctor as verb
from edgecnn.doctor import (
    Finding,
    _child,
    _engines,
    cpu,
    disk,
    providers,
    python,
    tensorrt,
)

# What the real onnxruntime-gpu 1.31 logs where CUDA is not installed.
CUDA_LOG = (
    "[E:onnxruntime:Default, provider_bridge_ort.cc:2458 operator()] [ONNXRuntimeError] : 1 : FAIL "
    ": Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: "
    "cannot open shared object file: No such file or directory"
)
# Lists CUDA and falls back to the CPU, dies under TensorRT, miscounts under Dnnl, runs on the CPU.
SICK_ONNXRUNTIME = """
import os, sys
import numpy as np
__version__ = "1.31.1"
def get_available_providers():
    names = ["Tensorrt", "CUDA", "Dnnl", "Azure", "CPU"]
    return [name + "ExecutionProvider" for name in names]
class SessionOptions:
    def add_session_config_entry(self, key, value): pass
class InferenceSession:
    def __init__(self, model, options, providers):
        print("noise on stdout")
        self.asked = providers[0].removesuffix("ExecutionProvider")
        if self.asked == "Tensorrt": os.abort()
        if self.asked == "CUDA": print(os.environ.get("SICK_LOG", ""), file=sys.stderr)
    def get_providers(self):
        used = "CPU" if self.asked == "CUDA" else self.asked
        return [used + "ExecutionProvider"]
    def run(self, names, feed):
        counts = np.array([[4, 6, 6, 4], [6, 9, 9, 6], [6, 9, 9, 6], [4, 6, 6, 4]], np.float32)
        return [counts[None, None] * (2 if self.asked == "Dnnl" else 1)]
"""
NOT_INSTALLED = "raise ModuleNotFoundError(f'No module named {__name__!r}', name=__name__)\n"
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


# ── the whole ──────────────────────────────────────────────────────────────────────────────


def test_this_machine_runs_networks_and_nothing_is_left_behind(tmp_path: Path) -> None:
    code = (
        "import json, sys; from edgecnn.doctor import examine, healthy; found = examine();"
        "heavy = {'numpy', 'cv2', 'onnxruntime', 'openvino', 'torch', 'onnx'} & set(sys.modules);"
        "print(json.dumps([[f.topic, f.status, f.message] for f in found] + [sorted(heavy)]))"
    )
    said = subprocess.run(
        [sys.executable, "-B", "-c", code],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert list(tmp_path.rglob("*")) == []
    *findings, heavy = json.loads(said.stdout)
    status = {topic: state for topic, state, _ in findings}
    assert heavy == []
    assert status["Python"] == status["OpenCV"] == status["onnxruntime CPU"] == "ok"
    assert {"CPU", "GPU", "Jetson", "TensorRT", "disk", "cache"} <= set(status)


def test_every_public_file_in_the_folder_is_a_check() -> None:
    files = Path(doctor.__file__).parent.glob("[!_]*.py")
    assert doctor.check_names() == sorted(file.stem for file in files)
    assert {"cpu", "gpu", "opencv", "providers", "python", "tensorrt"} <= set(doctor.check_names())


def test_a_check_that_raises_becomes_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[Finding]:
        raise ZeroDivisionError("no cores")

    monkeypatch.setattr("edgecnn.doctor.cpu.check", broken)
    monkeypatch.setattr(doctor, "check_names", lambda: ["cpu", "disk"])
    found = by_topic(doctor.examine())
    assert found["cpu"].status == "fault"
    assert "ZeroDivisionError: no cores" in found["cpu"].message
    assert "disk" in found


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("absent", 0), ("warn", 0), ("fault", 1)])
def test_only_a_fault_gives_exit_code_1(
    status: doctor.Status,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    finding = Finding("OpenCV", status, "not installed", 'pip install "edgecnn[cpu]"')
    monkeypatch.setattr(doctor, "examine", lambda: [finding])
    assert verb.run(argparse.Namespace(json=True)) == code
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is (code == 0)
    assert said["findings"][0]["remedy"] == 'pip install "edgecnn[cpu]"'


def test_the_table_keeps_the_brackets_of_the_pip_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = Finding("OpenCV", "fault", "not installed", 'pip install "edgecnn[cpu]"')
    monkeypatch.setattr(doctor, "examine", lambda: [fault])
    assert verb.run(argparse.Namespace(json=False)) == 1
    shown = capsys.readouterr().out
    assert '  OpenCV: pip install "edgecnn[cpu]"\n' in shown
    assert "1 fault to mend" in shown


# ── the child process ──────────────────────────────────────────────────────────────────────


def test_a_crash_in_the_child_is_an_answer() -> None:
    assert _child.call(os.abort).error == "crashed with SIGABRT"


def test_a_hang_in_the_child_ends_at_the_limit() -> None:
    began_s = time.monotonic()
    assert _child.call(time.sleep, 60, limit_s=0.5).error == "no answer within 0.5 s"
    assert time.monotonic() - began_s < 5


def test_the_child_does_not_take_our_files_for_the_engines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(put(tmp_path, {"tensorrt.py": "__version__ = 'the real one'"}))
    answer = _child.call(tensorrt.describe, "tensorrt")
    assert answer.value["version"] == "the real one"
    assert _child.call(tensorrt.describe, "no_such_engine").missing == "no_such_engine"


# ── engines ────────────────────────────────────────────────────────────────────────────────


def test_the_tiny_model_is_valid_and_computes_what_is_expected() -> None:
    onnx = pytest.importorskip("onnx", reason="the reference evaluator is in onnx")
    from onnx.reference import ReferenceEvaluator

    onnx.checker.check_model(_engines.TINY_ONNX, full_check=True)
    model = onnx.load_from_string(_engines.TINY_ONNX)
    (output,) = ReferenceEvaluator(model).run(None, {"x": np.ones((1, 1, 4, 4), np.float32)})
    np.testing.assert_array_equal(output[0, 0], _engines.EXPECTED)
    assert len(_engines.TINY_ONNX) == 161


@pytest.fixture
def sick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An onnxruntime with four ways to be ill, no OpenVINO, on an empty machine."""
    modules = {"onnxruntime/__init__.py": SICK_ONNXRUNTIME, "openvino.py": NOT_INSTALLED}
    monkeypatch.syspath_prepend(put(tmp_path / "site", modules))
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def test_every_sick_provider_is_reported_and_the_cpu_still_counts(sick: Path) -> None:
    found = by_topic(providers.check(sick))
    assert found["onnxruntime CPU"] == Finding("onnxruntime CPU", "ok", "1.31.1, ran a network")
    assert "silently fell back to CPUExecutionProvider" in found["onnxruntime CUDA"].message
    assert "crashed with SIGABRT" in found["onnxruntime Tensorrt"].message
    assert "wrong numbers: [8.0, 12.0, 12.0, 8.0]" in found["onnxruntime Dnnl"].message
    assert found["OpenVINO"].remedy == 'pip install "edgecnn[openvino]"'
    assert {"onnxruntime Azure", "engine"}.isdisjoint(found)
    assert [f.status for f in found.values()].count("warn") == 3
    assert doctor.healthy(list(found.values()))


def test_the_missing_library_is_named_and_the_remedy_depends_on_the_gpu(
    sick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SICK_LOG", CUDA_LOG)
    without = by_topic(providers.check(sick))["onnxruntime CUDA"]
    assert "libcublasLt.so.13 is missing" in without.message
    assert without.remedy.endswith("pip uninstall -y onnxruntime-gpu && pip install onnxruntime")
    put(sick, {"proc/driver/nvidia/version": DRIVER_VERSION})
    with_gpu = by_topic(providers.check(sick))["onnxruntime CUDA"]
    assert with_gpu.remedy == 'pip install "onnxruntime-gpu[cuda,cudnn]"'


@pytest.mark.parametrize(
    ("onnxruntime", "status", "said"),
    [(NOT_INSTALLED, "absent", "not installed"), ("", "fault", "an empty shell")],
)
def test_without_an_engine_there_is_a_fault_with_a_pip_line(
    onnxruntime: str, status: str, said: str, sick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(sick.parent / "site", {"onnxruntime/__init__.py": onnxruntime})
    found = by_topic(providers.check(sick))
    assert found["onnxruntime"].status == status
    assert said in found["onnxruntime"].message
    assert found["engine"].status == "fault"
    assert found["engine"].remedy == 'pip install "edgecnn[cpu]"'


# ── Python, processor, disk ────────────────────────────────────────────────────────────────


def test_python_versions_and_missing_packages() -> None:
    assert by_topic(python.check((3, 9)))["Python"].status == "fault"
    old = by_topic(python.check((3, 10)))
    assert (old["Python"].status, old["training"].status) == ("ok", "absent")
    device = by_topic(python.check((3, 12), lambda name: name != "torch"))
    assert device["training"].remedy == 'pip install "edgecnn[train]"'
    assert device["training"].message.startswith("torch not installed")
    assert by_topic(python.check((3, 12), lambda name: name != "numpy"))["numpy"].status == "fault"


def test_the_processor_is_read_from_its_files(tmp_path: Path) -> None:
    vnni = "model name\t: AMD EPYC\nflags\t\t: fpu avx2 avx512f avx512_vnni\n"
    put(tmp_path, {"proc/cpuinfo": vnni, "sys/fs/cgroup/cpu.max": "150000 100000\n"})
    processor, int8 = cpu.check(tmp_path, "x86_64", lambda: 8)
    assert processor.message == (
        "AMD EPYC, 8 cores, limited to 1.5 by this container, AVX2, AVX-512, VNNI"
    )
    assert (int8.status, int8.message) == ("ok", "VNNI: int8 networks run fast")

    old = put(tmp_path / "old", {"proc/cpuinfo": "model name : Atom\nflags : fpu sse4_2\n"})
    assert cpu.check(old, "x86_64", lambda: 4)[0].status == "warn"

    pi = {
        "proc/cpuinfo": "Features\t: fp asimd crc32\n",
        "proc/device-tree/model": "Raspberry Pi 4\0",
    }
    processor, int8 = cpu.check(put(tmp_path / "pi", pi), "aarch64", lambda: 4)
    assert (processor.message, int8.status) == ("Raspberry Pi 4, 4 cores, NEON", "absent")


def test_a_cache_that_cannot_be_written_is_named_and_nothing_is_created(tmp_path: Path) -> None:
    put(tmp_path, {"file": ""})
    found = by_topic(disk.check(tmp_path, tmp_path / "file" / "edgecnn"))
    assert found["cache"].status == "warn"
    assert found["cache"].remedy.startswith("export EDGECNN_CACHE=")
    fresh = tmp_path / "new" / "edgecnn"
    assert by_topic(disk.check(tmp_path, fresh))["cache"].message.endswith(f"free in {fresh}")
    assert not fresh.parent.exists()
