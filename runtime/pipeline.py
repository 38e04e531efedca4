"""Pipeline: frame → preprocess → session → decode → Result; what users hold."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType

import numpy as np

from edgecnn.card import Card, CardError
from edgecnn.errors import EdgecnnError, UsageError
from edgecnn.runtime.preprocess import preprocess
from edgecnn.runtime.results import Result
from edgecnn.runtime.session import Session, open_session
from edgecnn.runtime.tasks import task_module


@dataclass(frozen=True)
class Pipeline:
    """A network with everything around it; call it with a frame (H×W×3 BGR uint8).

    Raises:
        EdgecnnError: the frame is no image, or the network failed.
    """

    session: Session

    def __call__(self, frame: np.ndarray) -> Result:
        return self.batch([frame])[0]

    def batch(self, frames: Sequence[np.ndarray]) -> list[Result]:
        """Results of several frames, of any sizes, in one run of the network."""
        outputs = self.session(preprocess(frames, self.card.preprocess))
        results: list[Result] = self.task.decode(outputs, self.card)
        if len(results) != len(frames):
            raise EdgecnnError(
                f"{self.card.name} gives {len(results)} answers to {len(frames)} frames."
            )
        return results

    def draw(self, frame: np.ndarray, result: Result) -> np.ndarray:
        """A copy of the frame with the result drawn on it."""
        drawn: np.ndarray = self.task.draw(frame, result)
        return drawn

    @property
    def card(self) -> Card:
        return self.session.card

    @cached_property
    def task(self) -> ModuleType:
        return task_module(self.card.task)

    def close(self) -> None:
        self.session.close()


def load(
    path: str | os.PathLike[str],
    backend: str = "onnxruntime",
    device: str = "cpu",
    threads: int = 0,
) -> Pipeline:
    """A ready pipeline from one .onnx file; labels, preprocessing and decoding come from its Card.

    Raises:
        EdgecnnError: see edgecnn.runtime.session.open_session.
    """
    session = open_session(path, backend, device, threads)
    try:
        task_module(session.card.task)
    except UsageError as error:
        # The file asks for it, not the user.
        session.close()
        raise CardError(f"{path}: {error}") from error
    return Pipeline(session)
