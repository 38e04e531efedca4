"""Every backend that can be imported here keeps to one contract: same network, numbers, errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny import LABELS, plain_frame, tiny_logits, tiny_onnx

from edgecnn.card import CardError
from edgecnn.errors import EdgecnnError, UsageError
from edgecnn.runtime import load, open_session
from edgecnn.runtime.session import TensorSpec, backend_module, list_backends


def importable() -> list[str]:
    found = []
    for name in list_backends():
        try:
            if ".onnx" in backend_module(name).SUFFIXES:
                found.append(name)
        except EdgecnnError:
            continue
    return found


every_backend = pytest.mark.parametrize("backend", importable())


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return tiny_onnx(tmp_path / "tiny.onnx")


def noise(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((rows, 3, 8, 8), np.float32)


def one_line(error: pytest.ExceptionInfo[EdgecnnError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_the_default_engine_is_among_them() -> None:
    assert "onnxruntime" in importable()


@every_backend
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_numbers_are_those_of_the_closed_form(backend: str, tiny: Path, rows: int) -> None:
    session = open_session(tiny, backend)
    (logits,) = session(noise(rows))
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, tiny_logits(noise(rows)), rtol=1e-5)
    session.close()


@every_backend
def test_a_network_with_more_classes_than_channels(backend: str, tmp_path: Path) -> None:
    session = open_session(tiny_onnx(tmp_path / "seven.onnx", 7, (5, 9)), backend)
    batch = np.random.default_rng(1).random((2, 3, 5, 9), np.float32)
    np.testing.assert_allclose(session(batch)[0], tiny_logits(batch, 7), rtol=1e-5)


@every_backend
def test_it_says_what_it_is(backend: str, tiny: Path) -> None:
    session = open_session(tiny, backend)
    assert (session.backend, session.device) == (backend, "cpu")
    assert session.inputs == (TensorSpec("batch", (None, 3, 8, 8), "float32"),)
    assert session.outputs == (TensorSpec("logits", (None, 3), "float32"),)
    assert session.card.labels == LABELS


@every_backend
def test_inputs_may_be_named(backend: str, tiny: Path) -> None:
    session = open_session(tiny, backend)
    assert np.array_equal(session({"batch": noise(2)})[0], session(noise(2))[0])
    with pytest.raises(EdgecnnError) as error:
        session({"picture": noise(2)})
    assert "'picture'" in one_line(error) and "'batch'" in one_line(error)


@every_backend
@pytest.mark.parametrize(
    "wrong",
    [noise(1)[0], noise(1)[:, :2], noise(1)[..., :7], noise(1).astype(np.float64)],
    ids=["no batch", "channels", "width", "dtype"],
)
def test_a_wrong_batch_is_refused(backend: str, tiny: Path, wrong: np.ndarray) -> None:
    with pytest.raises(EdgecnnError) as error:
        open_session(tiny, backend)(wrong)
    assert one_line(error).endswith("expected float32 N×3×8×8.")


@every_backend
def test_a_fixed_batch_is_kept_to(backend: str, tmp_path: Path) -> None:
    session = open_session(tiny_onnx(tmp_path / "two.onnx", batch=2), backend)
    assert session.inputs[0].shape == (2, 3, 8, 8)
    np.testing.assert_allclose(session(noise(2))[0], tiny_logits(noise(2)), rtol=1e-5)
    with pytest.raises(EdgecnnError) as error:
        session(noise(1))
    assert one_line(error).endswith("expected float32 2×3×8×8.")


@every_backend
def test_an_answer_is_not_overwritten_by_the_next(backend: str, tiny: Path) -> None:
    session = open_session(tiny, backend)
    first = session(noise(1))[0]
    session(noise(1, seed=1))
    np.testing.assert_allclose(first, tiny_logits(noise(1)), rtol=1e-5)


@every_backend
def test_neither_is_the_input(backend: str, tiny: Path) -> None:
    batch = noise(3)
    open_session(tiny, backend)(batch)
    assert np.array_equal(batch, noise(3))


@every_backend
def test_a_batch_need_not_lie_in_one_piece(backend: str, tiny: Path) -> None:
    every_second = noise(4)[::2]
    assert not every_second.flags.c_contiguous
    logits = open_session(tiny, backend)(every_second)[0]
    np.testing.assert_allclose(logits, tiny_logits(every_second), rtol=1e-5)


@every_backend
def test_threads_do_not_change_the_answer(backend: str, tiny: Path) -> None:
    one, two = (open_session(tiny, backend, threads=n)(noise(2))[0] for n in (1, 2))
    np.testing.assert_allclose(one, two, rtol=1e-6)
    with pytest.raises(UsageError, match="threads is -1"):
        open_session(tiny, backend, threads=-1)


@every_backend
def test_an_unknown_device_is_wrong_usage(backend: str, tiny: Path) -> None:
    with pytest.raises(UsageError) as error:
        open_session(tiny, backend, device="cpuu")
    assert "'cpuu'; did you mean 'cpu'?" in one_line(error)


@every_backend
def test_damaged_files_give_one_line(backend: str, tiny: Path, tmp_path: Path) -> None:
    body = tiny.read_bytes()
    for name, content in {
        "truncated": body[:200],
        "text": b"not a network\n" * 30,
        "empty": b"",
        # The node's operator is one that no engine knows.
        "unknown": body.replace(b"Flatten", b"Flutter"),
    }.items():
        file = tmp_path / f"{name}.onnx"
        file.write_bytes(content)
        with pytest.raises(EdgecnnError) as error:
            open_session(file, backend)
        assert str(file) in one_line(error)


@every_backend
def test_other_files_are_not_its_business(backend: str, tiny: Path, tmp_path: Path) -> None:
    other = tmp_path / "tiny.tflite"
    other.write_bytes(tiny.read_bytes())
    with pytest.raises(EdgecnnError) as error:
        open_session(other, backend)
    assert ".onnx" in one_line(error) and "got .tflite" in one_line(error)


@every_backend
def test_a_card_that_does_not_fit_the_graph_is_refused(backend: str, tmp_path: Path) -> None:
    labels = tiny_onnx(tmp_path / "labels.onnx", labels=("red", "green"))
    with pytest.raises(CardError, match="3 classes, its card has 2 labels"):
        open_session(labels, backend)
    bare = tiny_onnx(tmp_path / "bare.onnx", card=False)
    with pytest.raises(CardError, match="carries no card"):
        open_session(bare, backend)


@every_backend
@pytest.mark.parametrize("label", LABELS)
def test_a_pipeline_names_plain_colours(backend: str, tiny: Path, label: str) -> None:
    pipeline = load(tiny, backend)
    answer = pipeline(plain_frame(label))
    # softmax of (1, 0, 0)
    assert answer.top(1)[0] == (label, pytest.approx(np.e / (np.e + 2), rel=1e-5))
    pipeline.close()


def test_a_backend_is_asked_for_by_its_name(tiny: Path) -> None:
    with pytest.raises(UsageError, match="no backend 'openvin'; did you mean 'openvino'"):
        open_session(tiny, "openvin")
