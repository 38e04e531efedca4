"""From PyTorch to the chip: export, check, quantize."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Agreement": "edgecnn.export.check",
    "compare": "edgecnn.export.check",
    "export_onnx": "edgecnn.export.onnx",
    "quantize_onnx": "edgecnn.export.quantize",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'edgecnn.export' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
