"""Averaging, smoothing and decoding: closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgecnn.card import Card, CardError, Preprocess
from edgecnn.errors import UsageError
from edgecnn.runtime import Classes, Smoother
from edgecnn.runtime.ensemble import average
from edgecnn.runtime.tasks.classify import decode, draw

LABELS = ("cat", "dog", "owl")


def classes(*probabilities: float) -> Classes:
    return Classes(np.array(probabilities, np.float32), LABELS)


def test_average_is_the_mean_of_probabilities() -> None:
    mean = average([classes(0.6, 0.4, 0.0), classes(0.2, 0.3, 0.5)])
    np.testing.assert_allclose(mean.probabilities, [0.4, 0.35, 0.25], rtol=1e-6)
    assert mean.top(2) == [("cat", pytest.approx(0.4)), ("dog", pytest.approx(0.35))]


def test_top_breaks_ties_by_index() -> None:
    assert [name for name, _ in classes(0.4, 0.2, 0.4).top(3)] == ["cat", "owl", "dog"]


def test_softmax_of_logits_cannot_overflow() -> None:
    card = Card(name="x", task="classify", labels=LABELS, preprocess=Preprocess(size=(1, 1)))
    result = decode([np.array([[1000.0, 1000.0, -1000.0]])], card)[0]
    np.testing.assert_allclose(result.probabilities, [0.5, 0.5, 0.0], atol=1e-7)


def test_probabilities_pass_through_and_unknown_activations_are_refused() -> None:
    how = Preprocess(size=(1, 1))
    plain = Card(name="x", task="classify", labels=LABELS, preprocess=how,
                 decode={"activation": "none"})  # fmt: skip
    scores = np.array([[0.2, 0.3, 0.5]], np.float32)
    np.testing.assert_array_equal(decode([scores], plain)[0].probabilities, scores[0])
    odd = Card(name="x", task="classify", labels=LABELS, preprocess=how,
               decode={"activation": "tanh"})  # fmt: skip
    with pytest.raises(CardError, match="expected softmax or none"):
        decode([scores], odd)


def test_smoothing_follows_a_step_to_63_per_cent_after_one_time_constant() -> None:
    smooth = Smoother(0.5)
    smooth(classes(1, 0, 0), 0.0)
    after = smooth(classes(0, 1, 0), 0.5)
    np.testing.assert_allclose(after.probabilities, [math.exp(-1), 1 - math.exp(-1), 0], rtol=1e-6)


def test_smoothing_does_not_depend_on_the_frame_rate() -> None:
    def settle(steps: int) -> np.ndarray:
        smooth = Smoother(0.5)
        result = smooth(classes(1, 0, 0), 0.0)
        for i in range(1, steps + 1):
            result = smooth(classes(0, 1, 0), i / steps)
        return result.probabilities

    np.testing.assert_allclose(settle(10), settle(200), rtol=1e-5)


def test_smoothing_off_and_impossible() -> None:
    smooth = Smoother(0)
    smooth(classes(1, 0, 0), 0.0)
    assert smooth(classes(0, 1, 0), 0.1).index == 1
    with pytest.raises(UsageError):
        Smoother(-1)


def test_drawing_leaves_the_frame_alone_and_marks_the_top_of_a_copy() -> None:
    frame = np.full((240, 320, 3), 200, np.uint8)
    drawn = draw(frame, classes(0.7, 0.2, 0.1))
    assert (frame == 200).all()
    assert drawn.shape == frame.shape
    assert (drawn[:40] != 200).any()
    assert (drawn[150:] == 200).all()


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 3, 3), (28, 28, 3)])
def test_drawing_on_tiny_frames(shape: tuple[int, int, int]) -> None:
    assert draw(np.zeros(shape, np.uint8), classes(0.7, 0.2, 0.1)).shape == shape
