"""Classification: one probability per class."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edgecnn.card import Card, CardError
from edgecnn.errors import EdgecnnError
from edgecnn.runtime.results import Classes

BAR = (96, 140, 40)


def decode(outputs: Sequence[np.ndarray], card: Card) -> list[Classes]:
    """Classes of each sample of a batch.

    outputs: the first is N×classes, logits where the card says {"activation": "softmax"},
        probabilities where it says "none".

    Raises:
        CardError: an activation that this task does not know, or not one value per label.
        EdgecnnError: the values are not finite.
    """
    scores = np.asarray(outputs[0], np.float32)
    scores = scores.reshape(len(scores) if scores.ndim > 1 else 1, -1)
    if scores.shape[1] != len(card.labels):
        raise CardError(
            f"{card.name} gives {scores.shape[1]} values a frame; its card has "
            f"{len(card.labels)} labels."
        )
    activation = card.decode.get("activation", "softmax")
    if activation == "softmax":
        scores = softmax(scores)
    elif activation != "none":
        raise CardError(f"decode.activation is {activation!r}; expected softmax or none.")
    if not np.isfinite(scores).all():
        raise EdgecnnError(f"{card.name} gives NaN or infinity; its weights are damaged.")
    return [Classes(row, card.labels) for row in scores]


def softmax(logits: np.ndarray) -> np.ndarray:
    """exp(x) / sum(exp(x)) over the last axis, shifted by the maximum against overflow."""
    with np.errstate(invalid="ignore"):
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        probabilities: np.ndarray = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


def draw(frame: np.ndarray, result: Classes) -> np.ndarray:
    """A copy of the frame with the most probable labels, each with a bar of its probability."""
    height, width = frame.shape[:2]
    canvas = np.array(frame)
    line = max(12, min(height // 14, width // 16))
    margin = max(2, line // 4)
    rows = result.top()
    panel = canvas[: min(height, 2 * margin + line * len(rows))]
    panel[...] = (panel * 0.45).astype(np.uint8)
    for i, (label, probability) in enumerate(rows):
        base = margin + line * (i + 1)
        right = margin + round((width - 2 * margin) * probability)
        cv2.rectangle(canvas, (margin, base - line + 2), (right, base - 1), BAR, cv2.FILLED)
        _write(canvas, f"{probability:4.0%} {label}", (margin + 3, base - line // 4), line)
    return canvas


def _write(canvas: np.ndarray, text: str, at: tuple[int, int], line: int) -> None:
    # OpenCV's built-in font is ASCII only.
    text = text.encode("ascii", "replace").decode()
    scale = line / 32
    thickness = max(1, round(scale * 1.6))
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(canvas, text, at, font, scale, (255, 255, 255), thickness, cv2.LINE_AA)
