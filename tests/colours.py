"""A network and pictures whose answers are known: which of three colours is strongest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgecnn.card import Card, Preprocess
from edgecnn.data import Dataset
from edgecnn.onnxfile import write_card

LABELS = ("red", "green", "blue")


def colour_network(path: Path, spread: float = 1.0) -> Path:
    """Which colour is strongest: 1×1 convolutions to 6 channels and back, then the picture's mean.

    `spread` scales one hidden channel up and its way back down: the float answer stays the same,
    but with one scale for all channels INT8 loses the small ones (Nagel et al. 2019, Fig. 2).
    """
    gain = np.array([1, 1, 1, spread, 1, 1], np.float32)
    first = np.vstack([np.eye(3), np.eye(3)]).astype(np.float32) * gain[:, None]
    last = np.hstack([np.eye(3), np.eye(3)]).astype(np.float32) * (1 / gain)[None]
    nodes = [
        helper.make_node("Conv", ["batch", "first.weight"], ["hidden"], "first"),
        helper.make_node("Conv", ["hidden", "last.weight"], ["maps"], "last"),
        helper.make_node("Conv", ["maps", "copy.weight"], ["copied"], "copy"),
        helper.make_node("Conv", ["copied", "again.weight"], ["again"], "again"),
        helper.make_node("GlobalAveragePool", ["again"], ["pooled"], "pool"),
        helper.make_node("Flatten", ["pooled"], ["logits"], "flatten"),
    ]
    graph = helper.make_graph(
        nodes, "colours",
        [helper.make_tensor_value_info("batch", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(first[..., None, None], "first.weight"),
         numpy_helper.from_array(last[..., None, None], "last.weight"),
         numpy_helper.from_array(np.eye(3, dtype=np.float32)[..., None, None], "copy.weight"),
         numpy_helper.from_array(np.eye(3, dtype=np.float32)[..., None, None], "again.weight")],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    how = Preprocess(size=(8, 8), resize="stretch", mean=(0.5, 0.5, 0.5))
    write_card(path, Card(name="colours", task="classify", preprocess=how, labels=LABELS))
    return path


def colour_pictures(count: int, margin: int, labelled: bool = True) -> Dataset:
    """Pictures where one colour is `margin` grey levels above the others."""
    rng = np.random.default_rng(0)
    targets = np.arange(count, dtype=np.int64) % 3
    levels = np.repeat(rng.integers(60, 180, (count, 1)), 3, axis=1)
    levels[np.arange(count), targets] += margin

    def read(i: int) -> np.ndarray:
        return np.broadcast_to(levels[i, ::-1].astype(np.uint8), (8, 8, 3)).copy()

    names = tuple(f"picture-{i}" for i in range(count))
    if not labelled:
        return Dataset(name="colours", labels=(), targets=None, read=read, names=names)
    return Dataset(name="colours", labels=LABELS, targets=targets, read=read, names=names)
