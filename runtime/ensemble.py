"""Several pipelines, one answer: the simple average of their probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgecnn.card import Card
from edgecnn.errors import EdgecnnError
from edgecnn.runtime.pipeline import Pipeline
from edgecnn.runtime.results import Classes


class Ensemble:
    """Pipelines that see the same frame, each through its own Card, and are averaged.

    Raises:
        EdgecnnError: no member, a member that does not classify, or members whose labels differ.
    """

    def __init__(self, members: Sequence[Pipeline]) -> None:
        if not members:
            raise EdgecnnError("an ensemble needs at least one member.")
        first = members[0].card
        for member in members:
            card = member.card
            if card.task != "classify":
                raise EdgecnnError(
                    f"{card.name} does {card.task}; only classifiers can be averaged."
                )
            if card.labels != first.labels:
                raise EdgecnnError(
                    f"{first.name} ({len(first.labels)} labels) and {card.name} "
                    f"({len(card.labels)}) do not name the same classes in the same order; "
                    "their answers cannot be averaged."
                )
        self.members = tuple(members)

    def __call__(self, frame: np.ndarray) -> Classes:
        return self.batch([frame])[0]

    def batch(self, frames: Sequence[np.ndarray]) -> list[Classes]:
        """Results of several frames; every member runs once."""
        answers = [member.batch(frames) for member in self.members]
        return [average(each) for each in zip(*answers, strict=True)]

    def draw(self, frame: np.ndarray, result: Classes) -> np.ndarray:
        """A copy of the frame with the result drawn on it."""
        return self.members[0].draw(frame, result)

    @property
    def card(self) -> Card:
        """The first member's; task and labels are the same for all."""
        return self.members[0].card

    def close(self) -> None:
        for member in self.members:
            member.close()


def average(results: Sequence[Classes]) -> Classes:
    """The arithmetic mean of the members' probabilities."""
    stacked = np.stack([result.probabilities for result in results])
    return Classes(stacked.mean(axis=0), results[0].labels)
