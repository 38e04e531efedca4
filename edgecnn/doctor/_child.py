"""Ask in a process of its own, so that a crash or a hang there stops nothing here."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TextIO

# The folder of this file holds a tensorrt.py and others: it must not come first on the
# child's path, so neither `-m` nor a file name; the parent's own path is handed over.
# Native libraries print to stdout: it is pointed at stderr and the answer has its own copy.
_CHILD = """
import json, os, resource, sys
answer = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
job = json.load(sys.stdin)
sys.path[:] = job["path"]
from edgecnn.doctor._child import serve
serve(job, answer)
"""
# Nothing is left behind: no bytecode, no compiled GPU kernels. And nothing is sent: ONNX Runtime
# from 1.29 on reports its use to its maker and keeps a device number in ~/.cache otherwise.
_CLEAN = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "CUDA_CACHE_DISABLE": "1",
    "ORT_DISABLE_TELEMETRY": "1",
}
_KILL_GRACE_S = 2.0


@dataclass(frozen=True)
class Answer:
    """What a child process said.

    value: the function's result, JSON types; None where `error` is set.
    error: one line: the exception, the signal or the time limit; empty where all went well.
    missing: the module that is not installed, where that was the error.
    log: what the child wrote to stderr.
    """

    value: Any = None
    error: str = ""
    missing: str = ""
    log: str = ""


@dataclass(frozen=True)
class Outcome:
    """How a program ended; `code` is None where it ran past its limit, -N for signal N."""

    code: int | None
    output: str
    log: str


def call(function: Callable[..., Any], *arguments: Any, limit_s: float = 30.0) -> Answer:
    """Call `function`, a module-level function, in a fresh interpreter.

    It sees this interpreter's sys.path. Arguments and result must be JSON types.
    """
    job = {
        "path": sys.path,
        "module": function.__module__,
        "name": function.__qualname__,
        "arguments": arguments,
    }
    outcome = program([sys.executable, "-c", _CHILD], text=json.dumps(job), limit_s=limit_s)
    if outcome.code is None:
        return Answer(error=f"no answer within {limit_s:g} s", log=outcome.log)
    if outcome.code < 0:
        return Answer(error=f"crashed with {_signal_name(-outcome.code)}", log=outcome.log)
    try:
        said = json.loads(outcome.output)
    except ValueError:
        cause = last_line(outcome.log) or "no output"
        return Answer(error=f"ended with code {outcome.code}: {cause}", log=outcome.log)
    return Answer(**said, log=outcome.log)


def serve(job: dict[str, Any], answer: TextIO) -> None:
    """The child's side of `call`: run the job, write its JSON answer."""
    function = getattr(import_module(job["module"]), job["name"])
    try:
        said = {"value": function(*job["arguments"])}
    except Exception as error:  # noqa: BLE001 - whatever a native library raises is the answer
        said = {"error": one_line(str(error) or type(error).__name__)}
        if isinstance(error, ModuleNotFoundError):
            said["missing"] = error.name or ""
    json.dump(said, answer)
    answer.flush()
    # Some engines crash while the interpreter shuts down, long after the work is done.
    os._exit(0)


def program(argv: Sequence[str], *, text: str = "", limit_s: float) -> Outcome:
    """Run a program with `text` on its stdin; it is killed after `limit_s` seconds.

    Raises:
        OSError: it cannot be started.
    """
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=os.environ | _CLEAN,
    )
    try:
        output, log = process.communicate(text, timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        # A process stuck inside a sick GPU driver does not even die; do not wait for it.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=_KILL_GRACE_S)
        return Outcome(None, "", "")
    return Outcome(process.returncode, output, log)


def one_line(text: str, limit: int = 240) -> str:
    """`text` without line breaks and colours, cut to `limit` characters."""
    line = " ".join(re.sub(r"\x1b\[[\d;]*m", "", text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def last_line(text: str) -> str:
    """The last line of `text` that holds anything."""
    lines = [line for line in text.splitlines() if line.strip()]
    return one_line(lines[-1]) if lines else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
