"""Runs the edgecnn command and says how it must fail: one line, the right exit code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EARLIER = b"what was there before"
# Those that open an .onnx file.
VERBS = ("run", "check", "card", "quantize")


@dataclass(frozen=True)
class Done:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]


def process(*argv: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command as users start it."""
    return subprocess.run(
        [sys.executable, "-m", "edgecnn", *map(str, argv)],
        capture_output=True, text=True, timeout=120, **options,
    )  # fmt: skip


def assert_one_line(done: Done, code: int, *says: str, progress: bool = False) -> None:
    """The exit code; on stderr one line of ours, last (and first, unless work had begun)."""
    lines = done.err.splitlines()
    assert done.code == code, done
    assert [line for line in lines if line.startswith("edgecnn: ")] == lines[-1:], done.err
    assert progress or len(lines) == 1, done.err
    assert "Traceback" not in done.err
    assert "internal error" not in done.err
    assert len(lines[-1]) < 500
    for part in says:
        assert part in lines[-1]


def uses(model: Path, photo: Path, pictures: Path, place: Path) -> dict[str, list[str | Path]]:
    """How to call each of VERBS so that it writes over an earlier result."""
    return {
        "run": ["run", model, photo, "-o", place / "earlier.jsonl", "-o", place / "earlier.png"],
        "check": ["check", model],
        "card": ["card", model],
        "quantize": ["quantize", model, "--data", pictures, "-o", place / "earlier.onnx"],
    }
