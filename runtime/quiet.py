"""Keep OpenCV's and FFmpeg's own messages off stderr, so that the user reads one line: ours."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any

import cv2

_SILENT = 0
_lock = threading.Lock()
_nested = 0
_level = _SILENT


@contextlib.contextmanager
def quiet_opencv() -> Iterator[None]:
    """Inside, OpenCV logs nothing; afterwards its level is what it was, also with threads.

    Does nothing where the user has set OPENCV_LOG_LEVEL: they want to see the messages.
    """
    if "OPENCV_LOG_LEVEL" in os.environ:
        yield
        return
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _nested, _level
    with _lock:
        # FFmpeg's level is read once, when OpenCV first touches it, and only from here.
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
        if _nested == 0:
            _level = _log().getLogLevel()
            _log().setLogLevel(_SILENT)
        _nested += 1


def _leave() -> None:
    global _nested
    with _lock:
        _nested -= 1
        if _nested == 0:
            _log().setLogLevel(_level)


def _log() -> Any:
    # OpenCV 5 moved the two functions from cv2 to cv2.utils.logging.
    return cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging
