"""Which engines and devices actually run a network, each tried in a process of its own."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from edgecnn.doctor import Finding, _child, _engines
from edgecnn.doctor.gpu import has_nvidia_gpu
from edgecnn.doctor.jetson import board

INSTALL = 'pip install "edgecnn[cpu]"'
# Sends tensors to a web service: there is nothing to run here.
_REMOTE = {"AzureExecutionProvider"}
_NVIDIA = {"CUDA", "Tensorrt", "NvTensorRTRTX"}
_MISSING_LIBRARY = re.compile(r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object")
# Building even a tiny TensorRT engine takes many seconds on a small board.
_LIMIT_S = 90.0


def check(root: Path = Path("/")) -> list[Finding]:
    """Run a network of one convolution on every provider and device; `root` is for tests."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        engines = list(pool.map(lambda examine: examine(root), (_onnxruntime, _openvino)))
    findings = [finding for found in engines for finding in found]
    runs = {finding.topic for finding in findings if finding.status == "ok"}
    if not runs & {"onnxruntime CPU", "OpenVINO CPU"}:
        message = "no engine runs networks on the CPU: neither onnxruntime nor OpenVINO"
        findings.append(Finding("engine", "fault", message, INSTALL))
    return findings


def _onnxruntime(root: Path) -> list[Finding]:
    listed = _child.call(_engines.list_onnxruntime)
    if listed.missing == "onnxruntime":
        return [Finding("onnxruntime", "absent", "not installed", INSTALL)]
    if listed.error:
        return [Finding("onnxruntime", "fault", listed.error, _reinstall(listed.error))]
    providers = [name for name in listed.value["providers"] if name not in _REMOTE]
    with ThreadPoolExecutor(max_workers=4) as pool:
        answers = list(pool.map(_try_provider, providers))
    version = listed.value["version"]
    findings = [
        _judge(_short(name), version, answer, root)
        for name, answer in zip(providers, answers, strict=True)
    ]
    if (
        has_nvidia_gpu(root)
        and not board(root)
        and not _NVIDIA & {_short(name) for name in providers}
    ):
        message = f"{version} was built without CUDA, so this machine's NVIDIA GPU lies idle"
        remedy = 'pip uninstall -y onnxruntime && pip install "edgecnn[gpu]"'
        findings.append(Finding("onnxruntime CUDA", "warn", message, remedy))
    return findings


def _try_provider(provider: str) -> _child.Answer:
    return _child.call(_engines.run_onnxruntime, provider, limit_s=_LIMIT_S)


def _short(provider: str) -> str:
    return provider.removesuffix("ExecutionProvider")


def _judge(name: str, version: str, answer: _child.Answer, root: Path) -> Finding:
    topic = f"onnxruntime {name}"
    if not answer.error:
        return Finding(topic, "ok", f"{version}, ran a network")
    cause = _cause(answer)
    if name == "CPU":
        return Finding(topic, "fault", f"{version} does not run: {cause}", _reinstall(cause))
    message = f"{version} lists it, but it does not come up: {cause}"
    return Finding(topic, "warn", message, _remedy(name, cause, root))


def _cause(answer: _child.Answer) -> str:
    """The reason; ONNX Runtime writes the true one to its log and raises another."""
    library = _MISSING_LIBRARY.search(answer.log)
    return f"{library[1]} is missing" if library else answer.error


def _remedy(name: str, cause: str, root: Path) -> str:
    if name not in _NVIDIA:
        return "Run with --device cpu, or install what the message names."
    if not has_nvidia_gpu(root):
        return (
            "Harmless: there is no NVIDIA GPU here. To tidy up: "
            "pip uninstall -y onnxruntime-gpu && pip install onnxruntime"
        )
    if board(root):
        return (
            "pip's onnxruntime-gpu has no kernels for Jetson; use JetPack's TensorRT: edgecnn build"
        )
    tensorrt = re.search(r"libnvinfer\w*\.so\.(\d+)", cause)
    if tensorrt:
        return f'pip install "tensorrt=={tensorrt[1]}.*"'
    if "TensorRT libraries" in cause:
        return 'pip install "tensorrt==10.*"'
    if "libcuda.so" in cause:
        return "Install the NVIDIA driver; in a container: docker run --gpus all …"
    if re.search(r"lib(cu|nv)\w+\.so", cause):
        return 'pip install "onnxruntime-gpu[cuda,cudnn]"'
    return "See the lines on GPU, CUDA and cuDNN; until then run with --device cpu."


def _reinstall(cause: str) -> str:
    if "numpy" in cause or "_ARRAY_API" in cause:
        return "pip install --upgrade onnxruntime numpy"
    return "pip uninstall -y onnxruntime onnxruntime-gpu && " + INSTALL


def _openvino(root: Path) -> list[Finding]:
    listed = _child.call(_engines.list_openvino)
    install = 'pip install "edgecnn[openvino]"'
    if listed.missing == "openvino":
        return [Finding("OpenVINO", "absent", "not installed", install)]
    if listed.error:
        remedy = "pip install --force-reinstall openvino"
        return [Finding("OpenVINO", "warn", f"does not start: {listed.error}", remedy)]
    devices: dict[str, Any] = listed.value["devices"]
    if not devices:
        remedy = "pip install --force-reinstall openvino"
        return [Finding("OpenVINO", "warn", f"{listed.value['version']} sees no device", remedy)]
    findings = []
    for device, full_name in devices.items():
        topic = f"OpenVINO {device}"
        answer = _child.call(_engines.run_openvino, device, limit_s=_LIMIT_S)
        if answer.error:
            remedy = "Run with --device cpu, or update the device's driver."
            findings.append(Finding(topic, "warn", f"{full_name}: {answer.error}", remedy))
        else:
            message = f"{listed.value['version']} on {full_name}, ran a network"
            findings.append(Finding(topic, "ok", message))
    return findings
