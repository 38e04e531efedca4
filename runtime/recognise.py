"""Run a model, or several averaged, over a source and hand every result to the sinks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
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
    top: int = 3,
) -> Iterator[tuple[Frame, Result]]:
    """Each frame of a source with its result; the source is released when the iterator ends.

    smooth_s: time constant of smoothing; None smooths moving pictures over 0.5 s, others not.
    every: use every Nth frame.
    top: how many labels a result is to show.

    Raises:
        UsageError: every or top below 1, a negative time constant.
        EdgecnnError: the source cannot be read, or the network failed.
    """
    for name, value in (("every", every), ("top", top)):
        if value < 1:
            raise UsageError(f"{name} is {value}; expected 1 or more.")
    if smooth_s is None:
        smooth_s = SMOOTH_VIDEO_S if is_video(source) else 0.0
    # Not a generator itself: what is wrong with the request shows at once.
    return _results(model, source, Smoother(smooth_s), every, top)


def _results(
    model: Pipeline | Ensemble,
    source: str | os.PathLike[str],
    smoother: Smoother,
    every: int,
    top: int,
) -> Iterator[tuple[Frame, Result]]:
    found = frames(source)
    try:
        for frame in islice(found, 0, None, every):
            result = replace(model(frame), shown=top)
            yield frame, smoother(result, frame.time_s) if smoother.seconds else result
    finally:
        close = getattr(found, "close", None)
        if close:
            close()


def expected_count(source: str | os.PathLike[str], every: int) -> int | None:
    """How many results `recognise` will give, where the source knows."""
    total = count(source)
    return None if total is None else -(-total // every)
