"""How much memory a network needs, seen from a process that runs nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from edgecnn.doctor._child import call
from edgecnn.errors import EdgecnnError

RUNS = 5
_LIMIT_S = 600.0


def peak_memory_mb(path: Path, backend: str, device: str, threads: int, batch: int) -> float:
    """Largest resident memory of a fresh process that loads the network and runs it 5 times.

    Contained: the engine's libraries, the weights and what the engine makes of them while
    loading, and the tensors between the layers. Not contained: Python, numpy, OpenCV and the
    input (all there before), or memory on a GPU. In 10^6 bytes.

    Raises:
        EdgecnnError: the process failed, for instance killed for want of memory.
    """
    answer = call(measure_bytes, str(path), backend, device, threads, batch, limit_s=_LIMIT_S)
    if answer.error:
        raise EdgecnnError(f"{path} on {backend}, alone in a process: {answer.error}")
    return float(answer.value) / 1e6


def measure_bytes(path: str, backend: str, device: str, threads: int, batch: int) -> int:
    """What loading and running adds to this process's memory at its peak; bytes."""
    import numpy as np

    from edgecnn.onnxfile import read_card
    from edgecnn.runtime.preprocess import preprocess
    from edgecnn.runtime.session import open_session

    frame = np.full((480, 640, 3), 127, np.uint8)
    tensor = preprocess([frame] * batch, read_card(path).preprocess)
    before = _status_bytes("VmRSS")
    session = open_session(path, backend, device, threads)
    for _ in range(RUNS):
        session(tensor)
    # Not ru_maxrss: in a child it starts at the parent's peak and can hide the network.
    return max(0, _status_bytes("VmHWM") - before)


def _status_bytes(key: str) -> int:
    """One of this process's own figures from Linux's /proc."""
    text = Path("/proc/self/status").read_text("ascii", errors="replace")
    found = re.search(rf"^{key}:\s*(\d+) kB$", text, re.MULTILINE)
    if found is None:
        raise EdgecnnError(f"this system's /proc/self/status does not state {key}.")
    return int(found[1]) * 1024
