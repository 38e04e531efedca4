"""The README is run as a new user would: every command, in order, then the Python example."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from house import ROOT

TEXT = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(console|python)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = [
    line[2:].partition("  #")[0].strip()
    for kind, body in BLOCKS
    if kind == "console"
    for line in body.splitlines()
    if line.startswith("$ ")
]

pytestmark = [pytest.mark.slow, pytest.mark.network]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("readme")
    (here / "export").symlink_to(ROOT / "export")
    return here


def run(arguments: list[str], folder: Path) -> str:
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{shlex.join(arguments)}\n{done.stderr}"
    return done.stdout


def test_the_two_commands_come_first() -> None:
    assert [c.split("    ")[0] for c in COMMANDS[:2]] == ["make demo", "make test"]


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.startswith("make ")])
def test_command_runs(command: str, folder: Path) -> None:
    verb, *arguments = shlex.split(command)
    assert verb == "edgecnn", f"a test must know how to run {command!r}"
    said = run([sys.executable, "-m", "edgecnn", *arguments], folder)
    if arguments[0] == "run" and "wide.jpg" in command:
        promised = re.search(r"prints `(.+?)`", TEXT)
        assert promised
        labels = re.findall(r"[:,] ([a-zA-Z ]+) \d", promised[1])
        assert re.findall(r"[:,] ([a-zA-Z ]+) \d", said)[: len(labels)] == labels


def test_the_python_example_runs_and_names_the_cat(folder: Path) -> None:
    example = next(body for kind, body in BLOCKS if kind == "python")
    assert "cat" in run([sys.executable, "-c", example], folder)
