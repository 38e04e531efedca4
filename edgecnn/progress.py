"""Progress on stderr: a bar with its ETA on a terminal, one line at start and end elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from operator import length_hint
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID

T = TypeVar("T")

# One display for the whole process: two live ones on one terminal overwrite each other.
_lock = threading.RLock()
_display: Progress | None = None
_users = 0


class Bar:
    """A running count, made by `bar`; `advance` may be called from any thread."""

    def __init__(self, display: Progress | None, task: TaskID | None) -> None:
        self.done = 0.0
        self._display = display
        self._task = task

    def advance(self, amount: float = 1) -> None:
        """Count `amount` more as done (negative: something has to be done again)."""
        with _lock:
            self.done += amount
            if self._display is not None and self._task is not None:
                self._display.advance(self._task, amount)


@contextlib.contextmanager
def bar(description: str, total: float | None = None, *, unit: str = "") -> Iterator[Bar]:
    """Show one piece of work on stderr for as long as the block runs; bars may nest.

    Args:
        description: what is being done: "Training", "Fetching mnist".
        total: how much there is to do; None when nobody knows (no ETA then).
        unit: "" counts things; "bytes" shows sizes.
    """
    started = time.monotonic()
    if not _on_terminal():
        say(f"{description} …")
        plain = Bar(None, None)
        ending = "stopped after"
        try:
            yield plain
            ending = "done in"
        finally:
            count = _count(plain.done, total, unit)
            ending = f"{count}, {ending}" if count else ending
            say(f"{description}: {ending} {time.monotonic() - started:.1f} s")
        return
    display = _acquire()
    try:
        yield Bar(display, display.add_task(description, total=total, unit=unit))
    finally:
        _release()


def track(iterable: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield each item of `iterable` and show on stderr how many are through."""
    if total is None:
        total = length_hint(iterable, -1)
    with bar(description, total if total >= 0 else None) as shown:
        for item in iterable:
            yield item
            shown.advance()


def say(line: str) -> None:
    """One line on stderr, above the bars where some are running."""
    with _lock:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def _on_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM", "") != "dumb"


def _count(done: float, total: float | None, unit: str) -> str:
    """How far it is, "" where nothing was counted."""
    if not done and not total:
        return ""
    scale, decimals, ending = (1e6, 1, " MB") if unit == "bytes" else (1, 0, "")
    of = "" if total is None else f" of {total / scale:.{decimals}f}"
    return f"{done / scale:.{decimals}f}{of}{ending}"


def _acquire() -> Progress:
    global _display, _users
    from rich.console import Console
    from rich.progress import Progress

    with _lock:
        if _display is None:
            _display = Progress(*_columns(), console=Console(stderr=True))
            _display.start()
        _users += 1
        return _display


def _release() -> None:
    global _display, _users
    with _lock:
        _users -= 1
        if _users == 0 and _display is not None:
            _display.stop()
            _display = None


def _columns() -> list[ProgressColumn]:
    from datetime import timedelta

    from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
    from rich.table import Column
    from rich.text import Text

    class Count(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(_count(task.completed, task.total, task.fields["unit"]))

    class Times(ProgressColumn):
        max_refresh = 0.5

        def render(self, task: Task) -> Text:
            elapsed = timedelta(seconds=int(task.elapsed or 0))
            left = task.time_remaining
            eta = "" if left is None or task.finished else f" eta {timedelta(seconds=int(left))}"
            return Text(f"{elapsed}{eta}")

    def whole() -> Column:
        return Column(no_wrap=True)

    text = TextColumn("{task.description}", markup=False, table_column=whole())
    return [text, BarColumn(bar_width=24), Count(whole()), Times(whole())]
