"""Dataset: frames that are read one at a time, with or without a class each."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edgecnn.data.split import split_indices
from edgecnn.errors import EdgecnnError, UsageError
from edgecnn.runtime.sources import UnreadableWarning

Frame: TypeAlias = npt.NDArray[np.uint8]
Indices: TypeAlias = Sequence[int] | npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Pictures for training, calibration and measuring; nothing is decoded before it is asked for.

    Attributes:
        name: "mnist-test", or the folder's path.
        labels: class names; () when unlabelled.
        targets: int64 (N,), each within `labels`; None when unlabelled.
        read: i in 0..N-1 -> frame (H×W×3 BGR uint8); picklable, so that loaders may fork or spawn.
        names: N file names, or "mnist-test/17": what a report calls each frame.
    """

    name: str
    labels: tuple[str, ...]
    targets: npt.NDArray[np.int64] | None
    read: Callable[[int], Frame]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.targets is None:
            return
        if self.targets.shape != (len(self.names),):
            raise EdgecnnError(
                f"{self.name}: {self.targets.shape} targets for {len(self.names)} frames; "
                "one each is needed."
            )
        if len(self.targets) and not 0 <= self.targets.min() <= self.targets.max() < len(
            self.labels
        ):
            raise EdgecnnError(
                f"{self.name}: targets {self.targets.min()}..{self.targets.max()} "
                f"for {len(self.labels)} labels; the data set is damaged."
            )

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Frame, int | None]:
        """Frame and target. Raises IndexError, or EdgecnnError where the file cannot be read."""
        i = range(len(self))[index]
        return self.read(i), None if self.targets is None else int(self.targets[i])

    def __iter__(self) -> Iterator[tuple[Frame, int | None]]:
        """Every frame and target; an unreadable file is warned of and left out."""
        for i in range(len(self)):
            try:
                item = self[i]
            except EdgecnnError as error:
                warnings.warn(f"left out: {error}", UnreadableWarning, stacklevel=2)
                continue
            yield item

    def subset(self, indices: Indices) -> Dataset:
        """The frames at `indices`, in that order; IndexError where one is beyond the end."""
        kept = np.arange(len(self))[np.asarray(indices, dtype=np.int64)]
        return replace(
            self,
            targets=None if self.targets is None else self.targets[kept],
            read=partial(_at, self.read, kept),
            names=tuple(self.names[i] for i in kept),
        )

    def split(self, fraction: float, seed: int = 0) -> tuple[Dataset, Dataset]:
        """Two parts, the first with `fraction` of the frames; the same seed gives the same parts.

        Both are shuffled, so that a part's first frames are a fair sample of it. Where every class
        present has two frames or more, the classes keep their shares, and each is in both parts
        as far as the parts are large enough.

        Raises:
            UsageError: `fraction` is not between 0 and 1, or there are fewer than two frames.
        """
        if not 0 < fraction < 1 or len(self) < 2:
            raise UsageError(
                f"{self.name}: cannot split {len(self)} frames at {fraction:g}; expected at least "
                "2 frames and a fraction between 0 and 1."
            )
        first, second = split_indices(len(self), self.targets, fraction, seed)
        return self.subset(first), self.subset(second)

    def matched(self, labels: Sequence[str]) -> Dataset:
        """The same frames with targets that number `labels`, a model's class names.

        A class is found by its name (then by its name without regard to case, "_" and "-"), or,
        where every class name is a number, by index: ImageNet-like label lists repeat names.

        Raises:
            UsageError: the set is unlabelled, or classes have no label or several; it names them.
        """
        labels = tuple(labels)
        if self.targets is None:
            raise UsageError(
                f"{self.name} has no labels. Put the pictures into one subfolder per class."
            )
        if labels == self.labels:
            return self
        used = np.unique(self.targets)
        numbers = _numbers([self.labels[i] for i in used], labels, self.name)
        renumber = np.zeros(len(self.labels), np.int64)
        renumber[used] = numbers
        return replace(self, labels=labels, targets=renumber[self.targets])


def _at(read: Callable[[int], Frame], kept: npt.NDArray[np.int64], i: int) -> Frame:
    return read(int(kept[i]))


def _numbers(names: list[str], labels: tuple[str, ...], dataset: str) -> list[int]:
    exact = _places(labels)
    loose = _places([_loosened(label) for label in labels])
    found = [exact.get(name) or loose.get(_loosened(name), []) for name in names]
    if all(name.isdecimal() for name in names) and not all(found):
        found = [[int(name)] if int(name) < len(labels) else [] for name in names]
    wrong = [name for name, places in zip(names, found, strict=True) if len(places) != 1]
    if wrong:
        listed = ", ".join(repr(name) for name in wrong[:5]) + (", …" if len(wrong) > 5 else "")
        raise UsageError(
            f"{dataset}: {len(wrong)} of {len(names)} classes match none or several of the "
            f"model's {len(labels)} labels: {listed}. Name the folders as the labels "
            f"({labels[0]!r}, …) or by their index (0, …)."
        )
    return [places[0] for places in found]


def _places(labels: Sequence[str]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for i, label in enumerate(labels):
        places.setdefault(label, []).append(i)
    return places


def _loosened(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())
