"""A network of one convolution, run on an engine: what the child processes of `providers` do."""

from __future__ import annotations

import base64
import sys
from importlib import import_module
from typing import Any

# x (1×1×4×4 float32) → 3×3 convolution, all weights 1, padding 1 → y; opset 13, IR 8.
# A convolution, because it is what needs cuDNN. Made with onnx, which need not be here.
TINY_ONNX = base64.b64decode(
    "CAg6lgEKIgoBeAoBdxIBeSIEQ29udioRCgRwYWRzQAFAAUABQAGgAQcSAXQqMwgBCAEIAwgDEAFCAXdKJAAAgD8AAIA/"
    "AACAPwAAgD8AAIA/AACAPwAAgD8AAIA/AACAP1obCgF4EhYKFAgBEhAKAggBCgIIAQoCCAQKAggEYhsKAXkSFgoUCAES"
    "EAoCCAEKAggBCgIIBAoCCARCBAoAEA0="
)
# Each output counts its neighbours inside the picture, for x = 1.
EXPECTED = [[4, 6, 6, 4], [6, 9, 9, 6], [6, 9, 9, 6], [4, 6, 6, 4]]


def list_onnxruntime() -> dict[str, Any]:
    """The version and the providers that this onnxruntime claims to have."""
    ort = import_module("onnxruntime")
    if not hasattr(ort, "InferenceSession"):
        raise ImportError("onnxruntime is an empty shell, left by an uninstalled distribution")
    return {"version": ort.__version__, "providers": ort.get_available_providers()}


def run_onnxruntime(provider: str) -> None:
    """Run the tiny network on exactly `provider`.

    Raises:
        RuntimeError: another provider ran it, or the numbers are wrong.
    """
    ort = import_module("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    if provider != "CPUExecutionProvider":
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        if hasattr(ort, "preload_dlls"):
            # CUDA and cuDNN out of pip packages are found in no other way.
            ort.preload_dlls()
    session = ort.InferenceSession(TINY_ONNX, options, providers=[provider])
    used = session.get_providers()
    if used[0] != provider:
        raise RuntimeError(f"it silently fell back to {used[0]}")
    _verify(session.run(None, {"x": _ones()})[0])


def list_openvino() -> dict[str, Any]:
    """The version and the devices, name → full name, that OpenVINO sees."""
    openvino = _openvino()
    core = openvino.Core()
    names = {name: core.get_property(name, "FULL_DEVICE_NAME") for name in core.available_devices}
    return {"version": openvino.__version__.split("-")[0], "devices": names}


def run_openvino(device: str) -> None:
    """Run the tiny network on one OpenVINO device, for instance "CPU" or "GPU.0"."""
    core = _openvino().Core()
    compiled = core.compile_model(core.read_model(TINY_ONNX, b""), device)
    _verify(compiled(_ones())[0])


def _openvino() -> Any:
    # Its import reports to its maker and writes ~/intel, unless this module is out of reach.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    return import_module("openvino")


def _ones() -> Any:
    import numpy as np

    return np.ones((1, 1, 4, 4), np.float32)


def _verify(output: Any) -> None:
    import numpy as np

    got = np.asarray(output, np.float32)
    if got.shape != (1, 1, 4, 4) or not np.allclose(got[0, 0], EXPECTED, atol=0.05):
        raise RuntimeError(f"it runs but computes wrong numbers: {got.ravel()[:4].tolist()}")
