"""Type an edgecnn command: show the line, run it, and read the JSON that it prints."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
from pathlib import Path
from typing import Any

from edgecnn.cli import main
from edgecnn.progress import bar

# Every command line so far, in order; the page lists them.
typed: list[str] = []


class Stopped(Exception):
    """A command did not succeed and has said why; `code` is its exit code."""

    def __init__(self, code: int) -> None:
        self.code = code


def verb(*words: str | Path, showing: str = "") -> Any:
    """The JSON document of one command. `showing` names the work where the verb shows none.

    Raises:
        Stopped: the command failed; its one line is on stderr already.
    """
    return json.loads(_said(words, showing))


def verb_lines(*words: str | Path, showing: str = "") -> list[Any]:
    """The JSON lines of a command that prints one a frame; otherwise as `verb`."""
    return [json.loads(line) for line in _said(words, showing).splitlines()]


def _said(words: tuple[str | Path, ...], showing: str) -> str:
    argv = [str(word) for word in words]
    typed.append(f"edgecnn {shlex.join(argv)}")
    print(f"\n$ {typed[-1]}", flush=True)
    said = io.StringIO()
    # The bar stands outside: while one is drawn, rich puts its own stream in stdout's place.
    with bar(showing) if showing else contextlib.nullcontext():
        with contextlib.redirect_stdout(said):
            code = main([*argv, "--json"])
        if code:
            raise Stopped(code)
    return said.getvalue()
