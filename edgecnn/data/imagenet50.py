"""50 labelled pictures of ImageNet, 400×400: enough to see whether a network is wired rightly."""

from __future__ import annotations

from functools import partial

import numpy as np

from edgecnn.assets import fetch
from edgecnn.data.dataset import Dataset
from edgecnn.data.imagenet import imagenet_labels
from edgecnn.data.pictures import read_at
from edgecnn.errors import UsageError

NAME = "imagenet-50"


def load(split: str) -> Dataset:
    """The pictures in order of their file names; targets are ImageNet's class indices.

    Raises:
        UsageError: `split` is "train": 50 pictures are for measuring.
        EdgecnnError: they cannot be fetched.
    """
    if split != "test":
        raise UsageError(f"{NAME} has no {split!r} split; it is for measuring. Ask for 'test'.")
    paths = sorted(fetch(NAME).glob("*.png"))
    # The index is the end of the file name: …_0670.png is class 670.
    targets = np.array([int(path.stem[-4:]) for path in paths], np.int64)
    names = tuple(path.name for path in paths)
    return Dataset(NAME, imagenet_labels(), targets, partial(read_at, tuple(paths)), names)
