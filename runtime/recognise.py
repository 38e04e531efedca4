"""Run a model, or several averaged, over a source and hand every result to the sinks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from itertools import islice

from edgecnn.errors import UsageError
from edgecnn.runtime.ensemble import Ensemble
from edgecnn.runtime.pipeline import Pipeline, load
from edgecnn.runtime.results import Result
from edgecnn.runtime.smoothing import Smoother
from edgecnn.runtime.sources import Frame, count, frames, is_video

SMOOTH_VIDEO_S = 0.5


def open_models(
    models: str | os.PathLike[str],
    backend: str = "onnxruntime",
    device: str = "cpu",
    threads: int = 0,
) -> Pipeline | Ensemble:
    """One model file, or several joined by "+", whose answers are averaged.

    Raises:
        EdgecnnError: a file that cannot be loaded, or members that do not fit together.
    """
    paths = str(models).split("+")
    if os.path.exists(models) or len(paths) == 1:  # noqa: PTH110 - "+" may be part of a name
        return load(models, backend, device, threads)
    with contextlib.ExitStack() as opened:
        members = []
        for path in paths:
            members.append(load(path, backend, device, threads))
            opened.callback(members[-1].close)
        ensemble = Ensemble(members)
        opened.pop_all()
    return ensemble


def recognise(
    model: Pipeline | Ensemble,
    source: str | os.PathLike[str],
    *,
    smooth_s: float | None = None,
    every: int = 1,
) -> Iterator[tuple[Frame, Result]]:
    """Each frame of a source with its result; the source is released when the iterator ends.

    smooth_s: time constant of smoothing; None smooths moving pictures over 0.5 s, others not.
    every: use every Nth frame.

    Raises:
        UsageError: every below 1, a negative time constant.
        EdgecnnError: the source cannot be read, or the network failed.
    """
    if every < 1:
        raise UsageError(f"every is {every}; expected 1 or more.")
    if smooth_s is None:
        smooth_s = SMOOTH_VIDEO_S if is_video(source) else 0.0
    smoother = Smoother(smooth_s)
    found = frames(source)
    try:
        for frame in islice(found, 0, None, every):
            result = model(frame)
            yield frame, smoother(result, frame.time_s) if smooth_s else result
    finally:
        close = getattr(found, "close", None)
        if close:
            close()


def expected_count(source: str | os.PathLike[str], every: int) -> int | None:
    """How many results `recognise` will give, where the source knows."""
    total = count(source)
    return None if total is None else -(-total // every)
