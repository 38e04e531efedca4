"""`--backend auto`: the fastest engine that answers alike is chosen, remembered and forgotten."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tiny import tiny_logits, tiny_onnx

from edgecnn.card import Card
from edgecnn.errors import EdgecnnError, UsageError
from edgecnn.onnxfile import read_card
from edgecnn.runtime import autotune, open_session
from edgecnn.runtime.autotune import fastest_backend
from edgecnn.runtime.session import TensorSpec, list_backends


class Toy:
    """An engine that takes a given time and multiplies the right answer."""

    def __init__(self, path: Path, takes_ms: float, factor: float) -> None:
        self.card: Card = read_card(path)
        self.inputs = (TensorSpec("batch", (None, 3, 8, 8), "float32"),)
        self.outputs = (TensorSpec("logits", (None, 3), "float32"),)
        self.takes_ms, self.factor, self.runs, self.closed = takes_ms, factor, 0, 0

    def __call__(self, batch: Mapping[str, np.ndarray] | np.ndarray) -> list[np.ndarray]:
        assert isinstance(batch, np.ndarray)
        self.runs += 1
        time.sleep(self.takes_ms / 1000)
        return [tiny_logits(batch) * self.factor]

    def close(self) -> None:
        self.closed += 1


class Shop:
    """Engines of this test's own in place of the installed ones: name → how to open a session."""

    def __init__(self) -> None:
        self.engines: dict[str, Callable[[Path], Any]] = {}
        self.suffixes: dict[str, tuple[str, ...]] = {}
        self.absent: dict[str, str] = {}
        self.opened: list[tuple[str, Any]] = []

    def sells(self, name: str, takes_ms: float, factor: float = 1.0) -> None:
        self.engines[name] = lambda path: Toy(path, takes_ms, factor)

    def refuses(self, name: str, error: Exception) -> None:
        def refuse(_: Path) -> None:
            raise error

        self.engines[name] = refuse

    def names(self) -> list[str]:
        return sorted({*self.engines, *self.absent})

    def module(self, name: str) -> SimpleNamespace:
        if name in self.absent:
            raise EdgecnnError(self.absent[name])
        return SimpleNamespace(SUFFIXES=self.suffixes.get(name, (".onnx",)))

    def open(self, path: Path, name: str, *_: object) -> Any:
        self.opened.append((name, None))
        session = self.engines[name](path)
        self.opened[-1] = (name, session)
        return session


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    made = Shop()
    monkeypatch.setattr(autotune, "list_backends", made.names)
    monkeypatch.setattr(autotune, "backend_module", made.module)
    monkeypatch.setattr(autotune, "open_session", made.open)
    monkeypatch.setattr(autotune, "MEASURE_S", 0.02)
    return made


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "autotune.json"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return tiny_onnx(tmp_path / "tiny.onnx")


# The choice


