"""How many pictures each of several pipelines names rightly; every picture is read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgecnn.data.dataset import Dataset
from edgecnn.errors import EdgecnnError
from edgecnn.progress import track
from edgecnn.runtime.pipeline import Pipeline


def count_correct(
    pipelines: Sequence[Pipeline], data: Dataset, batch: int = 1
) -> list[tuple[int, int]]:
    """(right top-1 answers, pictures asked about) of each pipeline.

    data: labelled; its classes are found among each pipeline's own labels.

    Raises:
        UsageError: the data has no labels, or classes that a pipeline does not know.
        EdgecnnError: none of the pictures can be read.
    """
    targets = [data.matched(pipeline.card.labels).targets for pipeline in pipelines]
    # Each frame carries its place, so that pictures left out as unreadable shift nothing.
    placed = replace(data, labels=data.names, targets=np.arange(len(data), dtype=np.int64))
    correct = np.zeros(len(pipelines), int)
    pictures = 0
    waiting: list[tuple[np.ndarray, int]] = []

    def ask() -> None:
        frames = [frame for frame, _ in waiting]
        # A graph with a fixed batch takes no smaller one.
        frames += [frames[-1]] * (batch - len(frames))
        for i, (pipeline, truth) in enumerate(zip(pipelines, targets, strict=True)):
            assert truth is not None
            answers = pipeline.batch(frames)
            correct[i] += sum(
                answer.index == truth[place]
                for answer, (_, place) in zip(answers, waiting, strict=False)
            )
        waiting.clear()

    for frame, place in track(placed, f"Asking about {data.name}", len(data)):
        assert place is not None
        waiting.append((frame, place))
        pictures += 1
        if len(waiting) == batch:
            ask()
    if waiting:
        ask()
    if not pictures:
        raise EdgecnnError(f"{data.name}: none of its {len(data)} pictures can be read.")
    return [(int(count), pictures) for count in correct]


def fair_sample(data: Dataset, limit: int, seed: int = 0) -> Dataset:
    """`limit` frames at most, drawn at random: the first ones of a folder are all of one class."""
    if len(data) <= limit:
        return data
    drawn = np.random.default_rng(seed).permutation(len(data))[:limit]
    return data.subset(np.sort(drawn))
