"""A float ONNX file becomes a QDQ INT8 one: a recipe per target, calibrated once."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from types import TracebackType

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from edgecnn.errors import EdgecnnError, one_line


@dataclass(frozen=True)
class Recipe:
    """What a target's engine accepts and runs fast; weights are int8 per channel everywhere.

    activations: "uint8" (asymmetric) or "int8" (symmetric, zero point 0).
    quantize_bias: int32 bias with its own DequantizeLinear; NVIDIA's parser rejects it.
    """

    activations: str
    quantize_bias: bool


RECIPES = {
    # U8S8 is what VNNI multiplies; S8S8 is slower than float there.
    "cpu": Recipe(activations="uint8", quantize_bias=True),
    "tensorrt": Recipe(activations="int8", quantize_bias=False),
}
LAYER_TYPES = ("Conv", "ConvTranspose", "Gemm", "MatMul")


class _Batches(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, name: str, batches: Iterable[np.ndarray]) -> None:
        self._feeds = ({name: batch} for batch in batches)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._feeds, None)


class QdqBuilder:
    """Builds INT8 forms of one float file; a context manager, because it keeps work files.

    Raises:
        EdgecnnError: the file has no layer to quantize or ONNX Runtime cannot prepare it.
    """

    def __init__(self, path: Path, recipe: Recipe) -> None:
        if "calibration_cache_path" not in signature(quantize_static).parameters:
            raise EdgecnnError(
                f"onnxruntime {onnxruntime.__version__} cannot keep a calibration, which "
                "quantizing needs. Type: pip install --upgrade onnxruntime (1.32 can)."
            )
        self.recipe, self._path = recipe, path
        self._folder = tempfile.TemporaryDirectory(prefix="edgecnn.int8.")
        whole = Path(self._folder.name) / "whole.onnx"
        self._float = Path(self._folder.name) / "float.onnx"
        self._ranges = Path(self._folder.name) / "ranges.json"
        try:
            with _silent():
                # Made one file first: it would not find weights that lie beside the model.
                onnx.save(onnx.load(path), whole)
                quant_pre_process(str(whole), str(self._float), skip_symbolic_shape=True)
                whole.unlink()
            model = onnx.load(self._float)
        except Exception as error:
            self._folder.cleanup()
            line = one_line(error)
            raise EdgecnnError(f"{path} cannot be prepared for quantization: {line}") from error
        weights = {tensor.name for tensor in model.graph.initializer}
        # Old files list their weights among the inputs.
        self.input = next(i.name for i in model.graph.input if i.name not in weights)
        self.layers = [
            node.name
            for node in model.graph.node
            if node.op_type in LAYER_TYPES and weights & set(node.input)
        ]
        quantized = any(node.op_type == "QuantizeLinear" for node in model.graph.node)
        if quantized or not self.layers:
            self._folder.cleanup()
            why = "it is quantized already" if quantized else "it has no convolution or dense layer"
            raise EdgecnnError(f"{path} cannot be quantized: {why}. Give the float file of a CNN.")

    def calibrate(self, batches: Iterable[np.ndarray], out: Path) -> None:
        """Find every tensor's smallest and largest value (MinMax) and build the full INT8 file."""
        self._quantize(out, _Batches(self.input, batches))

    def build(
        self, out: Path, *, keep_float: Collection[str] = (), only: str | None = None
    ) -> None:
        """Write an INT8 file with some layers left float, or with a single layer quantized."""
        self._quantize(out, None, keep_float, [only] if only else None)

    def _quantize(
        self,
        out: Path,
        reader: CalibrationDataReader | None,
        keep_float: Collection[str] = (),
        only: list[str] | None = None,
    ) -> None:
        symmetric = self.recipe.activations == "int8"
        try:
            with _silent():
                quantize_static(
                    str(self._float),
                    str(out),
                    reader,
                    quant_format=QuantFormat.QDQ,
                    per_channel=True,
                    activation_type=QuantType.QInt8 if symmetric else QuantType.QUInt8,
                    weight_type=QuantType.QInt8,
                    nodes_to_exclude=list(keep_float),
                    nodes_to_quantize=only,
                    calibrate_method=CalibrationMethod.MinMax,
                    calibration_cache_path=str(self._ranges),
                    extra_options={
                        "ActivationSymmetric": symmetric,
                        "QuantizeBias": self.recipe.quantize_bias,
                    },
                )
        except (OSError, EdgecnnError):
            raise
        except Exception as error:
            line = one_line(error)
            raise EdgecnnError(f"ONNX Runtime cannot quantize {self._path}: {line}") from error

    def __enter__(self) -> QdqBuilder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._folder.cleanup()


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """ONNX Runtime's quantizer logs advice for every file, and whole tracebacks for a bad one."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(level)