@pytest.mark.parametrize("fast", ["onnxruntime", "turbo"])
def test_the_faster_engine_wins(
    shop: Shop, tiny: Path, fast: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("onnxruntime", "turbo"):
        shop.sells(name, 0.1 if name == fast else 20)
    assert fastest_backend(tiny, "cpu", 0) == fast
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert f"auto: {fast} for tiny.onnx on cpu (onnxruntime " in said.err and "turbo" in said.err
    assert all(toy.runs >= 3 and toy.closed == 1 for _, toy in shop.opened)


def test_the_default_wins_where_the_difference_is_noise(
    shop: Shop, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.sells("onnxruntime", 0)
    shop.sells("turbo", 0)
    noisy = np.array([[10, 11], [10, 9], [10, 8], [10, 11], [10, 9.5]], float)
    monkeypatch.setattr(autotune, "interleaved", lambda *_, **__: noisy)
    assert fastest_backend(tiny, "cpu", 0) == "onnxruntime"
    monkeypatch.setattr(autotune, "interleaved", lambda *_, **__: noisy - [0, 2])
    assert fastest_backend(tiny, "cpu", 1) == "turbo"


def test_an_engine_that_answers_otherwise_is_left_out(
    shop: Shop, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.sells("onnxruntime", 10)
    shop.sells("turbo", 0, factor=1.02)
    assert fastest_backend(tiny, "cpu", 0) == "onnxruntime"
    assert "turbo left out: its answers differ from the first backend's by 2.0%" in (
        capsys.readouterr().err
    )
    shop.sells("turbo", 0, factor=float("nan"))
    assert fastest_backend(tiny, "cpu", 1) == "onnxruntime"


def test_engines_that_cannot_be_used_are_left_out(
    shop: Shop, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.refuses("onnxruntime", EdgecnnError("no driver."))
    shop.refuses("broken", ImportError("libbroken.so.1: cannot open shared object file"))
    shop.sells("plan", 0)
    shop.suffixes["plan"] = (".engine",)
    shop.absent["missing"] = "missing is not installed."
    shop.sells("turbo", 0)
    assert fastest_backend(tiny, "cuda", 0) == "turbo"
    said = capsys.readouterr().err
    assert "onnxruntime left out: no driver." in said
    assert "broken left out: libbroken.so.1" in said
    assert "plan" not in said and "missing" not in said


def test_without_a_usable_engine_the_reasons_are_told(shop: Shop, tiny: Path) -> None:
    shop.absent["missing"] = "missing is not installed."
    with pytest.raises(EdgecnnError, match=r"reads \.onnx files\. missing is not installed\.$"):
        fastest_backend(tiny, "cpu", 0)
    shop.refuses("one", EdgecnnError("no driver."))
    shop.refuses("two", UsageError("no device 'cuda'."))
    with pytest.raises(EdgecnnError, match=r"on cuda\. one: no driver\. two: no device") as error:
        fastest_backend(tiny, "cuda", 0)
    assert not isinstance(error.value, UsageError)
    shop.refuses("one", UsageError("no such device."))
    with pytest.raises(UsageError):
        fastest_backend(tiny, "cuda", 0)
    with pytest.raises(EdgecnnError, match=r"no installed backend reads \.tflite"):
        fastest_backend(tiny.rename(tiny.with_suffix(".tflite")), "cpu", 0)


def test_a_negative_number_of_threads_is_wrong_usage(tiny: Path) -> None:
    with pytest.raises(UsageError, match="threads is -2"):
        open_session(tiny, "auto", threads=-2)


# What is remembered


@pytest.fixture
def two(shop: Shop) -> Shop:
    shop.sells("onnxruntime", 5)
    shop.sells("turbo", 0)
    return shop


def test_the_answer_is_remembered(
    two: Shop, tiny: Path, memory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fastest_backend(tiny, "cpu", 0) == "turbo"
    assert list(json.loads(memory.read_text("utf-8")).values()) == ["turbo"]
    two.opened.clear()
    capsys.readouterr()
    assert fastest_backend(tiny, "cpu", 0) == "turbo"
    assert two.opened == [] and capsys.readouterr().err == ""


def test_a_copy_of_the_file_is_the_same_file(two: Shop, tiny: Path, tmp_path: Path) -> None:
    fastest_backend(tiny, "cpu", 0)
    two.opened.clear()
    (tmp_path / "copy.onnx").write_bytes(tiny.read_bytes())
    fastest_backend(tmp_path / "copy.onnx", "cpu", 0)
    assert two.opened == []


@pytest.mark.parametrize("change", ["file", "device", "threads", "processor", "version"])
def test_what_changes_is_measured_again(
    two: Shop, tiny: Path, memory: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    fastest_backend(tiny, "cpu", 0)
    two.opened.clear()
    device, threads = "cpu", 0
    if change == "file":
        tiny_onnx(tiny, gain=2)
    elif change == "device":
        device = "cuda"
    elif change == "threads":
        threads = 4
    elif change == "processor":
        monkeypatch.setattr(autotune, "_processor", lambda: "Cortex-A76 ×4")
    else:
        monkeypatch.setattr(autotune, "_engines", lambda: "turbo-2.0")
    fastest_backend(tiny, device, threads)
    assert [name for name, _ in two.opened] == ["onnxruntime", "turbo"]
    assert len(json.loads(memory.read_text("utf-8"))) == 2


def test_an_engine_with_a_fault_is_tried_again(two: Shop, tiny: Path, memory: Path) -> None:
    two.refuses("onnxruntime", EdgecnnError("no driver."))
    fastest_backend(tiny, "cpu", 0)
    assert not memory.exists()
    two.refuses("onnxruntime", UsageError("it will never know this device."))
    fastest_backend(tiny, "cpu", 0)
    assert memory.exists()


@pytest.mark.parametrize("damage", [b"{", b"[1, 2]", b"\xff\xfe\x00", b""])
def test_a_damaged_memory_is_replaced(
    two: Shop, tiny: Path, memory: Path, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    memory.parent.mkdir()
    memory.write_bytes(damage)
    assert fastest_backend(tiny, "cpu", 0) == "turbo"
    said = capsys.readouterr().err
    assert said.count("warning:") == 1 and str(memory) in said
    assert list(json.loads(memory.read_text("utf-8")).values()) == ["turbo"]


def test_an_answer_that_is_no_engine_is_measured_anew(two: Shop, tiny: Path, memory: Path) -> None:
    fastest_backend(tiny, "cpu", 0)
    kept = dict.fromkeys(json.loads(memory.read_text("utf-8")), "../evil")
    memory.write_text(json.dumps(kept))
    assert fastest_backend(tiny, "cpu", 0) == "turbo"


def test_a_cache_that_cannot_be_written_is_no_failure(
    two: Shop, tiny: Path, memory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    memory.parent.write_text("a file where the folder should be")
    assert fastest_backend(tiny, "cpu", 0) == "turbo"
    assert "not remembered" in capsys.readouterr().err


def test_the_memory_does_not_grow_for_ever(
    two: Shop, tiny: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autotune, "_KEPT", 3)
    for threads in range(5):
        fastest_backend(tiny, "cpu", threads)
    kept = json.loads(memory.read_text("utf-8"))
    assert [key.split()[2] for key in kept] == ["threads=2", "threads=3", "threads=4"]


# The real engines


def test_real_engines(tiny: Path, memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autotune, "MEASURE_S", 0.1)
    session = open_session(tiny, "auto")
    assert session.backend in list_backends()
    batch = np.random.default_rng(0).random((2, 3, 8, 8), np.float32)
    np.testing.assert_allclose(session(batch)[0], tiny_logits(batch), rtol=1e-5)
    assert list(json.loads(memory.read_text("utf-8")).values()) == [session.backend]
    (key,) = json.loads(memory.read_text("utf-8"))
    assert "onnxruntime" in key and "threads=0" in key
