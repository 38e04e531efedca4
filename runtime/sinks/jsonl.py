"""JSON lines: one object a frame, into a .jsonl file or to stdout."""

from __future__ import annotations

import json

from edgecnn.errors import EdgecnnError
from edgecnn.runtime.results import Result
from edgecnn.runtime.sinks import Draw, Sink
from edgecnn.runtime.sinks._lines import LineSink
from edgecnn.runtime.sources import Frame

SUFFIXES = (".jsonl", ".ndjson")


def open_sink(path: str, *, draw: Draw | None = None, fps: float | None = None) -> Sink:
    """Lines {"source", "index", "time_s", ...result.to_dict()}; "-" or "" is stdout."""
    return LineSink(path, line_of)


def line_of(frame: Frame, result: Result) -> str:
    """One line of JSON, ASCII only, time in seconds to the microsecond.

    Raises:
        EdgecnnError: a number in the result is not finite.
    """
    head = {"source": frame.source, "index": frame.index, "time_s": round(frame.time_s, 6)}
    try:
        return json.dumps({**head, **result.to_dict()}, allow_nan=False)
    except ValueError as error:
        raise EdgecnnError(
            f"the result of {frame.source} frame {frame.index} is not finite: {error}."
        ) from error
