"""MNIST: 60,000 + 10,000 handwritten digits, 28×28, white on black.

Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition",
1998; the IDX format is described on the authors' page, http://yann.lecun.com/exdb/mnist.
"""

from __future__ import annotations

import gzip
import zlib
from functools import partial
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.assets import fetch
from edgecnn.data.dataset import Dataset, Frame
from edgecnn.errors import EdgecnnError

NAME = "mnist"
_FILES = {"train": "train", "test": "t10k"}
_LIMIT_BYTES = 1 << 30


def load(split: str) -> Dataset:
    """The "train" or "test" part; a frame is the grey picture in all three channels.

    Raises:
        EdgecnnError: it cannot be fetched.
    """
    folder = fetch(NAME)
    images = read_idx(folder / f"{_FILES[split]}-images-idx3-ubyte.gz")
    targets = read_idx(folder / f"{_FILES[split]}-labels-idx1-ubyte.gz").astype(np.int64)
    name = f"{NAME}-{split}"
    names = tuple(f"{name}/{i}" for i in range(len(images)))
    return Dataset(name, tuple("0123456789"), targets, partial(_grey, images), names)


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """The uint8 array in a gzipped IDX file, in the shape that its header states.

    Raises:
        EdgecnnError: it is not such a file, it is truncated, or it states more than 1 GiB.
    """
    try:
        with gzip.open(path) as file:
            magic = file.read(4)
            if len(magic) != 4 or magic[:3] != b"\0\0\x08":
                raise EdgecnnError(f"{path} is no IDX file of bytes: it begins {magic.hex()}.")
            shape = tuple(np.frombuffer(file.read(4 * magic[3]), ">u4").tolist())
            size = prod(shape)
            if len(shape) != magic[3] or size > _LIMIT_BYTES:
                raise EdgecnnError(f"{path}: its header states the shape {shape}; it is damaged.")
            content = file.read(size)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise EdgecnnError(f"{path} cannot be read: {error}.") from error
    if len(content) != size:
        raise EdgecnnError(f"{path} is truncated: {len(content)} of {size} bytes.")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _grey(images: npt.NDArray[np.uint8], i: int) -> Frame:
    return np.repeat(images[i][:, :, None], 3, axis=2)
