"""edgecnn: convolutional networks from PyTorch to the edge.

Importing this package imports neither torch nor cv2; every name below loads on first use.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

# ONNX Runtime 1.29 and later report home, on Linux too, unless told not to before their import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"

_PUBLIC = {
    "Card": "edgecnn.card",
    "Preprocess": "edgecnn.card",
    "Proof": "edgecnn.card",
    "EdgecnnError": "edgecnn.errors",
    "read_card": "edgecnn.onnxfile",
    "create": "edgecnn.zoo",
    "list_models": "edgecnn.zoo",
    "load": "edgecnn.runtime",
    "frames": "edgecnn.runtime",
}
__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'edgecnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
