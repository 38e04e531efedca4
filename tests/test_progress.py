"""Progress, on a terminal and into a file."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

from edgecnn.progress import bar, track

NESTED = """
from edgecnn.progress import bar, say, track
with bar("Outer [1]", 2) as outer:
    for _ in range(2):
        for _ in track([1, 2, 3], "Inner"):
            pass
        outer.advance()
    say("a line between")
with bar("Fetching", 2_000_000, unit="bytes") as fetching:
    fetching.advance(2_000_000)
"""


def test_elsewhere_one_line_at_start_and_end(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(track("abc", "Reading")) == ["a", "b", "c"]
    out, err = capfd.readouterr()
    assert out == ""
    assert re.fullmatch(r"Reading …\nReading: 3 of 3, done in 0\.\d s\n", err)


def test_an_interrupted_piece_of_work_says_how_far_it_came(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(KeyError), bar("Training", 10) as shown:
        shown.advance(4)
        raise KeyError
    assert "Training: 4 of 10, stopped after 0." in capfd.readouterr().err


def test_unknown_length_and_sizes(capfd: pytest.CaptureFixture[str]) -> None:
    list(track(iter([1, 2]), "Counting"))
    list(track((i for i in range(2)), "Guessing"))
    with bar("Fetching", 3_000_000, unit="bytes") as shown:
        shown.advance(1_500_000)
    err = capfd.readouterr().err
    assert "Counting: 2 of 2, done" in err
    assert "Guessing: 2, done" in err
    assert "Fetching: 1.5 of 3.0 MB, done" in err


def test_a_terminal_shows_nested_bars() -> None:
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-c", NESTED],
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 65536):
            shown += block
    except OSError:
        pass  # Linux's way of saying that the other end was closed.
    os.close(ours)
    assert done.wait(30) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert re.search(r"Outer \[1\] ━+ 2 of 2 +0:00:0", text)
    assert len(re.findall(r"Inner +━+ 3 of 3", text)) >= 2
    assert "a line between" in text
    assert re.search(r"Fetching ━+ 2\.0 of 2\.0 MB", text)
    assert "Traceback" not in text
