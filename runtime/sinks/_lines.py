"""Lines of text into a file, or as they come to stdout: what jsonl and text share."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

from edgecnn.atomic import replacing
from edgecnn.errors import EdgecnnError
from edgecnn.runtime.results import Result
from edgecnn.runtime.sinks import Sink
from edgecnn.runtime.sinks._staged import give_up
from edgecnn.runtime.sources import Frame


class LineSink(Sink):
    """One line a frame. On stdout each line is flushed; a file takes its name on close."""

    def __init__(self, path: str, line_of: Callable[[Frame, Result], str]) -> None:
        self._path = path
        self._line_of = line_of
        self._stack = contextlib.ExitStack()
        self._file = None
        if path not in ("", "-"):
            temporary = self._stack.enter_context(replacing(Path(path)))
            self._file = self._stack.enter_context(
                temporary.open("w", encoding="utf-8", errors="backslashreplace")
            )

    def write(self, frame: Frame, result: Result) -> None:
        line = self._line_of(frame, result) + "\n"
        if self._file is None:
            _to_stdout(line)
            return
        try:
            self._file.write(line)
        except OSError as error:
            raise EdgecnnError(f"cannot write {self._path}: {error.strerror or error}.") from error

    def close(self) -> None:
        self._stack.close()

    def discard(self) -> None:
        give_up(self._stack)


def _to_stdout(line: str) -> None:
    # A terminal of another encoding gets \u escapes, not a UnicodeEncodeError.
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()
