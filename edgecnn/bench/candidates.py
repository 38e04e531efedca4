"""Several models on several engines, measured in one run: time, memory, size, accuracy."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.bench.accuracy import count_correct, fair_sample
from edgecnn.bench.memory import peak_memory_mb
from edgecnn.data.dataset import Dataset
from edgecnn.errors import EdgecnnError, UsageError
from edgecnn.progress import say, track
from edgecnn.runtime.pipeline import Pipeline, load
from edgecnn.runtime.preprocess import preprocess
from edgecnn.runtime.timing import Ratio, interleaved, paired_ratio

WARM_UP = 3
_TELL_EVERY_S = 5.0


@dataclass(frozen=True)
class Row:
    """What was measured of one model on one engine.

    name: the file's name without its ending, or more where two files would share it.
    latencies_ms: one run of the network on one batch each, in the order they were taken.
    peak_memory_mb: see edgecnn.bench.memory.peak_memory_mb; 10^6 bytes.
    correct, pictures: right top-1 answers, and of how many; None without data.
    speed: the first row's time divided by this one's, from each round; above 1 is faster.
    """

    path: str
    name: str
    backend: str
    device: str
    threads: int
    batch: int
    latencies_ms: tuple[float, ...]
    speed: Ratio
    peak_memory_mb: float
    file_mb: float
    correct: int | None = None
    pictures: int | None = None

    def percentile_ms(self, percent: float) -> float:
        """The latency, in milliseconds, that `percent` (0-100) of the runs kept to."""
        return float(np.percentile(self.latencies_ms, percent))

    @property
    def throughput(self) -> float:
        """Pictures per second, one batch after the other."""
        return self.batch * 1000 / float(np.mean(self.latencies_ms))

    @property
    def accuracy(self) -> float | None:
        """Top-1, 0-1; None without data."""
        return self.correct / self.pictures if self.pictures and self.correct is not None else None

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "path": self.path, "backend": self.backend, "device": self.device,
            "threads": self.threads, "batch": self.batch,
            **{f"p{p}_ms": self.percentile_ms(p) for p in (50, 90, 99)},
            "throughput_per_s": self.throughput,
            "speed": {"median": self.speed.median, "low": self.speed.low, "high": self.speed.high},
            "peak_memory_mb": self.peak_memory_mb, "file_mb": self.file_mb,
            "accuracy": self.accuracy, "correct": self.correct, "pictures": self.pictures,
            "latencies_ms": list(self.latencies_ms),
        }  # fmt: skip


def measure(
    models: Sequence[str | os.PathLike[str]],
    backends: Sequence[str] = ("onnxruntime",),
    *,
    device: str = "cpu",
    threads: int = 0,
    batch: int = 1,
    rounds: int = 100,
    data: Dataset | None = None,
    samples: int = 1000,
    seed: int = 0,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> list[Row]:
    """Every model on every backend, in one run: the first model on the first backend comes first.

    All are loaded, warmed up, and then timed once a round in an order that changes every round.
    What is timed is the network alone, on a preprocessed batch of noise.

    threads: of one run; 0 lets the engine choose.
    data: labelled pictures; every candidate is asked about `samples` of them at most, drawn at
        random, from picture to answer.
    seed: of the orders and the draw.

    Raises:
        UsageError: nothing to measure, an impossible number, or data without labels.
        EdgecnnError: a candidate that cannot be opened or run; it is named, none is left out.
    """
    if not models or not backends:
        raise UsageError("nothing to measure; give at least one .onnx file.")
    for what, number in (("batch", batch), ("rounds", rounds), ("samples", samples)):
        if number < 1:
            raise UsageError(f"{what} is {number}; expected 1 or more.")
    if data is not None:
        data = fair_sample(data, samples, seed)
    wanted = [(Path(model), backend) for model in models for backend in backends]
    with ExitStack() as opened:
        pipelines = []
        for path, backend in wanted:
            with naming(path, backend):
                pipelines.append(load(path, backend, device, threads))
                opened.enter_context(closing(pipelines[-1]))
        runs = [
            _ready(pipeline, path, batch)
            for pipeline, (path, _) in zip(pipelines, wanted, strict=True)
        ]
        times = interleaved(runs, rounds, seed=seed, after_round=_teller(rounds), clock_ns=clock_ns)
        counts = count_correct(pipelines, data, batch) if data is not None else None
    memory = [
        peak_memory_mb(path, pipeline.session.backend, device, threads, batch)
        for (path, _), pipeline in track(
            list(zip(wanted, pipelines, strict=True)), "Measuring memory"
        )
    ]
    return [
        Row(
            path=str(path), name=_name(path, wanted), backend=pipelines[i].session.backend,
            device=device, threads=threads, batch=batch, latencies_ms=tuple(times[:, i].tolist()),
            speed=paired_ratio(times[:, 0], times[:, i]), peak_memory_mb=memory[i],
            file_mb=path.stat().st_size / 1e6,
            correct=counts[i][0] if counts else None, pictures=counts[i][1] if counts else None,
        )
        for i, (path, _) in enumerate(wanted)
    ]  # fmt: skip


@contextmanager
def naming(path: Path, backend: str) -> Iterator[None]:
    """An error inside says which candidate it is about."""
    try:
        yield
    except EdgecnnError as error:
        if str(path) in str(error):
            raise
        raise type(error)(f"{path} on {backend}: {error}") from error


def _ready(pipeline: Pipeline, path: Path, batch: int) -> Callable[[], object]:
    """One run of the network on one batch; it has been warmed up and is known to work."""
    frame = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    run = partial(pipeline.session, preprocess([frame] * batch, pipeline.card.preprocess))
    with naming(path, pipeline.session.backend):
        for _ in range(WARM_UP):
            run()
    return run


def _teller(rounds: int) -> Callable[[int], None]:
    """Says between rounds how far they are: a bar that redraws itself would take processor time."""
    started = told = time.monotonic()
    say(f"Measuring, {rounds} rounds …")

    def tell(done: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told > _TELL_EVERY_S:
            told = now
            left_s = (now - started) / done * (rounds - done)
            say(f"Measuring: {done} of {rounds} rounds, about {left_s:.0f} s left")

    return tell


def _name(path: Path, wanted: Sequence[tuple[Path, str]]) -> str:
    """The shortest of stem, file name and path that no other file shares."""
    others = {other for other, _ in wanted} - {path}
    if path.stem not in {other.stem for other in others}:
        return path.stem
    return path.name if path.name not in {other.name for other in others} else str(path)
