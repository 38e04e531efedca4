"""Take named files out of a zip, wheel or tar, trusting nothing the archive says about itself."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from edgecnn.errors import EdgecnnError

LIMIT_BYTES = 2 * 2**30
LIMIT_MEMBERS = 100_000
# RuntimeError is what zipfile raises for an encrypted member or an unknown compression.
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    RuntimeError,
)


@dataclass(frozen=True)
class _Entry:
    name: str
    size: int
    regular: bool
    open: Callable[[], IO[bytes] | None]


def unpack(archive: Path, members: str | Sequence[str], folder: Path) -> list[Path]:
    """Write the wanted members into `folder` under their base names, sorted.

    Args:
        archive: a .zip, .whl or .tar(.gz, .bz2, .xz) file; recognised by content.
        members: paths or globs, matched from the right: "data/*.png" finds "pkg-1.0/data/a.png".

    Raises:
        EdgecnnError: no such member, two wanted ones of one base name, a link or device among
            them, any member whose path leads outside, more than `LIMIT_BYTES` or
            `LIMIT_MEMBERS` in all, or a damaged archive. What was written so far stays: the
            caller owns `folder`.
    """
    patterns = [members] if isinstance(members, str) else list(members)
    written: dict[str, Path] = {}
    met: set[str] = set()
    try:
        with _entries(archive) as entries:
            for entry, path in _checked(archive, entries):
                wanted = [pattern for pattern in patterns if path.match(pattern)]
                if not wanted or entry.name.endswith("/"):
                    continue
                if path.name in written:
                    raise _refused(archive, f"it holds {path.name!r} twice")
                written[path.name] = folder / path.name
                _copy(archive, entry, written[path.name])
                met.update(wanted)
    except _DAMAGE as error:
        raise EdgecnnError(f"{archive.name} is damaged: {error}. Fetch it again.") from error
    missing = [pattern for pattern in patterns if pattern not in met]
    if missing:
        raise EdgecnnError(f"{archive.name} holds no {missing[0]!r}; another version was expected.")
    return [written[name] for name in sorted(written)]


def _checked(archive: Path, entries: Iterator[_Entry]) -> Iterator[tuple[_Entry, PurePosixPath]]:
    total = 0
    for count, entry in enumerate(entries, 1):
        total += entry.size
        if total > LIMIT_BYTES:
            raise _refused(archive, f"it unpacks to more than {LIMIT_BYTES >> 20} MiB")
        if count > LIMIT_MEMBERS:
            raise _refused(archive, f"it holds more than {LIMIT_MEMBERS} files")
        yield entry, _safe(archive, entry.name)


@contextmanager
def _entries(archive: Path) -> Iterator[Iterator[_Entry]]:
    # Tar first: a tar whose last member is a zip also looks like a zip.
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            yield (_tar_entry(tar, info) for info in tar)
    elif zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            yield (_zip_entry(zipped, info) for info in zipped.infolist())
    else:
        raise EdgecnnError(f"{archive.name} is neither a zip nor a tar archive. Fetch it again.")


def _zip_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Entry:
    # Unix keeps a zip member's file type in the upper half; 0 means that none was recorded.
    kind = info.external_attr >> 28
    return _Entry(info.filename, info.file_size, kind in (0, 0o10), lambda: archive.open(info))


def _tar_entry(archive: tarfile.TarFile, info: tarfile.TarInfo) -> _Entry:
    return _Entry(info.name, info.size, info.isreg(), lambda: archive.extractfile(info))


def _safe(archive: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise _refused(archive, f"its member {name!r} leads outside")
    return path


def _copy(archive: Path, entry: _Entry, target: Path) -> None:
    source = entry.open() if entry.regular else None
    if source is None:
        raise _refused(archive, f"its member {entry.name!r} is no plain file")
    # Both readers stop at the stated size, which is what the limit counts.
    with source, target.open("xb") as out:
        shutil.copyfileobj(source, out, 1 << 20)
    if target.stat().st_size != entry.size:
        raise _refused(archive, f"its member {entry.name!r} is shorter than it states")


def _refused(archive: Path, why: str) -> EdgecnnError:
    return EdgecnnError(f"{archive.name} is refused: {why}.")
