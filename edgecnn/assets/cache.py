"""The folder of fetched files: what proves that they are whole, and who may write."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgecnn.assets.manifest import Asset, Source
from edgecnn.atomic import replacing
from edgecnn.cache import sha256_of
from edgecnn.errors import EdgecnnError
from edgecnn.progress import say


def place(root: Path, asset: Asset) -> Path:
    """Where the asset lies once fetched: a file, or a folder of files."""
    return root / asset.name / asset.file


def state(root: Path, asset: Asset) -> str:
    """What is wrong with the cached asset, as part of a sentence; empty when it is whole.

    Sizes and times are compared on every call; a file whose time changed is hashed again.
    """
    receipt = _read_receipt(root, asset)
    if receipt is None:
        return "it is not there"
    touched = False
    for name, known in receipt["files"].items():
        path = root / asset.name / name
        if not path.is_file():
            return f"{path} is missing"
        now = path.stat()
        if now.st_size != known["size"]:
            return f"{path} has {now.st_size} bytes; expected {known['size']}"
        if now.st_mtime_ns != known["mtime_ns"]:
            if sha256_of(path) != known["sha256"]:
                return f"{path} was changed"
            known["mtime_ns"] = now.st_mtime_ns
            touched = True
    if touched:
        # A cache that was copied somewhere read-only is hashed on every call, which is correct.
        with contextlib.suppress(EdgecnnError):
            _write_receipt(root, asset, receipt)
    return ""


def record(root: Path, asset: Asset, source: Source) -> None:
    """Note what was fetched, from where and under which licence, beside the files."""
    folder = root / asset.name
    files = {
        path.name: {
            "sha256": sha256_of(path),
            "size": path.stat().st_size,
            "mtime_ns": path.stat().st_mtime_ns,
        }
        for path in sorted(folder.iterdir())
    }
    receipt = {
        "asset": asset.name,
        "licence": asset.licence,
        "note": asset.note,
        "source": str(source),
        "source_sha256": source.sha256,
        "files": files,
    }
    _write_receipt(root, asset, receipt)


@contextlib.contextmanager
def locked(root: Path, name: str) -> Iterator[None]:
    """Hold the asset for this process; another one that wants it waits.

    Raises:
        EdgecnnError: the cache folder cannot be made or written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        file = (root / f".{name}.lock").open("w")
    except OSError as error:
        raise EdgecnnError(
            f"cannot write in the cache folder {root}: {error.strerror}. "
            "Set EDGECNN_CACHE to a folder that can be written."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Waiting for another process that is fetching {name}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _receipt(root: Path, asset: Asset) -> Path:
    return root / f"{asset.name}.receipt.json"


def _read_receipt(root: Path, asset: Asset) -> dict[str, Any] | None:
    try:
        receipt = json.loads(_receipt(root, asset).read_text("utf-8"))
        known = receipt["source_sha256"] in [source.sha256 for source in asset.sources]
        return receipt if known and receipt["files"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_receipt(root: Path, asset: Asset, receipt: dict[str, Any]) -> None:
    with replacing(_receipt(root, asset)) as temporary:
        temporary.write_text(json.dumps(receipt, indent=1, ensure_ascii=False) + "\n", "utf-8")
