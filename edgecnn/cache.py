"""Where fetched and remembered things lie, and what identifies a file; stdlib only, shared."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def cache_folder() -> Path:
    """$EDGECNN_CACHE, else ~/.cache/edgecnn; it need not exist."""
    named = os.environ.get("EDGECNN_CACHE")
    return Path(named).expanduser().absolute() if named else Path.home() / ".cache" / "edgecnn"


def sha256_of(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's content, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
