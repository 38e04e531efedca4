"""What this machine can run, what is wrong with it and what to type; changes nothing.

One check a file: every module in this folder whose name has no leading underscore offers
`check() -> list[Finding]`. A new check is a new file. Checks import nothing heavy: what may
crash, hang or take long runs in a process of its own (`_child`).
"""

from __future__ import annotations

import pkgutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

Status = Literal["ok", "warn", "fault", "absent"]


@dataclass(frozen=True)
class Finding:
    """One thing found out about this machine.

    topic: what it is about, a few words.
    status: "ok"; "absent": optional and not here; "warn": something installed does not come
        up, yet networks run; "fault": networks cannot run, or an installation is broken.
    message: one line, what was found.
    remedy: what to type or do, empty where nothing is to be done.
    """

    topic: str
    status: Status
    message: str
    remedy: str = ""


def examine() -> list[Finding]:
    """Run every check, side by side, and return their findings in the order of the file names.

    A check that raises becomes a Finding with status "fault" that names the exception.
    """
    names = check_names()
    # Four at a time: each may load an engine, and a small board has little memory.
    with ThreadPoolExecutor(max_workers=4) as pool:
        return [finding for findings in pool.map(_run, names) for finding in findings]


def check_names() -> list[str]:
    """The names of the checks: the public modules of this folder, sorted."""
    modules = pkgutil.iter_modules(__path__)
    return sorted(module.name for module in modules if not module.name.startswith("_"))


def healthy(findings: list[Finding]) -> bool:
    """Whether the main job can run: no finding is a fault."""
    return all(finding.status != "fault" for finding in findings)


def _run(name: str) -> list[Finding]:
    try:
        findings: list[Finding] = import_module(f"edgecnn.doctor.{name}").check()
    except Exception as error:  # noqa: BLE001 - the machine is sick in a way nobody foresaw; say so
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        return [
            Finding(name, "fault", f"this check failed itself: {cause}", "Please report this line.")
        ]
    return findings
