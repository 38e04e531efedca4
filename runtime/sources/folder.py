"""The pictures of a folder: its own first, then those of each subfolder, in natural order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from edgecnn.errors import EdgecnnError
from edgecnn.runtime.sources import Frame
from edgecnn.runtime.sources._pictures import is_picture, natural, none_found, read_each


def frames(path: str | os.PathLike[str]) -> Iterator[Frame]:
    """A frame for each picture; an unreadable one is passed over with an UnreadableWarning.

    Raises:
        EdgecnnError: no such folder, no picture in it, or none that can be read.
    """
    yield from read_each(pictures(path), str(path))


def count(path: str | os.PathLike[str]) -> int:
    """Number of pictures, unreadable ones included."""
    return len(pictures(path))


def pictures(path: str | os.PathLike[str]) -> list[Path]:
    """Paths of all pictures, by suffix. Hidden files and folders do not count; links to
    folders are not followed.

    Raises:
        EdgecnnError: no such folder, it cannot be read, or it holds no picture.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise EdgecnnError(f"{folder}: no such folder.")
    found: list[Path] = []
    others: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = sorted((f for f in folders if not f.startswith(".")), key=natural)
        for name in sorted(names, key=natural):
            file = Path(parent, name)
            (found if is_picture(file) else others).append(file)
    if not found:
        raise none_found(str(folder), others)
    return found


def _unreadable(error: OSError) -> None:
    raise EdgecnnError(f"cannot read the folder {error.filename}: {error.strerror}.") from error
