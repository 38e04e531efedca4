"""Fetch one published file: streamed, resumed where the server allows it, checked by SHA-256."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from edgecnn.assets.manifest import Url
from edgecnn.cache import sha256_of
from edgecnn.errors import EdgecnnError
from edgecnn.progress import Bar, bar

# Short, because the package source stands behind it: a firewall that swallows packets must not
# make the user wait for long.
TIMEOUT_S = 8.0
_ATTEMPTS = 5
_CHUNK = 1 << 16


def download(source: Url, partial: Path) -> Path:
    """Fetch `source` into `partial`, going on where an earlier, interrupted call stopped.

    Raises:
        EdgecnnError: not reachable, refused by the server, broken off without any progress, or
            wrong bytes (then `partial` is deleted; otherwise it stays, to be resumed).
    """
    name = PurePosixPath(urlsplit(source.url).path).name
    with bar(f"Fetching {name}", source.size, unit="bytes") as shown:
        resumed = _complete(source, partial, shown)
        if sha256_of(partial) == source.sha256:
            return partial
        partial.unlink()
        if resumed:
            # The old part may be what was wrong: once more from the start.
            shown.advance(-source.size)
            _complete(source, partial, shown)
            if sha256_of(partial) == source.sha256:
                return partial
            partial.unlink()
    raise EdgecnnError(f"{source.url} served wrong bytes (SHA-256 differs); they were deleted.")


def _complete(source: Url, partial: Path, shown: Bar) -> bool:
    """Receive until `partial` has its full size; True when an earlier part was built upon."""
    at_start = _size(partial)
    shown.advance(at_start)
    resumed = at_start > 0
    for attempt in range(_ATTEMPTS):
        before = _size(partial)
        try:
            _receive(source, partial, shown)
            why = f"broke off after {_size(partial)} of {source.size} bytes"
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != 416 or not before:
                raise EdgecnnError(f"{source.url} answered {error.code} {error.reason}.") from error
            _restart(partial, shown)
            continue
        except urllib.error.URLError as error:
            why = f"cannot be reached ({error.reason})"
        except (OSError, http.client.HTTPException) as error:
            why = f"broke off ({error or type(error).__name__})"
        if _size(partial) >= source.size:
            return resumed
        # 0 after an earlier part: the server could not continue it, so it was thrown away.
        thrown_away = before > 0 and _size(partial) == 0
        if _size(partial) <= before and not thrown_away:
            break
        resumed = True
        time.sleep(0.2 * 2**attempt)
    raise EdgecnnError(f"{source.url} {why}.")


def _receive(source: Url, partial: Path, shown: Bar) -> None:
    have = _size(partial)
    if have >= source.size:
        return
    request = urllib.request.Request(
        source.url, headers={"User-Agent": "edgecnn", "Accept-Encoding": "identity"}
    )
    if urlsplit(source.url).scheme not in ("http", "https"):
        raise EdgecnnError(f"{source.url}: only http and https addresses are fetched.")
    if have:
        request.add_header("Range", f"bytes={have}-")
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        continues = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if have and not (response.status == 206 and continues):
            _restart(partial, shown)
            have = 0
            if response.status == 206:
                return
        while have < source.size:
            # read1 hands over what has arrived; read would lose it when the server falls silent.
            chunk = response.read1(min(_CHUNK, source.size - have))
            if not chunk:
                return
            _append(partial, chunk)
            shown.advance(len(chunk))
            have += len(chunk)


def _append(partial: Path, chunk: bytes) -> None:
    try:
        with partial.open("ab") as out:
            out.write(chunk)
    except OSError as error:
        raise EdgecnnError(f"cannot write {partial}: {error.strerror}.") from error


def _restart(partial: Path, shown: Bar) -> None:
    shown.advance(-_size(partial))
    partial.unlink()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
