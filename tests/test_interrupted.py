"""A full disk, Ctrl-C and kill -9: no file is ever half written under its final name."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from colours import colour_network
from command import EARLIER, Done, assert_one_line, process


def limited(file_bytes: int) -> Callable[[], None]:
    """No file of this process may grow beyond that: what a full disk looks like from inside."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))


@pytest.mark.parametrize(
    ("line", "room"),
    [
        ("export {pt} -o {out}/earlier.onnx", 100_000),
        ("quantize {model} --data {data} -o {out}/earlier.onnx", 1000),
        ("run {model} {data}/red -o {out}/earlier.jsonl -q", 100),
        ("run {model} {photo} -o {out}/earlier.png -q", 20),
    ],
)
def test_a_full_disk(
    model: Path, photo: Path, pictures: Path, place: Path, pt: Path, line: str, room: int
) -> None:
    words = {"model": model, "photo": photo, "data": pictures, "out": place, "pt": pt}
    done = process(*(w.format(**words) for w in line.split()), preexec_fn=limited(room))
    assert_one_line(Done(done.returncode, done.stdout, done.stderr), 1, progress=True)
    assert "File too large" in done.stderr or "cannot write" in done.stderr
    assert done.stdout == ""


def test_a_full_disk_behind_stdout(model: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "edgecnn", "card", str(model)],
            stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "edgecnn: No space left on device.\n")


def test_a_reader_that_has_enough(model: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "edgecnn", "card", str(model), "--json"],
        stdout=writer, stderr=subprocess.PIPE,
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def started(*argv: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "edgecnn", *map(str, argv)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def assert_ctrl_c_ends(running: subprocess.Popen[str]) -> None:
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    # Python itself ends by the signal where Ctrl-C struck inside exec(): 130 to a shell as well.
    code = 128 - running.returncode if running.returncode < 0 else running.returncode
    assert_one_line(Done(code, out, err), 130, "interrupted", progress=True)
    assert out == ""


@pytest.mark.parametrize("stage", ["Reading held-out", "Calibrating", "Measuring layers"])
def test_ctrl_c_while_quantizing(pictures: Path, place: Path, tmp_path: Path, stage: str) -> None:
    # A network that INT8 harms: each layer is measured, which takes a while.
    model = colour_network(tmp_path / "float.onnx", spread=1e5)
    out = place / "earlier.onnx"
    running = started("quantize", model, "--data", pictures, "--max-drop", "0", "-o", out)
    assert running.stderr is not None
    assert any(line.startswith(stage) for line in iter(running.stderr.readline, ""))
    assert_ctrl_c_ends(running)


@pytest.mark.parametrize("delay_s", [0.0, 0.3])
def test_ctrl_c_while_exporting(place: Path, pt: Path, delay_s: float) -> None:
    running = started("export", pt, "-o", place / "earlier.onnx")
    deadline = time.monotonic() + 60
    while not list(place.glob(".earlier.*.onnx")):
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    time.sleep(delay_s)
    assert_ctrl_c_ends(running)


KILLED = """
import os, random, signal, sys, time
from edgecnn.cli import main
import edgecnn.data, edgecnn.export.quantize

def child(argv):
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        os._exit(main(argv))
    return pid

def ended(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

seed, out, argv = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
started = time.monotonic()
assert ended(child(argv)) == 0
whole_s = time.monotonic() - started
dice = random.Random(seed)
for _ in range(10):
    with open(out, "wb") as file:
        file.write(b"what was there before")
    pid = child(argv)
    time.sleep(dice.uniform(0, whole_s))
    os.kill(pid, signal.SIGKILL)
    code = ended(pid)
    with open(out, "rb") as file:
        print(code, file.read().hex(), flush=True)
"""


def test_kill_9_never_leaves_half_a_file_under_the_final_name(
    model: Path, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "int8.onnx"
    argv = ["quantize", model, "--data", pictures, "-o", out]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(random.randrange(10**6)), str(out), *map(str, argv)],
        capture_output=True, text=True, timeout=120,
        # What is killed leaves its work files there.
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ends = [line.split() for line in done.stdout.splitlines()]
    assert len(ends) == 10
    assert [code for code, _ in ends].count("-9") >= 5
    for _, content in ends:
        if bytes.fromhex(content) != EARLIER:
            whole = tmp_path / "whole.onnx"
            whole.write_bytes(bytes.fromhex(content))
