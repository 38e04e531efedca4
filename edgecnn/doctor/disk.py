"""Disk: free space, and whether downloaded weights can be kept."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from edgecnn.cache import cache_folder
from edgecnn.doctor import Finding

_SCARCE_BYTES = 2 * 10**9


def check(work: Path | None = None, cache: Path | None = None) -> list[Finding]:
    """Free space here and in the cache folder, which is not created; arguments are for tests."""
    cache = cache or cache_folder()
    findings = [_space("disk", work or Path.cwd())]
    base = _existing(cache)
    if not base.is_dir() or not os.access(base, os.W_OK | os.X_OK):
        remedy = "export EDGECNN_CACHE=/a/folder/you/own"
        findings.append(Finding("cache", "warn", f"{cache} cannot be written", remedy))
    else:
        findings.append(_space("cache", cache))
    return findings


def _space(topic: str, folder: Path) -> Finding:
    free_bytes = shutil.disk_usage(_existing(folder)).free
    message = f"{free_bytes / 1e9:.1f} GB free in {folder}"
    if free_bytes < _SCARCE_BYTES:
        remedy = "Free some space: training and a full installation need 2 GB and more."
        return Finding(topic, "warn", message, remedy)
    return Finding(topic, "ok", message)


def _existing(folder: Path) -> Path:
    # os.access, since Path.exists raises where a parent may not be entered.
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if os.access(place, os.F_OK))
