"""Weights outside the model file: read beside it, never opened anywhere else."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from command import VERBS, Command, assert_one_line, uses
from onnx import TensorProto
from tiny import tiny_onnx


def with_weights_at(location: str, path: Path) -> None:
    """The tiny classifier, but its weights are to be read from another file."""
    made = onnx.load(tiny_onnx(path))
    tensor = made.graph.initializer[0]
    size = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(size))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    path.write_bytes(made.SerializeToString())


class Watch:
    """Tells whether anybody has opened or read a file since, in Python or past it (inotify)."""

    OPEN, ACCESS = 0x20, 0x1

    def __init__(self, path: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._events = libc.inotify_init1(os.O_NONBLOCK)
        watched = libc.inotify_add_watch(self._events, bytes(path), self.OPEN | self.ACCESS)
        if min(self._events, watched) < 0:
            pytest.skip(f"no inotify here: {os.strerror(ctypes.get_errno())}")

    def touched(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            return bool(os.read(self._events, 4096))
        return False

    def close(self) -> None:
        os.close(self._events)


OUTSIDE = {
    "above": "../secret.bin",
    "sneaking out": "weights/../../secret.bin",
    "absolute": "{folder}/secret.bin",
    "a symbolic link": "link.bin",
    "through a linked folder": "up/secret.bin",
    "a name with a zero byte": "../secret.bin\0.bin",
}


@pytest.mark.parametrize("where", OUTSIDE)
def test_weights_outside_the_models_folder_are_never_opened(
    command: Command, photo: Path, pictures: Path, place: Path, tmp_path: Path, where: str
) -> None:
    folder = tmp_path / "model"
    (folder / "weights").mkdir(parents=True)
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.ones(3 * 3 * 8 * 8, np.float32).tobytes())
    (folder / "link.bin").symlink_to("../secret.bin")
    (folder / "up").symlink_to("..")
    path = folder / "greedy.onnx"
    with_weights_at(OUTSIDE[where].format(folder=tmp_path), path)
    watch = Watch(secret)
    for verb in VERBS:
        done = command(*uses(path, photo, pictures, place)[verb])
        assert_one_line(done, 1, str(path), "outside its folder; that is refused")
        assert done.out == ""
    assert not watch.touched()
    secret.read_bytes()
    assert watch.touched()
    watch.close()


def test_weights_beside_the_model_are_read_and_missed(
    command: Command, photo: Path, pictures: Path, tmp_path: Path
) -> None:
    path = tmp_path / "m.onnx"
    with_weights_at("m.bin", path)
    assert_one_line(command("run", path, photo), 1, "lacks the file 'm.bin'", "Copy it beside")
    whole = onnx.load(tiny_onnx(tmp_path / "whole.onnx"))
    (tmp_path / "m.bin").write_bytes(whole.graph.initializer[0].raw_data)
    done = command("run", path, photo, "--top", "1")
    assert (done.code, done.out.split()[1:]) == (0, ["red", "0.58"])
    done = command("quantize", path, "--data", pictures, "-o", tmp_path / "int8.onnx", "--json")
    assert done.code == 0
    assert json.loads(done.out)["layers"] == 1
    onnx.checker.check_model(tmp_path / "int8.onnx")
