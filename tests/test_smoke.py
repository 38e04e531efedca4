"""The main path on the smallest network there is; runs before every commit, in seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from edgecnn.card import Card, Preprocess
from edgecnn.cli import list_verbs, main
from edgecnn.onnxfile import read_card, write_card
from edgecnn.runtime import frames, load

pytestmark = pytest.mark.smoke

CARD = Card(
    name="colour",
    task="classify",
    labels=("red", "green", "blue"),
    preprocess=Preprocess(size=(8, 8)),
    decode={"activation": "softmax"},
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Ten times the mean of each channel, as logits: it names the colour of a picture."""
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
            helper.make_node("Flatten", ["mean"], ["flat"]),
            helper.make_node("Mul", ["flat", "ten"], ["logits"]),
        ],
        "colour",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor("ten", TensorProto.FLOAT, [1], [10.0])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    path = tmp_path / "colour.onnx"
    onnx.save(made, path)
    write_card(path, CARD)
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "green.png"
    Image.new("RGB", (40, 30), (0, 255, 0)).save(path)
    return path


def test_photo_to_label(model: Path, photo: Path) -> None:
    pipeline = load(model)
    (result,) = [pipeline(frame) for frame in frames(photo)]
    # softmax of (0, 10, 0)
    assert result.top(1)[0][0] == "green"
    np.testing.assert_allclose(result.probabilities[1], 1 / (1 + 2 * np.exp(-10)), rtol=1e-6)
    pipeline.close()


def test_card_survives_the_file(model: Path) -> None:
    assert read_card(model) == CARD


def test_card_for_machines(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["card", str(model), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["labels"] == ["red", "green", "blue"]


@pytest.mark.parametrize("verb", list_verbs())
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([verb, "--help"])
    assert f"usage: edgecnn {verb}" in capsys.readouterr().out


def test_missing_file_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["card", "nowhere.onnx"]) == 1
    assert capsys.readouterr().err == "edgecnn: nowhere.onnx: no such file.\n"


def test_unknown_verb_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exprot"]) == 2
    assert "did you mean 'export'?" in capsys.readouterr().err
