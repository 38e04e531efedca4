"""Weights files that are damaged, of another network or hostile; code in them never runs."""

from __future__ import annotations

import contextlib
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Command, assert_one_line

from edgecnn.card import KEY, Card
from edgecnn.zoo import create
from edgecnn.zoo.origin import new_card

LABELS = ("a", "b", "c")


class Evil:
    """What a hostile weights file does when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.trace}",)


def bad_weights(kind: str, path: Path, pt: Path, trace: Path) -> None:
    good, state = pt.read_bytes(), torch.load(pt)["state_dict"]
    card = new_card("lenet5", LABELS, {})
    saved: Any = {KEY: card.to_json(), "state_dict": state}
    if kind == "evil pickle":
        path.write_bytes(pickle.dumps({"state_dict": Evil(trace)}, protocol=2))
    elif kind == "evil new pickle":
        path.write_bytes(pickle.dumps({"state_dict": Evil(trace)}))
    elif kind == "truncated":
        path.write_bytes(good[: len(good) // 2])
    elif kind == "damaged pickle":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x/data.pkl", b"\x80\x02}q\x00(garbage")
    elif kind == "text":
        path.write_text("weights")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind != "missing":
        saved = {
            "evil archive": {**saved, "state_dict": Evil(trace)},
            "a whole module": create("lenet5", classes=3),
            "a list": [1, 2],
            "bare": state,
            "no state": {KEY: card.to_json()},
            "a state of numbers": {**saved, "state_dict": {"c1.weight": 3}},
            "a card of bytes": {**saved, KEY: b"{}"},
            "a card of nothing": {**saved, KEY: "{}"},
            "another architecture": {**saved, KEY: new_card("mobilenet_v2", LABELS, {}).to_json()},
            "an unknown architecture": {
                **saved, KEY: Card(name="x", task="classify", preprocess=card.preprocess,
                                   labels=LABELS, provenance={"architecture": "lenet7"}).to_json()},
            "no labels": {**saved, KEY: new_card("lenet5", (), {}).to_json()},
            "more labels": {**saved, KEY: new_card("lenet5", (*LABELS, "x"), {}).to_json()},
        }[kind]  # fmt: skip
        torch.save(saved, path)


WEIGHTS = {
    "missing": "no such file",
    "empty": "is empty",
    "text": "is no",
    "truncated": "is no readable weights file",
    "damaged pickle": "is no",
    "evil pickle": "holds the Python object posix.system",
    "evil new pickle": "edgecnn never runs code from a file",
    "evil archive": "holds the Python object posix.system",
    "a whole module": "holds the Python object edgecnn.zoo.lenet.LeNet5",
    "a list": "holds a list; expected a state dict",
    "bare": "has no card: it was not written by edgecnn",
    "no state": "expected a state dict",
    "a state of numbers": "expected a state dict",
    "a card of bytes": "the card's version is None",
    "a card of nothing": "the card's version is None",
    "another architecture": "does not fit MobileNetV2: missing ",
    "an unknown architecture": "no model 'lenet7'; did you mean 'lenet5'?",
    "no labels": "names no label",
    "more labels": "output.weight is (3, 84), expected (4, 84)",
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_weights_files(command: Command, place: Path, tmp_path: Path, pt: Path, kind: str) -> None:
    path, trace = tmp_path / "bad.pt", tmp_path / "executed"
    bad_weights(kind, path, pt, trace)
    done = command("export", path, "-o", place / "earlier.onnx")
    assert_one_line(done, 1, str(path), WEIGHTS[kind])
    assert_one_line(command("check", path), 1, WEIGHTS[kind])
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(LABELS))
    bare = ["export", "lenet5", "--weights", path, "--labels", labels]
    if kind in ("missing", "empty", "text", "truncated", "a list") or "evil" in kind:
        assert_one_line(command(*bare, "-o", place / "earlier.onnx"), 1, str(path), WEIGHTS[kind])
    assert not trace.exists()


def test_the_hostile_files_would_do_it(tmp_path: Path, pt: Path) -> None:
    for kind in ("evil pickle", "evil new pickle", "evil archive"):
        trace = tmp_path / kind.replace(" ", "-")
        bad_weights(kind, tmp_path / "bad.pt", pt, trace)
        with contextlib.suppress(Exception):
            torch.load(tmp_path / "bad.pt", weights_only=False)
        assert trace.exists()


def test_weights_of_another_network_name_the_keys(
    command: Command, place: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(LABELS))
    path = tmp_path / "mobilenet.pt"
    torch.save(create("mobilenet_v2", classes=3).state_dict(), path)
    done = command("export", "lenet5", "--weights", path, "--labels", labels,
                   "-o", place / "earlier.onnx")  # fmt: skip
    assert_one_line(done, 1, f"{path} does not fit LeNet5: missing c1.weight", " more.")
