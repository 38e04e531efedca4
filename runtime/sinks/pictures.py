"""Drawn pictures: a folder with one file a frame, or one single file."""

from __future__ import annotations

import os
import re
from pathlib import Path

import cv2
import numpy as np

from edgecnn.atomic import replacing
from edgecnn.errors import EdgecnnError, UsageError
from edgecnn.runtime.quiet import quiet_opencv
from edgecnn.runtime.results import Result
from edgecnn.runtime.sinks import Draw, Sink, picture_of, refuse_source
from edgecnn.runtime.sources import Frame, _formats

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_QUALITY = {
    ".jpg": (cv2.IMWRITE_JPEG_QUALITY, 95),
    ".jpeg": (cv2.IMWRITE_JPEG_QUALITY, 95),
    ".webp": (cv2.IMWRITE_WEBP_QUALITY, 90),
}


def open_sink(path: str, *, draw: Draw | None = None, fps: float | None = None) -> Sink:
    """A folder (made if missing) unless `path` ends in a picture's suffix.

    In a folder, photo.jpg becomes photo.jpg and photo.png photo.png; other photos become
    .png and a video's frames clip_000000.jpg and so on. Names that come twice in one run get
    -2, -3 …; files of earlier runs are replaced.
    """
    if path.endswith(("/", os.sep)) or Path(path).is_dir():
        return FolderSink(Path(path), draw)
    if Path(path).suffix.lower() in SUFFIXES:
        return PictureSink(Path(path), draw)
    if Path(path).suffix or not path:
        raise UsageError(f"{path!r} names no picture; end it in / or {', '.join(SUFFIXES)}.")
    return FolderSink(Path(path), draw)


class FolderSink(Sink):
    """Each frame is written at once; what is there when a run fails stays."""

    def __init__(self, folder: Path, draw: Draw | None) -> None:
        self._folder = folder
        self._draw = draw
        self._used: set[str] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EdgecnnError(f"cannot make the folder {folder}: {error.strerror}.") from error

    def write(self, frame: Frame, result: Result) -> None:
        path = self._folder / self._free_name(frame)
        refuse_source(path, frame)
        _save(path, _encoded(picture_of(frame, result, self._draw), path.suffix))

    def close(self) -> None:
        """Nothing is left to do."""

    def discard(self) -> None:
        """Each picture is whole by itself, so those written stay."""

    def _free_name(self, frame: Frame) -> str:
        source = Path(frame.source)
        stem = re.sub(r"[^\w.-]+", "_", source.stem) or "frame"
        suffix = source.suffix.lower()
        if suffix not in _formats.SUFFIXES:
            stem, suffix = f"{stem}_{frame.index:06d}", ".jpg"
        elif suffix not in SUFFIXES:
            suffix = ".png"
        name, number = stem + suffix, 1
        while name.casefold() in self._used:
            number += 1
            name = f"{stem}-{number}{suffix}"
        self._used.add(name.casefold())
        return name


class PictureSink(Sink):
    """One picture for a source of one frame; written on close."""

    def __init__(self, path: Path, draw: Draw | None) -> None:
        self._path = path
        self._draw = draw
        self._data: bytes | None = None

    def write(self, frame: Frame, result: Result) -> None:
        refuse_source(self._path, frame)
        if self._data is not None:
            raise EdgecnnError(
                f"{self._path} holds one picture and the source has more: name a folder, "
                f"{self._path.with_suffix('')}{os.sep}"
            )
        self._data = _encoded(picture_of(frame, result, self._draw), self._path.suffix.lower())

    def close(self) -> None:
        if self._data is not None:
            _save(self._path, self._data)

    def discard(self) -> None:
        self._data = None


def _encoded(picture: np.ndarray, suffix: str) -> bytes:
    try:
        with quiet_opencv():
            done, data = cv2.imencode(suffix, picture, _QUALITY.get(suffix, ()))
    except cv2.error:
        done = False
    if not done:
        height, width = picture.shape[:2]
        raise EdgecnnError(f"OpenCV cannot write a {suffix} picture of {width}×{height}.")
    return bytes(data)


def _save(path: Path, data: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(data)
