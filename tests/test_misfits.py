"""Models that load and are no image classifier, or contradict their Card."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from command import Command, assert_one_line
from onnx import TensorProto, helper, numpy_helper
from tiny import plain_frame, tiny_card, tiny_onnx

from edgecnn.errors import EdgecnnError
from edgecnn.onnxfile import write_card
from edgecnn.runtime import load


def graph_file(
    path: Path,
    inputs: list[tuple[str, int, list[Any]]],
    nodes: list[Any],
    outputs: list[tuple[str, int, list[Any]]],
    **constants: np.ndarray,
) -> None:
    """Any graph, with the Card of the tiny classifier."""
    graph = helper.make_graph(
        nodes, "any",
        [helper.make_tensor_value_info(*spec) for spec in inputs],
        [helper.make_tensor_value_info(*spec) for spec in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    write_card(path, tiny_card())


FLOAT, STRING = TensorProto.FLOAT, TensorProto.STRING
IMAGE = ("x", FLOAT, ["n", 3, 8, 8])
NO_CNN: dict[str, tuple[Callable[[Path], None], str]] = {
    "a table": (
        lambda path: graph_file(
            path, [("x", FLOAT, ["n", 4])], [helper.make_node("Relu", ["x"], ["y"])],
            [("y", FLOAT, ["n", 4])]),
        "is no image network: its input 'x' has shape N×4",
    ),
    "text": (
        lambda path: graph_file(
            path, [("x", STRING, ["n", 3, 8, 8])],
            [helper.make_node("Identity", ["word"], ["y"])],
            [("y", STRING, [1])], word=np.array(["hello"], object)),
        "the graph's input is str, its card says float32",
    ),
    "two inputs": (
        lambda path: graph_file(
            path, [IMAGE, ("z", FLOAT, ["n", 3, 8, 8])],
            [helper.make_node("Add", ["x", "z"], ["y"])], [("y", FLOAT, ["n", 3, 8, 8])]),
        "has 2 inputs (x, z); expected one image batch",
    ),
    "no input": (
        lambda path: graph_file(
            path, [], [helper.make_node("Relu", ["c"], ["y"])], [("y", FLOAT, [1, 3])],
            c=np.ones((1, 3), np.float32)),
        "has 0 inputs",
    ),
    "text as output": (
        lambda path: graph_file(
            path, [IMAGE], [helper.make_node("Identity", ["word"], ["y"])],
            [("y", STRING, [1])], word=np.array(["hello"], object)),
        "the graph gives str; expected numbers",
    ),
    "a list as output": (
        lambda path: list_output(path),
        "expected numbers",
    ),
    "another number of classes, known only when it runs": (
        lambda path: graph_file(
            path, [IMAGE],
            [helper.make_node("NonZero", ["x"], ["places"]),
             helper.make_node("Cast", ["places"], ["y"], to=FLOAT)],
            [("y", FLOAT, ["n", "c"])]),
        "values a frame; its card has 3 labels",
    ),
    "infinite": (
        lambda path: graph_file(
            path, [IMAGE],
            [helper.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0),
             helper.make_node("Div", ["m", "zero"], ["y"])],
            [("y", FLOAT, ["n", 3])], zero=np.zeros(1, np.float32)),
        "gives NaN or infinity",
    ),
    "failing when it runs": (
        lambda path: graph_file(
            path, [IMAGE], [helper.make_node("Reshape", ["x", "shape"], ["y"])],
            [("y", FLOAT, ["n", "c"])], shape=np.array([7, 3], np.int64)),
        "the network failed on cpu",
    ),
}  # fmt: skip


def list_output(path: Path) -> None:
    node = helper.make_node("SplitToSequence", ["x"], ["y"], axis=1)
    output = helper.make_tensor_sequence_value_info("y", FLOAT, None)
    graph = helper.make_graph([node], "any", [helper.make_tensor_value_info(*IMAGE)], [output])
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    write_card(path, tiny_card())


@pytest.mark.parametrize("kind", NO_CNN)
def test_networks_that_recognise_nothing(
    command: Command, pictures: Path, place: Path, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "odd.onnx"
    make, says = NO_CNN[kind]
    make(path)
    frames = pictures / "red"
    done = command("run", path, frames, "-o", place / "earlier.mp4", "-q")
    assert_one_line(done, 1, says, progress=True)
    assert_one_line(command("check", path), 1)
    done = command("quantize", path, "--data", pictures, "-o", place / "earlier.onnx")
    assert_one_line(done, 1, progress=True)


def test_one_answer_to_several_frames_is_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "odd.onnx"
    mean = helper.make_node("ReduceMean", ["x"], ["y"], axes=[0, 2, 3], keepdims=0)
    graph_file(path, [IMAGE], [mean], [("y", FLOAT, ["c"])])
    with pytest.raises(EdgecnnError, match="gives 1 answers to 2 frames"):
        load(path).batch([plain_frame("red")] * 2)


MISFITS: dict[str, tuple[dict[str, Any], str]] = {
    "labels": ({"labels": ["a", "b"]}, "the graph has 3 classes, its card has 2 labels"),
    "no labels": ({"labels": []}, "the graph has 3 classes, its card has 0 labels"),
    "size": ({"size": [16, 8]}, "the graph's input is N×3×8×8, its card says N×3×16×8"),
    "channels": ({"color": "gray", "mean": [0], "std": [1]}, "its card says N×1×8×8"),
    "layout": ({"layout": "nhwc"}, "its card says N×8×8×3"),
    "dtype": ({"dtype": "uint8"}, "the graph's input is float32, its card says uint8"),
    "task": ({"task": "classfy"}, "no task 'classfy'; did you mean 'classify'?"),
    "version": ({"version": "2.0"}, "install a newer edgecnn"),
    "std": ({"std": [1, 1, 0]}, "preprocess.std and preprocess.scale must not be 0"),
}  # fmt: skip


@pytest.mark.parametrize("kind", MISFITS)
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_card_that_does_not_fit_its_graph(
    command: Command, photo: Path, place: Path, tmp_path: Path, kind: str, backend: str
) -> None:
    pytest.importorskip(backend, reason=f'pip install "edgecnn[{backend}]"')
    path = tiny_onnx(tmp_path / "foreign.onnx", card=False)
    data = json.loads(tiny_card().to_json())
    fields, says = MISFITS[kind]
    for name, value in fields.items():
        (data if name in data else data["preprocess"])[name] = value
    (tmp_path / "foreign.card.json").write_text(json.dumps(data))
    argv = ["run", path, photo, "-o", place / "earlier.png", "--backend", backend]
    assert_one_line(command(*argv), 1, str(tmp_path / "foreign"), says)
    if backend == "onnxruntime":
        assert_one_line(command("check", path), 1, says)


def test_an_unknown_activation(command: Command, photo: Path, tmp_path: Path) -> None:
    path = tiny_onnx(tmp_path / "m.onnx", decode={"activation": "sofmax"})
    assert_one_line(command("run", path, photo), 1, "decode.activation is 'sofmax'")
