"""How verbs print: tables and lines for people, one JSON document for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn


def document(value: Any) -> None:
    """Print one JSON document on stdout."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def line(text: str) -> None:
    """Print one line on stdout."""
    sys.stdout.write(text + "\n")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table on stdout; numbers are given as text already rounded."""
    from rich.console import Console
    from rich.table import Table

    class Terminal(Console):
        def on_broken_pipe(self) -> NoReturn:
            # rich would leave with code 1; a reader that has enough is no failure.
            raise BrokenPipeError

    made = Table(*columns)
    for row in rows:
        made.add_row(*(str(cell) for cell in row))
    console = Terminal(width=None if sys.stdout.isatty() else 120, highlight=False)
    console.print(title, style="bold", markup=False)
    console.print(made)


def percent(value: float | None) -> str:
    """0.125 as "12.5 %"; None as a dash."""
    return "–" if value is None else f"{value:.1%}".replace("%", " %")
