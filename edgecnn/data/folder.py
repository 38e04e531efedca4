"""Any folder of pictures as a data set; its layout says what it is.

DIR/cat/*.jpg DIR/dog/*.jpg              labelled: one subfolder per class
DIR/*.jpg                                unlabelled
DIR/train/cat/… DIR/test/cat/…           divided; "val" and "valid" also mean test
"""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path

import numpy as np

from edgecnn.data.dataset import Dataset
from edgecnn.data.pictures import pictures_in, read_at
from edgecnn.errors import EdgecnnError, UsageError
from edgecnn.runtime.sources import UnreadableWarning

_TEST_NAMES = ("test", "val", "valid", "validation")


def open_folder(path: Path, split: str) -> Dataset:
    """The pictures below `path`, class after class; classes are numbered in natural order.

    Raises:
        UsageError: "train" of a folder that is not divided.
        EdgecnnError: it holds no picture.
    """
    parts = _parts(path)
    if parts:
        # Numbered over both parts, so that a class missing from one shifts nothing.
        labels = _ordered({name for part in parts.values() for name in _classes(part)})
        return _open(parts[split], labels, divided=True)
    if split == "train":
        raise UsageError(
            f"{path} is not divided, so training on it would leave nothing to test on. Sort the "
            f"pictures into {path / 'train'} and {path / 'test'}."
        )
    return _open(path, _ordered(_classes(path)))


def _parts(path: Path) -> dict[str, Path]:
    test = [path / name for name in _TEST_NAMES if (path / name).is_dir()]
    train = path / "train"
    return {"train": train, "test": test[0]} if test and train.is_dir() else {}


def _classes(path: Path) -> set[str]:
    return {d.name for d in path.iterdir() if d.is_dir() and not d.name.startswith(".")}


def _ordered(names: set[str]) -> list[str]:
    from edgecnn.runtime.sources._pictures import natural

    return sorted(names, key=natural)


def _open(path: Path, labels: list[str], *, divided: bool = False) -> Dataset:
    found = {label: pictures_in(path / label, below=True) for label in labels}
    filled = [label for label in labels if found[label]]
    loose = pictures_in(path, below=False)
    # Loose pictures with one subfolder are an album, not a class.
    labelled = bool(filled) and (divided or len(filled) > 1 or not loose)
    if loose and filled:
        left = f"{len(loose)} pictures outside the class folders"
        if not labelled:
            left = f"the pictures in the subfolder {filled[0]!r}"
        warnings.warn(f"{path}: {left} are left out", UnreadableWarning, stacklevel=2)
    if labelled and not divided:
        labels = filled
    paths = tuple(p for label in labels for p in found[label]) if labelled else loose
    if not paths:
        raise EdgecnnError(
            f"{path} holds no picture that can be read; expected one subfolder per class, or "
            "pictures (JPEG, PNG, WebP, BMP, TIFF)."
        )
    sizes = [len(found[label]) for label in labels]
    return Dataset(
        str(path),
        tuple(labels) if labelled else (),
        np.repeat(np.arange(len(labels), dtype=np.int64), sizes) if labelled else None,
        partial(read_at, paths),
        tuple(str(p.relative_to(path)) for p in paths),
    )
