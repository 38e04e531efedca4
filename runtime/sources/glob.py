"""The pictures that a pattern names: `photos/*.jpg`, `**/cat?.png`; in natural order."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from pathlib import Path

from edgecnn.errors import EdgecnnError
from edgecnn.runtime.sources import Frame
from edgecnn.runtime.sources._pictures import is_picture, natural, none_found, read_each


def frames(path: str | os.PathLike[str]) -> Iterator[Frame]:
    """A frame for each picture; an unreadable one is passed over with an UnreadableWarning.

    Raises:
        EdgecnnError: the pattern matches nothing, no picture, or none that can be read.
    """
    yield from read_each(pictures(path), str(path))


def count(path: str | os.PathLike[str]) -> int:
    """Number of pictures matched, unreadable ones included."""
    return len(pictures(path))


def pictures(path: str | os.PathLike[str]) -> list[Path]:
    """Paths of the matching pictures, by suffix; `**` goes through subfolders.

    Raises:
        EdgecnnError: the pattern matches nothing, or no picture.
    """
    pattern = os.fspath(path)
    matches = [Path(name) for name in sorted(glob.glob(pattern, recursive=True), key=natural)]
    if not matches:
        raise EdgecnnError(f"{pattern} matches no file.")
    files = [match for match in matches if match.is_file()]
    found = [file for file in files if is_picture(file)]
    if not found:
        raise none_found(pattern, files)
    return found
