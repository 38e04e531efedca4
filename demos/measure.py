"""Ask several networks about the same frames, and count what they get right."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.progress import track
from edgecnn.runtime import Classes, load
from edgecnn.runtime.ensemble import average

AVERAGE = "average"
Answers = dict[str, list[Classes]]


def ask(
    models: Mapping[str, Path], frames: Iterable[np.ndarray], doing: str, total: int
) -> Answers:
    """What each model says about every frame, by the model's key; each frame is read once.

    With more than one model there is one more key, `AVERAGE`: their simple average.
    """
    answers: Answers = {}
    with contextlib.ExitStack() as opened:
        members = {key: load(path) for key, path in models.items()}
        for member in members.values():
            opened.callback(member.close)
        for frame in track(frames, doing, total):
            each = {key: member(frame) for key, member in members.items()}
            if len(members) > 1:
                each[AVERAGE] = average(list(each.values()))
            for key, answer in each.items():
                answers.setdefault(key, []).append(answer)
    return answers


def spokesman(answers: Answers) -> list[Classes]:
    """The average where there is one, else the only network."""
    return answers[AVERAGE] if AVERAGE in answers else next(iter(answers.values()))


def score(answers: Sequence[Classes], targets: Sequence[int]) -> dict[str, int]:
    """How many answers have the target first (top1), or among the first five (top5)."""
    top5 = [np.argsort(-answer.probabilities, kind="stable")[:5] for answer in answers]
    return {
        "top1": sum(int(order[0] == t) for order, t in zip(top5, targets, strict=True)),
        "top5": sum(int(t in order) for order, t in zip(top5, targets, strict=True)),
        "pictures": len(top5),
    }


def tally(answers: Sequence[Classes], wanted: str) -> dict[str, Any]:
    """The first label of every frame, how many are `wanted`, and the others by frequency."""
    said = [answer.top(1)[0][0] for answer in answers]
    others = Counter(label for label in said if label != wanted).most_common()
    return {"frames": len(said), "hits": said.count(wanted), "said": said, "others": others}
