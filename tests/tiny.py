"""A real ONNX classifier with a Card whose answers are known in closed form: means of channels.

It has one convolution as large as the picture, so that logit k is

    mean over the picture of channel (k mod channels) of the batch, times (k // channels + 1)

The Card scales pixels to 0-1 in RGB order, so a purely red frame gets (1, 0, 0) for three classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgecnn.card import Card, Preprocess
from edgecnn.onnxfile import write_card

LABELS = ("red", "green", "blue")


def tiny_onnx(
    path: Path,
    classes: int = 3,
    size: tuple[int, int] = (8, 8),
    *,
    batch: int | None = None,
    labels: Sequence[str] | None = None,
    gain: float = 1.0,
    color: str = "rgb",
    card: bool = True,
    **fields: Any,
) -> Path:
    """Write the classifier and return its path.

    batch: a fixed batch size, or None for any.
    labels: default red, green, blue; else "class 0" and so on.
    gain: multiplies all logits, so that two files can differ in content and not in shape.
    card: False leaves the file without one.
    fields: further fields of the Card, such as task, decode or provenance.
    """
    channels = 1 if color == "gray" else 3
    weights = np.zeros((classes, channels, *size), np.float32)
    for k in range(classes):
        weights[k, k % channels] = gain * (k // channels + 1) / (size[0] * size[1])
    rows = batch or "batch"
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["batch", "weights"], ["sums"], name="conv"),
            helper.make_node("Flatten", ["sums"], ["logits"], name="flatten"),
        ],
        "tiny",
        [helper.make_tensor_value_info("batch", TensorProto.FLOAT, [rows, channels, *size])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [rows, classes])],
        [numpy_helper.from_array(weights, "weights")],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    if card:
        write_card(path, tiny_card(classes, size, labels=labels, color=color, **fields))
    return path


def tiny_card(
    classes: int = 3,
    size: tuple[int, int] = (8, 8),
    *,
    labels: Sequence[str] | None = None,
    color: str = "rgb",
    **fields: Any,
) -> Card:
    """The Card of `tiny_onnx`."""
    if labels is None:
        labels = LABELS if classes == 3 else [f"class {k}" for k in range(classes)]
    values = {"task": "classify", "decode": {"activation": "softmax"}, **fields}
    channels = 1 if color == "gray" else 3
    how = Preprocess(size=size, color=color, mean=(0.0,) * channels, std=(1.0,) * channels)
    return Card(name="tiny", labels=tuple(labels), preprocess=how, **values)


def tiny_logits(batch: np.ndarray, classes: int = 3, gain: float = 1.0) -> np.ndarray:
    """What `tiny_onnx` answers to a batch N×C×H×W: N×classes, computed without an engine."""
    means = batch.astype(np.float64).mean(axis=(2, 3))
    k = np.arange(classes)
    return gain * means[:, k % batch.shape[1]] * (k // batch.shape[1] + 1)


def plain_frame(label: str, size: tuple[int, int] = (12, 20)) -> np.ndarray:
    """A frame (H×W×3 BGR uint8) of one colour, "red", "green" or "blue"."""
    frame = np.zeros((*size, 3), np.uint8)
    frame[..., 2 - LABELS.index(label)] = 255
    return frame
