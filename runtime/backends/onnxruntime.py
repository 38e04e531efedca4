"""ONNX Runtime: the default engine, on the CPU and through its execution providers."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.card import Card
from edgecnn.errors import EdgecnnError, one_line, one_of
from edgecnn.runtime.session import TensorSpec, one_input

SUFFIXES = (".onnx",)
REMEDY = 'Type: pip install "edgecnn[cpu]"  (or "edgecnn[gpu]" for NVIDIA).'
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
    "tensor(string)": "str",
}


def check_installed() -> None:
    """Raise ImportError where onnxruntime is missing or half removed."""
    if find_spec("onnxruntime") is None:
        raise ImportError("onnxruntime is not installed")
    import onnxruntime

    if not hasattr(onnxruntime, "InferenceSession"):
        raise ImportError(
            "onnxruntime is an empty shell (two of its distributions were installed and one "
            "removed); pip uninstall -y onnxruntime onnxruntime-gpu, then install one"
        )


class OnnxRuntimeSession:
    """A network in ONNX Runtime on exactly one execution provider."""

    backend = "onnxruntime"

    def __init__(self, path: Path, card: Card, device: str, threads: int) -> None:
        import onnxruntime as ort

        if device not in PROVIDERS:
            raise one_of("device", device, list(PROVIDERS))
        self.card, self.device = card, device
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4
        provider = PROVIDERS[device]
        if device != "cpu":
            # Otherwise nodes move to the CPU without a word.
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
            _check_listed(ort, device, provider)
            if device in ("cuda", "tensorrt") and hasattr(ort, "preload_dlls"):
                # CUDA and cuDNN from pip wheels are not on the loader's path.
                ort.preload_dlls()
        try:
            # Its own fallback prints to stdout and goes on on the CPU, even in the middle of a run.
            self._session = ort.InferenceSession(
                str(path), options, providers=[provider], enable_fallback=0
            )
            self._session.disable_fallback()
            self.inputs = tuple(_spec(arg) for arg in self._session.get_inputs())
            self.outputs = tuple(_spec(arg) for arg in self._session.get_outputs())
        except Exception as error:
            raise _explained(error, path, device, provider) from error
        if self._session.get_providers()[0] != provider:
            self.close()
            raise _not_up(device, provider, "ONNX Runtime fell back to the CPU")

    def __call__(self, batch: Mapping[str, np.ndarray] | np.ndarray) -> list[np.ndarray]:
        feed = one_input(batch, self.inputs)
        try:
            outputs: list[np.ndarray] = self._session.run(None, feed)
        except Exception as error:
            raise EdgecnnError(f"the network failed on {self.device}: {one_line(error)}") from error
        return outputs

    def close(self) -> None:
        self._session = None


def open_session(path: Path, card: Card, device: str, threads: int) -> OnnxRuntimeSession:
    """Load `path` on `device`; see edgecnn.runtime.session.open_session."""
    return OnnxRuntimeSession(path, card, device, threads)


def _check_listed(ort: Any, device: str, provider: str) -> None:
    if provider not in ort.get_available_providers():
        raise _not_up(device, provider, f"this onnxruntime {ort.__version__} was built without it")


def _explained(error: Exception, path: Path, device: str, provider: str) -> EdgecnnError:
    line = one_line(error)
    if device != "cpu" and not _is_file_fault(line):
        return _not_up(device, provider, line)
    return EdgecnnError(f"{path} cannot be loaded by ONNX Runtime: {line}")


def _is_file_fault(line: str) -> bool:
    return any(word in line for word in ("INVALID_PROTOBUF", "INVALID_GRAPH", "NO_SUCHFILE"))


def _not_up(device: str, provider: str, cause: str) -> EdgecnnError:
    remedy = {
        "cuda": 'pip install "edgecnn[gpu]" beside a driver and CUDA 13 + cuDNN 9',
        "tensorrt": 'pip install "edgecnn[gpu]" and TensorRT 10',
    }.get(device, f"an onnxruntime built with {provider}")
    return EdgecnnError(
        f"device {device!r} did not come up: {cause.rstrip('.')}. It needs {remedy}; "
        "`edgecnn doctor` says what is missing, `--device cpu` runs without it."
    )


def _spec(arg: Any) -> TensorSpec:
    shape = tuple(side if isinstance(side, int) else None for side in arg.shape)
    return TensorSpec(arg.name, shape, _DTYPES.get(arg.type, arg.type))
