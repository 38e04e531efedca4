"""Picture files on disk: which of a folder's files are pictures, and one of them as a frame."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from edgecnn.data.dataset import Frame
from edgecnn.errors import EdgecnnError


def read_at(paths: tuple[Path, ...], i: int) -> Frame:
    """`paths[i]` as a frame (H×W×3 BGR uint8), turned upright by its EXIF orientation.

    Raises:
        EdgecnnError: the file is missing, truncated, damaged or too large.
    """
    from edgecnn.runtime.sources.photo import read_photo

    return read_photo(paths[i])


def pictures_in(folder: Path, *, below: bool) -> tuple[Path, ...]:
    """The folder's pictures by suffix, in natural order; hidden ones are passed over.

    `below` includes all subfolders. Files whose header is no picture's are left out with one
    warning for all; nothing is decoded here, so that large folders open fast.
    """
    from edgecnn.runtime.sources import UnreadableWarning
    from edgecnn.runtime.sources._pictures import is_picture, natural
    from edgecnn.runtime.sources.photo import check_header

    found: list[Path] = []
    for at, folders, names in os.walk(folder):
        folders[:] = sorted((f for f in folders if below and f[0] != "."), key=natural)
        found += filter(is_picture, (Path(at, name) for name in sorted(names, key=natural)))
    good: list[Path] = []
    faults: list[EdgecnnError] = []
    for path in found:
        try:
            check_header(path)
        except EdgecnnError as error:
            faults.append(error)
        else:
            good.append(path)
    if faults:
        warnings.warn(
            f"{folder}: {len(faults)} of {len(found)} pictures left out; the first: {faults[0]}",
            UnreadableWarning,
            stacklevel=2,
        )
    return tuple(good)
