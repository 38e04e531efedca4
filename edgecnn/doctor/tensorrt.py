"""TensorRT: which flavour builds engines here: TensorRT 10 or 11, or TensorRT for RTX."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from edgecnn.doctor import Finding, _child
from edgecnn.doctor.gpu import has_nvidia_gpu
from edgecnn.doctor.jetson import board

_FLAVOURS = {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT for RTX"}
_EXTRAS = {
    "tensorrt": 'pip install "edgecnn[tensorrt]"',
    "tensorrt_rtx": 'pip install "edgecnn[rtx]"',
}
_OLDEST = 10


def check(root: Path = Path("/"), distributions: Iterable[str] | None = None) -> list[Finding]:
    """Import each flavour and look for its builder.

    Both arguments are for tests: the root folder, and the names of the installed distributions.
    """
    names = set(distributions) if distributions is not None else _installed()
    return [_judge(module, _child.call(describe, module), names, root) for module in _FLAVOURS]


def describe(module: str) -> dict[str, Any]:
    """Version, builder and parser of a flavour; runs in the child process."""
    trt = import_module(module)
    found = {name: hasattr(trt, name) for name in ("Builder", "OnnxParser")}
    return {"version": getattr(trt, "__version__", "unknown"), **found}


def _judge(module: str, answer: _child.Answer, names: set[str], root: Path) -> Finding:
    topic = _FLAVOURS[module]
    if answer.missing == module:
        return _missing(module, _is_distributed(module, names), root)
    if answer.error:
        message = f"installed, but does not import: {answer.error}"
        return Finding(topic, "warn", message, _repair(module, root))
    version = answer.value["version"]
    if not (answer.value["Builder"] and answer.value["OnnxParser"]):
        message = f"{version} is a stub: it imports, but has no builder and ONNX parser"
        return Finding(topic, "warn", message, _repair(module, root))
    if module == "tensorrt" and _major(version) < _OLDEST:
        message = f"{version} is too old; engines are built with TensorRT 10, 11 or RTX"
        return Finding(topic, "warn", message, _repair(module, root))
    return Finding(topic, "ok", f"{version}, builder and ONNX parser import")


def _is_distributed(module: str, names: set[str]) -> bool:
    own = module.replace("_", "-")
    return any(name == own or name.startswith(f"{own}-cu") for name in names)


def _missing(module: str, distributed: bool, root: Path) -> Finding:
    topic = _FLAVOURS[module]
    if distributed:
        message = "only the stub is installed: its download of the libraries did not happen"
        return Finding(topic, "warn", message, _repair(module, root))
    library = _system_library(root) if module == "tensorrt" else ""
    if library:
        message = f"{library} is here, but this Python has no bindings for it"
        remedy = "sudo apt-get install python3-libnvinfer && " + _system_venv()
        return Finding(topic, "warn", message, remedy)
    if module == "tensorrt_rtx":
        message = "not installed; it builds engines for GeForce and RTX cards, even without one"
        return Finding(topic, "absent", message, _EXTRAS[module])
    remedy = _repair(module, root) if board(root) else _EXTRAS[module]
    return Finding(topic, "absent", "not installed", remedy if has_nvidia_gpu(root) else "")


def _major(version: str) -> int:
    digits = version.split(".")[0]
    return int(digits) if digits.isdecimal() else 0


def _repair(module: str, root: Path) -> str:
    if module == "tensorrt" and board(root):
        return "sudo apt-get install tensorrt python3-libnvinfer && " + _system_venv()
    name = module.replace("_", "-")
    return f"pip uninstall -y {name} && pip install --no-cache-dir {_EXTRAS[module].split()[-1]}"


def _system_venv() -> str:
    return "python3 -m venv --system-site-packages .venv"


def _system_library(root: Path) -> str:
    found = sorted((root / "usr/lib").glob("*-linux-gnu/libnvinfer.so.*"))
    return found[0].name if found else ""


def _installed() -> set[str]:
    names = (distribution.metadata["Name"] for distribution in metadata.distributions())
    return {name.lower().replace("_", "-") for name in names if name}
