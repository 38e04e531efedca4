"""Plain text: one line a frame, `cat.jpg: tabby 0.93, lynx 0.02`, into a .txt file or to stdout."""

from __future__ import annotations

import re

from edgecnn.runtime.results import Result
from edgecnn.runtime.sinks import Draw, Sink
from edgecnn.runtime.sinks._lines import LineSink
from edgecnn.runtime.sources import Frame

SUFFIXES = (".txt",)


def open_sink(path: str, *, draw: Draw | None = None, fps: float | None = None) -> Sink:
    """Lines for people; "-" or "" is stdout."""
    return LineSink(path, line_of)


def line_of(frame: Frame, result: Result) -> str:
    """`source: label 0.93, label 0.02`; after a video's first frame `source @1.20s: …`."""
    when = f" @{frame.time_s:.2f}s" if frame.time_s > 0 else ""
    answers = ", ".join(f"{label} {score:.2f}" for label, score in result.top())
    return _printable(f"{frame.source}{when}: {answers}")


def _printable(text: str) -> str:
    # A file's name may hold a line feed or a terminal's escape sequence.
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda found: f"\\x{ord(found[0]):02x}", text)
