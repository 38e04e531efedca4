"""INT8 within a budget: real network, real pictures; layers that do harm stay float, or no file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgecnn.card import Card, Preprocess
from edgecnn.data import Dataset, open_dataset
from edgecnn.errors import EdgecnnError, UsageError
from edgecnn.export import quantize_onnx
from edgecnn.onnxfile import read_card, write_card
from edgecnn.runtime import load

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
    how = Preprocess(size=(8, 8), resize="stretch")
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


@pytest.fixture
def tame(tmp_path: Path) -> Path:
    return colour_network(tmp_path / "float.onnx")


@pytest.mark.parametrize(
    ("target", "activations", "zero_points"),
    [("cpu", TensorProto.UINT8, None), ("tensorrt", TensorProto.INT8, {0})],
)
def test_the_recipe_of_each_target(
    tame: Path, tmp_path: Path, target: str, activations: int, zero_points: set[int] | None
) -> None:
    out = tmp_path / "int8.onnx"
    quantize_onnx(tame, colour_pictures(60, 40), out, target=target)
    graph = onnx.load(out).graph
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    kinds = {t.name: t.data_type for t in graph.initializer}
    quantizers = [node for node in graph.node if node.op_type == "QuantizeLinear"]
    assert quantizers
    assert {kinds[node.input[2]] for node in quantizers} == {activations}
    if zero_points is not None:
        assert {int(z) for n in quantizers for z in constants[n.input[2]].ravel()} == zero_points
    weights = [kinds[name] for name in kinds if name.endswith("weight_quantized")]
    assert weights == [TensorProto.INT8] * 4


def test_a_tame_network_keeps_its_answers_and_says_so_in_its_card(
    tame: Path, tmp_path: Path
) -> None:
    out = tmp_path / "int8.onnx"
    report = quantize_onnx(tame, colour_pictures(60, 40), out)
    assert (report.accuracy_before, report.accuracy_after, report.drop) == (1.0, 1.0, 0.0)
    assert (report.calibration, report.held_out, report.float_layers) == (30, 30, ())
    card = read_card(out)
    proof = card.proofs[-1]
    assert (proof.kind, proof.samples, proof.accuracy_after) == ("quantize", 30, 1.0)
    assert card.provenance["precision"] == "int8"
    frame = np.zeros((20, 20, 3), np.uint8)
    frame[..., 0] = 200
    assert load(out)(frame).top(1)[0][0] == "blue"


def test_the_layers_that_break_the_budget_return_to_float(tmp_path: Path) -> None:
    wild = colour_network(tmp_path / "wild.onnx", spread=3000)
    out = tmp_path / "int8.onnx"
    report = quantize_onnx(wild, colour_pictures(120, 4), out, max_drop=0.02)
    assert report.drop_fully_quantized > 0.2
    assert report.drop <= 0.02
    # The wild tensor lies between these two; the other two layers stay INT8.
    assert {name for name, _ in report.float_layers} == {"first", "last"}
    assert set(read_card(out).proofs[-1].details["float_layers"]) == {"first", "last"}
    after = load(out)
    data = colour_pictures(120, 4)
    right = sum(after(frame).index == target for frame, target in data)
    assert right >= 0.97 * len(data)


def test_a_budget_that_cannot_be_kept_leaves_nothing_behind(tmp_path: Path) -> None:
    wild = colour_network(tmp_path / "wild.onnx", spread=3000)
    out = tmp_path / "int8.onnx"
    out.write_bytes(b"earlier")
    with pytest.raises(EdgecnnError, match="the budget cannot be kept"):
        quantize_onnx(wild, colour_pictures(120, 4), out, max_drop=0.02, max_float=0.0)
    assert out.read_bytes() == b"earlier"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["int8.onnx", "wild.onnx"]


def test_without_labels_agreement_with_the_float_network_judges(tame: Path, tmp_path: Path) -> None:
    report = quantize_onnx(tame, colour_pictures(60, 40, labelled=False), tmp_path / "int8.onnx")
    assert report.accuracy_before is None
    assert (report.agreement, report.drop) == (1.0, 0.0)


def test_what_cannot_be_quantized(tame: Path, tmp_path: Path) -> None:
    once = tmp_path / "once.onnx"
    quantize_onnx(tame, colour_pictures(60, 40), once)
    with pytest.raises(EdgecnnError, match="quantized already"):
        quantize_onnx(once, colour_pictures(60, 40), tmp_path / "twice.onnx")
    with pytest.raises(EdgecnnError, match="expected at least 2"):
        quantize_onnx(tame, colour_pictures(1, 40), tmp_path / "x.onnx")
    with pytest.raises(UsageError, match=r"Choose from cpu, tensorrt"):
        quantize_onnx(tame, colour_pictures(60, 40), tmp_path / "x.onnx", target="cpux")
    with pytest.raises(UsageError, match="0 to 1"):
        quantize_onnx(tame, colour_pictures(60, 40), tmp_path / "x.onnx", max_drop=1.5)


@pytest.mark.network
@pytest.mark.slow
def test_mobilenet_v2_keeps_its_budget_on_held_out_real_pictures(tmp_path: Path) -> None:
    from edgecnn.export import export_onnx
    from edgecnn.zoo.origin import network_and_card

    path, out = tmp_path / "m.onnx", tmp_path / "m.int8.onnx"
    export_onnx(*network_and_card("mobilenet_v2", weights="imagenet"), path)
    report = quantize_onnx(path, open_dataset("imagenet-50"), out, max_drop=0.01)
    assert report.held_out == 25
    assert report.accuracy_before is not None
    assert report.accuracy_before >= 0.7
    assert report.drop <= 0.01
    assert report.bytes_after < 0.4 * report.bytes_before
