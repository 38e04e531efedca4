"""What training draws its batches from: every frame through the device's own preprocessing."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from edgecnn.card import Preprocess
from edgecnn.data.dataset import Dataset, Frame
from edgecnn.errors import EdgecnnError, UsageError
from edgecnn.progress import track
from edgecnn.runtime.preprocess import preprocess

# MNIST takes a quarter of this; 1,700 pictures of 224×224 fill it.
LIMIT_BYTES = 1 << 30

Batch = npt.NDArray[np.float32] | npt.NDArray[np.uint8]
Targets = npt.NDArray[np.int64]


class Samples:
    """A labelled data set as batches; preprocessed once if that fits `limit_bytes`, else each time.

    Raises:
        UsageError: the data set has no labels.
        EdgecnnError: none of its pictures can be read.
    """

    def __init__(self, data: Dataset, how: Preprocess, limit_bytes: int = LIMIT_BYTES) -> None:
        if data.targets is None:
            raise UsageError(
                f"{data.name} has no labels. Put the pictures into one subfolder per class."
            )
        self._data, self._how = data, how
        self._kept: tuple[Batch, Targets] | None = None
        self._count = len(data)
        if len(data) * _bytes_each(how) <= limit_bytes:
            frames = track(data, f"Preparing {data.name}", len(data))
            self._kept = _prepared(frames, len(data), how)
            self._count = len(self._kept[1])
        if not self._count:
            raise EdgecnnError(f"{data.name}: none of its {len(data)} pictures can be read.")

    def __len__(self) -> int:
        return self._count

    @property
    def layout(self) -> str:
        """ "nchw" or "nhwc"."""
        return self._how.layout

    def __call__(self, indices: npt.NDArray[np.int64]) -> tuple[Batch, Targets]:
        """The batch of these samples, shaped as `preprocess` gives it, and targets, int64 (N,).

        Unreadable pictures are warned of and left out: the batch may be shorter, or empty.
        """
        if self._kept is None:
            return _prepared(self._data.subset(indices), len(indices), self._how)
        images, targets = self._kept
        return images[indices], targets[indices]


def _bytes_each(how: Preprocess) -> int:
    return how.size[0] * how.size[1] * how.channels * np.dtype(how.dtype).itemsize


def _prepared(
    frames: Iterable[tuple[Frame, int | None]], most: int, how: Preprocess
) -> tuple[Batch, Targets]:
    shape = (how.channels, *how.size) if how.layout == "nchw" else (*how.size, how.channels)
    images = np.empty((most, *shape), np.dtype(how.dtype))
    targets = np.empty(most, np.int64)
    count = 0
    # One at a time: a batch of decoded photos would be gigabytes.
    for frame, target in frames:
        assert target is not None  # Samples refuses data without labels.
        images[count], targets[count] = preprocess(frame, how)[0], target
        count += 1
    return images[:count], targets[:count]
