"""The part that runs on the device: numpy, OpenCV and one inference engine; no torch, no onnx."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Classes": "edgecnn.runtime.results",
    "Ensemble": "edgecnn.runtime.ensemble",
    "Frame": "edgecnn.runtime.sources",
    "Pipeline": "edgecnn.runtime.pipeline",
    "Smoother": "edgecnn.runtime.smoothing",
    "frames": "edgecnn.runtime.sources",
    "load": "edgecnn.runtime.pipeline",
    "open_session": "edgecnn.runtime.session",
    "open_sink": "edgecnn.runtime.sinks",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'edgecnn.runtime' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
