"""Many pictures, in the order people expect; a bad one is passed over."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from edgecnn.errors import EdgecnnError
from edgecnn.runtime.sources import Frame, UnreadableWarning, _formats
from edgecnn.runtime.sources.photo import read_photo


def natural(name: str) -> list[tuple[int, str]]:
    """Sorting key: photo2 before photo10, capitals beside small letters."""
    parts = re.split(r"([0-9]+)", name.casefold())
    keys = [(int(p), "") if i % 2 else (0, p) for i, p in enumerate(parts)]
    return [*keys, (0, name)]


def is_picture(path: Path) -> bool:
    """Whether a file among others counts as a picture: by suffix, and not hidden."""
    return path.suffix.lower() in _formats.SUFFIXES and not path.name.startswith(".")


def read_each(paths: Sequence[Path], where: str) -> Iterator[Frame]:
    """A frame for each readable picture; `index` is its position in `paths`.

    Warns:
        UnreadableWarning: one line for each picture passed over.
    Raises:
        EdgecnnError: not one of them could be read.
    """
    first: EdgecnnError | None = None
    read = 0
    for index, path in enumerate(paths):
        try:
            frame = read_photo(path)
        except EdgecnnError as error:
            first = first or error
            warnings.warn(f"passed over: {error}", UnreadableWarning, stacklevel=2)
            continue
        frame.index = index
        read += 1
        yield frame
    if first and not read:
        raise EdgecnnError(
            f"{where}: none of its {len(paths)} pictures could be read; the first: {first}"
        ) from first


def none_found(where: str, others: Iterable[Path]) -> EdgecnnError:
    """The error for a place without pictures: what is there, and what would count."""
    kinds = Counter(path.suffix.lower() or "without suffix" for path in others)
    listed = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common(4))
    more = ", …" if len(kinds) > 4 else ""
    found = f"only {listed}{more}" if kinds else "nothing at all"
    return EdgecnnError(
        f"{where} holds no picture, {found}; pictures end in {' '.join(_formats.SUFFIXES)}."
    )
