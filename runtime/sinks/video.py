"""A drawn video, through OpenCV's FFmpeg: .mp4 or .webm."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgecnn.atomic import replacing
from edgecnn.errors import EdgecnnError, UsageError
from edgecnn.runtime.quiet import quiet_opencv
from edgecnn.runtime.results import Result
from edgecnn.runtime.sinks import Draw, Sink, picture_of, refuse_source
from edgecnn.runtime.sinks._staged import give_up
from edgecnn.runtime.sources import Frame, video

# What the OpenCV wheels can really encode; they carry no H.264 encoder. MPEG-4 part 2 plays
# in desktop players but in no browser; VP8 in .webm plays in every browser. No .avi: FFmpeg's
# MJPEG encoder writes past its buffer on tiny frames.
_CODECS = {".mp4": ("mp4v",), ".webm": ("VP80", "VP90")}
SUFFIXES = tuple(_CODECS)
_FPS = 25.0
_stderr_lock = threading.Lock()


def open_sink(path: str, *, draw: Draw | None = None, fps: float | None = None) -> Sink:
    """A video at `fps` frames per second (25 if not given) in the first frame's size.

    Odd sizes grow by one pixel (the codecs need even ones; the edge is repeated), sizes below
    16 grow to 16. A later frame of another size is scaled to fit, keeping its shape,
    and padded with black. The file takes its name on close; until then, and if anything
    fails, an earlier file stays.

    Raises:
        UsageError: no such kind of video file.
        EdgecnnError: the folder cannot be written; later: no encoder, no frame, disk full.
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path!r} names no video; end it in {', '.join(SUFFIXES)}.")
    return VideoSink(Path(path), draw, fps or _FPS)


class VideoSink(Sink):
    """Opens its encoder at the first frame, whose size it keeps."""

    def __init__(self, path: Path, draw: Draw | None, fps: float) -> None:
        self._path = path
        self._draw = draw
        self._fps = fps
        self._writer: Any = None
        self._size = (0, 0)
        self._written = 0
        self._closed = False
        self._stack = contextlib.ExitStack()
        self._temporary = self._stack.enter_context(replacing(path))

    def write(self, frame: Frame, result: Result) -> None:
        refuse_source(self._path, frame)
        picture = picture_of(frame, result, self._draw)
        if self._writer is None:
            height, width = picture.shape[:2]
            self._size = (max(height + height % 2, 16), max(width + width % 2, 16))
            self._writer = _encoder(self._temporary, self._path, self._fps, self._size)
        with quiet_opencv():
            self._writer.write(fitted(picture, self._size))
        self._written += 1

    def close(self) -> None:
        if self._closed:
            return
        try:
            self._release()
            self._check()
        except EdgecnnError:
            self.discard()
            raise
        self._stack.close()

    def discard(self) -> None:
        self._release()
        give_up(self._stack)

    def _release(self) -> None:
        self._closed = True
        if self._writer is not None:
            with quiet_opencv():
                self._writer.release()

    def _check(self) -> None:
        """OpenCV's writer reports nothing, a full disk included: look at what it wrote."""
        if not self._written:
            raise EdgecnnError(f"no frame came for {self._path}; nothing is written.")
        if not video.holds(self._temporary, self._written):
            raise EdgecnnError(
                f"cannot write {self._path}: it does not hold the {self._written} frames "
                "written to it. Is the disk full?"
            )


def fitted(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`picture` (H×W×3) in `size` (height, width): scaled as a whole, centred on black.

    Up to one missing row or column is filled by repeating the edge, without scaling.
    """
    down, right = size[0] - picture.shape[0], size[1] - picture.shape[1]
    if down in (0, 1) and right in (0, 1):
        if not (down or right):
            return picture
        return np.pad(picture, ((0, down), (0, right), (0, 0)), mode="edge")
    scale = min(size[0] / picture.shape[0], size[1] / picture.shape[1])
    height = max(round(picture.shape[0] * scale), 1)
    width = max(round(picture.shape[1] * scale), 1)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = np.zeros((*size, 3), np.uint8)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    canvas[top : top + height, left : left + width] = cv2.resize(
        picture, (width, height), interpolation=how
    )
    return canvas


def _encoder(temporary: Path, path: Path, fps: float, size: tuple[int, int]) -> Any:
    codecs = _CODECS[path.suffix.lower()]
    for codec in codecs:
        with quiet_opencv(), _without_stderr():
            writer = cv2.VideoWriter(
                str(temporary.absolute()),
                cv2.CAP_FFMPEG,
                cv2.VideoWriter.fourcc(*codec),
                fps,
                (size[1], size[0]),
            )
        if writer.isOpened():
            return writer
    raise EdgecnnError(
        f"this OpenCV cannot encode {path.name} ({' or '.join(codecs)}, {size[1]}×{size[0]}). "
        f"Try another of {', '.join(SUFFIXES)}, or a folder of pictures."
    )


@contextlib.contextmanager
def _without_stderr() -> Iterator[None]:
    # For .webm OpenCV prints by fprintf that the codec's tag "is not supported", then uses it;
    # no log level stops that. Only while the encoder opens: milliseconds, once a video.
    with _stderr_lock, contextlib.ExitStack() as stack:
        try:
            kept = os.dup(2)
        except OSError:
            yield
            return
        stack.callback(os.close, kept)
        stack.callback(os.dup2, kept, 2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
