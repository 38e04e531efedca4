"""The processor: model, usable cores, and the instructions that decide the speed of int8."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable
from pathlib import Path

from edgecnn.doctor import Finding

# Instruction sets worth naming, with the kernel's flag for each.
_X86 = {
    "AVX2": "avx2",
    "AVX-512": "avx512f",
    "VNNI": "avx512_vnni",
    "AVX-VNNI": "avx_vnni",
    "AMX": "amx_int8",
}
_ARM = {"NEON": "asimd", "fp16": "asimdhp", "dot product": "asimddp", "i8mm": "i8mm", "SVE": "sve"}
_FAST_INT8 = {"VNNI", "AVX-VNNI", "AMX", "dot product", "i8mm"}


def check(
    root: Path = Path("/"), machine: str = "", cores: Callable[[], int] | None = None
) -> list[Finding]:
    """Read /proc/cpuinfo and the container's limits; all arguments are for tests."""
    machine = machine or platform.machine()
    text = _read(root / "proc/cpuinfo")
    sets = instruction_sets(text, machine)
    allowed = cores() if cores else len(os.sched_getaffinity(0))
    quota = container_cores(root)
    count = f"{allowed} cores" if allowed != 1 else "1 core"
    if quota is not None and quota < allowed:
        count += f", limited to {quota:g} by this container"
    listed = ", ".join(sets) or "no vector instructions known here"
    message = f"{_model(text, root) or machine}, {count}, {listed}"
    if machine == "x86_64" and text and "AVX2" not in sets:
        remedy = "Prefer small networks; measure with edgecnn bench."
        return [Finding("CPU", "warn", f"{message}: no AVX2, networks run slowly", remedy)]
    return [Finding("CPU", "ok", message), _int8(sets)]


def instruction_sets(cpuinfo: str, machine: str) -> list[str]:
    """The instruction sets in /proc/cpuinfo's text that matter to networks."""
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", cpuinfo, re.MULTILINE)
    flags = set(found[1].split()) if found else set()
    known = _X86 if machine == "x86_64" else _ARM
    return [name for name, flag in known.items() if flag in flags]


def container_cores(root: Path = Path("/")) -> float | None:
    """How many cores' worth of time this container may use; None without a limit."""
    words = _read(root / "sys/fs/cgroup/cpu.max").split()
    if len(words) != 2 or words[0] == "max":
        return None
    return int(words[0]) / int(words[1])


def _int8(sets: list[str]) -> Finding:
    fast = [name for name in sets if name in _FAST_INT8]
    if fast:
        return Finding("CPU int8", "ok", f"{fast[0]}: int8 networks run fast")
    message = "no int8 dot products: int8 networks are smaller, hardly faster"
    return Finding("CPU int8", "absent", message)


def _model(cpuinfo: str, root: Path) -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    # Arm boards say in the device tree what they are, and nothing in cpuinfo.
    return found[1].strip() if found else _read(root / "proc/device-tree/model").rstrip("\0")


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
