"""INT8 within a budget: real network, real pictures; layers that do harm stay float, or no file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from colours import colour_network, colour_pictures
from onnx import TensorProto, numpy_helper

from edgecnn.data import open_dataset
from edgecnn.errors import EdgecnnError, UsageError
from edgecnn.export import quantize_onnx
from edgecnn.onnxfile import read_card
from edgecnn.runtime import load


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
