"""The frames of a video file, through OpenCV's FFmpeg (or GStreamer, where that is built in)."""

from __future__ import annotations

import contextlib
import math
import os
import warnings
from collections.abc import Iterator
from typing import Any

import cv2

from edgecnn.errors import EdgecnnError
from edgecnn.onnxfile import existing_file
from edgecnn.runtime.quiet import quiet_opencv
from edgecnn.runtime.sources import Frame, UnreadableWarning, _formats
from edgecnn.runtime.sources.photo import MAX_PIXELS

MOVING = True

# Named, because by itself OpenCV goes on to guess a numbered series of pictures from the name.
_BACKENDS = (cv2.CAP_FFMPEG, cv2.CAP_GSTREAMER)


def frames(path: str | os.PathLike[str]) -> Iterator[Frame]:
    """Each frame in order, H×W×3 BGR uint8, with its index and its time in the video.

    Warns:
        UnreadableWarning: the file gave fewer frames than its header tells (by more than
            1 %, at least 2 frames: some formats only estimate it).
    Raises:
        EdgecnnError: missing, empty, not a video, no frame can be decoded, or its frames are
            over 100 megapixels.
    """
    with _opened(path) as capture:
        expected, rate = _count(capture), _fps(capture)
        index, time_s = 0, 0.0
        while (picture := _next(capture, path)) is not None:
            time_s = _time_s(capture, index, rate)
            yield Frame(picture, str(path), index, time_s)
            index += 1
    if index == 0:
        raise EdgecnnError(f"{path} is damaged: not one frame can be decoded. Copy it again.")
    if expected and _lacks_frames(path, index, expected, time_s * rate if rate else 0.0):
        warnings.warn(
            f"{path} gave {index} of its {expected} frames: truncated or damaged.",
            UnreadableWarning,
            stacklevel=2,
        )


def count(path: str | os.PathLike[str]) -> int | None:
    """Number of frames by the header, or None if it does not tell. Errors as in frames."""
    with _opened(path) as capture:
        return _count(capture)


def fps(path: str | os.PathLike[str]) -> float | None:
    """Frames per second by the header, or None if it does not tell. Errors as in frames."""
    with _opened(path) as capture:
        return _fps(capture)


def holds(path: str | os.PathLike[str], number: int) -> bool:
    """Whether header and data reach `number` frames; only the end is decoded.

    One less is allowed: WebM stores a duration, from which the number is off by one at times.
    """
    try:
        with _opened(path) as capture:
            if (_count(capture) or 0) < number - 1:
                return False
            with quiet_opencv():
                capture.set(cv2.CAP_PROP_POS_FRAMES, max(number - 2, 0))
            return _next(capture, path) is not None
    except EdgecnnError:
        return False


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Any]:
    # Absolute, because FFmpeg takes a leading `name:` for a protocol.
    absolute = str(existing_file(path).absolute())
    content = _formats.content_of(path)
    if content in (*_formats.PICTURES, *_formats.FOREIGN_PICTURES):
        # FFmpeg would take it for a video of one frame, without the checks for photos.
        raise EdgecnnError(f"{path} is not a video but a {content} picture. Name it photo://{path}")
    for backend in _BACKENDS:
        with quiet_opencv():
            capture = cv2.VideoCapture(absolute, backend)
        try:
            if capture.isOpened():
                _check_size(capture, path)
                yield capture
                return
        finally:
            capture.release()
    raise EdgecnnError(_not_a_video(path, content))


def _check_size(capture: Any, path: str | os.PathLike[str]) -> None:
    width = capture.get(cv2.CAP_PROP_FRAME_WIDTH)
    height = capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if width * height > MAX_PIXELS:
        raise EdgecnnError(
            f"{path} has frames of {width:.0f}×{height:.0f} = {width * height / 1e6:.0f} "
            f"megapixels; the limit is {MAX_PIXELS / 1e6:.0f}."
        )


def _next(capture: Any, path: str | os.PathLike[str]) -> Any:
    try:
        with quiet_opencv():
            return capture.read()[1]
    except cv2.error as error:
        raise EdgecnnError(f"{path} is damaged: a frame cannot be decoded.") from error


def _time_s(capture: Any, index: int, rate: float | None) -> float:
    time_ms = capture.get(cv2.CAP_PROP_POS_MSEC)
    if math.isfinite(time_ms) and (time_ms > 0 or index == 0):
        return max(float(time_ms), 0.0) / 1000
    return index / rate if rate else 0.0


def _lacks_frames(
    path: str | os.PathLike[str], got: int, expected: int, last_position: float
) -> bool:
    slack = max(1, expected // 100)
    if _formats.content_of(path) == "AVI" and last_position >= expected - 1 - slack:
        # AVI counts repeated frames without storing them.
        return False
    return expected - got > slack


def _count(capture: Any) -> int | None:
    number = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return int(number) if math.isfinite(number) and number > 0 else None


def _fps(capture: Any) -> float | None:
    rate = capture.get(cv2.CAP_PROP_FPS)
    return float(rate) if math.isfinite(rate) and rate > 0 else None


def _not_a_video(path: str | os.PathLike[str], content: str) -> str:
    if content in _formats.VIDEOS:
        return f"{path} is a truncated or damaged {content} video, or its codec is not built in."
    what = f" but {content}" if content else ", or it is damaged"
    return f"{path} is not a video{what}."
