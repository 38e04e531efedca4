"""Agreement of two artefacts, from image file to prediction."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.data import open_dataset
from edgecnn.errors import EdgecnnError, UsageError
from edgecnn.runtime.pipeline import Pipeline, load
from edgecnn.runtime.preprocess import preprocess
from edgecnn.runtime.session import Session

BATCHES = (1, 2, 5)
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Agreement:
    """How far two artefacts agree.

    samples: pictures compared, each at every batch size.
    agreement: share of (picture, batch size) with the same top-1, 0-1.
    max_error, mean_error: absolute difference of the raw outputs.
    relative_error: max_error over the largest absolute output (at least 1).
    cosine: smallest cosine similarity of two output vectors.
    """

    samples: int
    batches: tuple[int, ...]
    agreement: float
    max_error: float
    mean_error: float
    relative_error: float
    cosine: float

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        return asdict(self)


def probe_frames() -> list[tuple[str, np.ndarray]]:
    """The pictures every export is judged by, read from their files: (name, frame).

    Non-square, tiny, huge, grey, with an alpha channel, CMYK and rotated by EXIF.
    """
    from edgecnn.runtime.sources.photo import read_photo

    frames: list[tuple[str, np.ndarray]] = []
    for entry in sorted(files("edgecnn.export").joinpath("probes").iterdir(), key=lambda e: e.name):
        if not entry.name.endswith((".png", ".jpg")):
            continue
        with as_file(entry) as path:
            frames.append((entry.name, read_photo(path)))
    if not frames:
        raise EdgecnnError("this edgecnn was installed without its probe pictures. Reinstall it.")
    return frames


def compare(
    reference: Pipeline,
    candidate: Pipeline,
    frames: Sequence[np.ndarray],
    batches: Iterable[int] = BATCHES,
) -> Agreement:
    """Run both on the same frames at every batch size and compare what comes out.

    Each side reads its own Card: a difference in preprocessing counts as a difference.

    Raises:
        EdgecnnError: no frames, or outputs of different shapes.
    """
    if not len(frames):
        raise EdgecnnError("there is no picture to compare on.")
    batches = tuple(batches)
    expected, got = [], []
    for size in batches:
        expected.append(run_all(reference.session, frames, size))
        got.append(run_all(candidate.session, frames, size))
    a, b = np.concatenate(expected), np.concatenate(got)
    if a.shape != b.shape:
        raise EdgecnnError(
            f"the outputs have different shapes, {a.shape[1:]} and {b.shape[1:]}: "
            "these are not two forms of one network."
        )
    error = np.abs(a - b)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return Agreement(
        samples=len(frames),
        batches=batches,
        agreement=float((a.argmax(1) == b.argmax(1)).mean()),
        max_error=float(error.max()),
        mean_error=float(error.mean()),
        relative_error=float(error.max() / max(1.0, float(np.abs(a).max()))),
        cosine=float((np.einsum("ij,ij->i", a, b) / np.maximum(norms, 1e-12)).min()),
    )


def check_tolerance(tolerance: float) -> None:
    """Raise UsageError unless differences can be measured against `tolerance`."""
    if not 0 <= tolerance < math.inf:
        raise UsageError(f"tolerance is {tolerance}; expected 0 or more, e.g. {TOLERANCE:.0e}.")


def run_all(session: Session, frames: Sequence[np.ndarray], size: int) -> np.ndarray:
    """First output for every frame, N×values float64, in batches of `size` (the last is padded).

    Raises:
        EdgecnnError: not one row of finite values for every frame, each of the same length.
    """
    rows = []
    for start in range(0, len(frames), size):
        part = list(frames[start : start + size])
        filled = part + part[-1:] * (size - len(part))
        rows.append(run_batch(session, preprocess(filled, session.card.preprocess))[: len(part)])
    if len({row.shape[1] for row in rows}) > 1:
        raise EdgecnnError("the network gives outputs of a length that depends on the picture.")
    return np.concatenate(rows).astype(np.float64)


def run_batch(session: Session, batch: np.ndarray) -> np.ndarray:
    """First output of one run, N×values for a batch of N.

    Raises:
        EdgecnnError: not one row of finite values for every frame.
    """
    output = session(batch)[0]
    if output.ndim < 2 or len(output) != len(batch):
        raise EdgecnnError(
            f"the network gives an output of shape {output.shape} to {len(batch)} frames; "
            "expected one row each."
        )
    if not np.isfinite(output).all():
        raise EdgecnnError(f"the network gives NaN or infinity on {session.backend}.")
    return output.reshape(len(batch), -1)


def open_artefact(
    path: str | os.PathLike[str], backend: str = "onnxruntime", device: str = "cpu"
) -> Pipeline:
    """A pipeline from any artefact that edgecnn writes: .pt or .onnx."""
    if Path(path).suffix == ".pt":
        from edgecnn.torch_session import TorchSession
        from edgecnn.zoo.checkpoint import load_checkpoint

        return Pipeline(TorchSession(*load_checkpoint(path)))
    return load(path, backend, device)


def check_frames(data: str | None, samples: int) -> list[np.ndarray]:
    """Frames to compare on: the probe pictures, or the first `samples` of a folder or data set.

    Raises:
        UsageError: fewer than one sample asked for.
        EdgecnnError: no picture can be read.
    """
    if samples < 1:
        raise UsageError(f"samples is {samples}; expected 1 or more.")
    if data is None:
        return [frame for _, frame in probe_frames()]
    dataset = open_dataset(data)
    frames = [frame for frame, _ in dataset.subset(range(min(samples, len(dataset))))]
    if not frames:
        raise EdgecnnError(f"{data}: no picture can be read.")
    return frames
