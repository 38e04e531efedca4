"""Where frames come from: one source a file; the URI's scheme is the file's name."""

from __future__ import annotations

import os
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.errors import EdgecnnError, one_of

_GROUP = "edgecnn.sources"
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_GLOB = re.compile(r"[*?\[]")


class Frame(np.ndarray[Any, np.dtype[np.uint8]]):
    """One picture: H×W×3 BGR uint8, and where it comes from.

    A crop, a copy or the outcome of arithmetic keeps the three attributes of its first
    operand; what OpenCV returns is a plain array.

    source: path or URI.
    index: position in the source, from 0.
    time_s: position in a video in seconds; 0.0 for a photo.
    """

    source: str
    index: int
    time_s: float

    def __new__(
        cls, picture: np.ndarray, source: str = "", index: int = 0, time_s: float = 0.0
    ) -> Frame:
        frame = np.asarray(picture).view(cls)
        frame.source, frame.index, frame.time_s = source, index, time_s
        return frame

    def __array_finalize__(self, parent: Any) -> None:
        self.source = getattr(parent, "source", "")
        self.index = getattr(parent, "index", 0)
        self.time_s = getattr(parent, "time_s", 0.0)

    def __reduce__(self) -> tuple[Any, ...]:
        # By itself an array forgets its attributes on the way to another process.
        return Frame, (np.asarray(self), self.source, self.index, self.time_s)


class UnreadableWarning(UserWarning):
    """Part of a source could not be read and was passed over: one line that says which part."""


def frames(uri: str | os.PathLike[str]) -> Iterator[Frame]:
    """The frames of a photo, a folder, a glob, a video or any other source.

    `scheme://rest` goes to the source of that name. A plain path is a folder, else a picture
    or a video by its content, else a glob. The device is released when the iterator ends or
    is closed.

    Warns:
        UnreadableWarning: a picture of a folder or the end of a video is damaged.
    Raises:
        UsageError: unknown scheme.
        EdgecnnError: missing, empty, damaged, or nothing a source can read.
    """
    source, rest = _resolve(uri)
    found: Iterator[Frame] = source.frames(rest)
    return found


def is_video(uri: str | os.PathLike[str]) -> bool:
    """Whether successive frames belong to one scene, so that smoothing over time makes sense."""
    return bool(getattr(_resolve(uri)[0], "MOVING", False))


def count(uri: str | os.PathLike[str]) -> int | None:
    """Number of frames, or None where the source cannot know."""
    source, rest = _resolve(uri)
    counted: int | None = source.count(rest) if hasattr(source, "count") else None
    return counted


def fps(uri: str | os.PathLike[str]) -> float | None:
    """Frames per second, or None for what has no rate of its own."""
    source, rest = _resolve(uri)
    rate: float | None = source.fps(rest) if hasattr(source, "fps") else None
    return rate


def list_sources() -> list[str]:
    """Names of all schemes, installed plug-ins included, sorted."""
    return sorted({*_own(), *(plugin.name for plugin in _plugins())})


def _resolve(uri: str | os.PathLike[str]) -> tuple[Any, str]:
    """The source's module and what it is to open."""
    text = os.fspath(uri)
    parts = _URI.fullmatch(text)
    if parts:
        return _load(parts[1].lower()), parts[2]
    return _load(_scheme_of_path(text)), text


def _load(scheme: str) -> Any:
    if scheme in _own():
        return import_module(f"{__name__}.{scheme}")
    for plugin in _plugins():
        if plugin.name == scheme:
            return plugin.load()
    raise one_of("source", scheme, list_sources())


def _own() -> list[str]:
    return [m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]


def _plugins() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=_GROUP))


def _scheme_of_path(text: str) -> str:
    from edgecnn.runtime.sources import _formats

    path = Path(text)
    if path.is_dir():
        return "folder"
    if not path.exists():
        if _GLOB.search(text):
            return "glob"
        raise EdgecnnError(f"{text or 'the empty path'}: no such file or folder.")
    content = _formats.content_of(path)
    if content in (*_formats.PICTURES, *_formats.FOREIGN_PICTURES):
        return "photo"
    if content in _formats.VIDEOS or path.suffix.lower() not in _formats.SUFFIXES:
        return "video"
    return "photo"
