"""OpenVINO: Intel's engine for CPUs, integrated GPUs and NPUs; reads ONNX files directly."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np

from edgecnn.card import Card
from edgecnn.errors import EdgecnnError, one_line, one_of
from edgecnn.runtime.session import TensorSpec, one_input

SUFFIXES = (".onnx",)
REMEDY = 'Type: pip install "edgecnn[openvino]".'
DEVICES = {"cpu": "CPU", "gpu": "GPU", "npu": "NPU"}


def check_installed() -> None:
    """Raise ImportError where openvino is missing."""
    if find_spec("openvino") is None:
        raise ImportError("openvino is not installed")


class OpenVinoSession:
    """A network compiled by OpenVINO for exactly one device."""

    backend = "openvino"

    def __init__(self, path: Path, card: Card, device: str, threads: int) -> None:
        # OpenVINO reports home when it is imported, if its telemetry package is there.
        sys.modules.setdefault("openvino_telemetry", cast("ModuleType", None))
        import openvino as ov

        if device not in DEVICES:
            raise one_of("OpenVINO device", device, list(DEVICES))
        self.card, self.device = card, device
        core = ov.Core()
        if DEVICES[device] not in {name.split(".")[0] for name in core.available_devices}:
            raise EdgecnnError(
                f"device {device!r} did not come up: OpenVINO sees {core.available_devices}. "
                "Install the device's driver, or use --device cpu."
            )
        # f32: OpenVINO would otherwise round to bf16 where the CPU has it,
        # and the proofs in the card would not hold.
        config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if threads:
            config["INFERENCE_NUM_THREADS"] = threads
        try:
            model = core.read_model(str(path))
            self._compiled = core.compile_model(model, DEVICES[device], config)
            self._request = self._compiled.create_infer_request()
            self.inputs = tuple(_spec(port) for port in self._compiled.inputs)
            self.outputs = tuple(_spec(port) for port in self._compiled.outputs)
        except Exception as error:
            raise EdgecnnError(f"{path} cannot be loaded by OpenVINO: {one_line(error)}") from error

    def __call__(self, batch: Mapping[str, np.ndarray] | np.ndarray) -> list[np.ndarray]:
        feed = one_input(batch, self.inputs)
        try:
            results = self._request.infer(feed, share_inputs=True)
        except Exception as error:
            raise EdgecnnError(f"the network failed on {self.device}: {one_line(error)}") from error
        return [np.array(results[port]) for port in self._compiled.outputs]

    def close(self) -> None:
        self._request = self._compiled = None


def open_session(path: Path, card: Card, device: str, threads: int) -> OpenVinoSession:
    """Load `path` on `device`; see edgecnn.runtime.session.open_session."""
    return OpenVinoSession(path, card, device, threads)


def _spec(port: Any) -> TensorSpec:
    shape = tuple(
        None if side.is_dynamic else side.get_length() for side in port.get_partial_shape()
    )
    name = port.get_any_name()
    return TensorSpec(name, shape, np.dtype(port.get_element_type().to_dtype()).name)
