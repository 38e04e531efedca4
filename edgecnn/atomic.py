"""Write to a temporary name, then rename; stdlib only, shared by all three parts."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgecnn.errors import EdgecnnError


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes the final name in one step.

    Whatever goes wrong inside (an error, Ctrl-C, a full disk), `path` keeps its earlier
    content and the temporary file is removed. The suffix is kept: writers choose by it.

    Raises:
        EdgecnnError: the folder does not exist or cannot be written, or the disk is full.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise EdgecnnError(f"{path}: the folder {path.parent} does not exist. Create it first.")
    if path.is_dir():
        raise EdgecnnError(f"{path} is a folder; expected a file name to write to.")
    try:
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}.", suffix=f".part{path.suffix}", dir=path.parent
        )
    except OSError as error:
        raise EdgecnnError(f"cannot write in {path.parent}: {error.strerror}.") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes a private file; the result follows the user's umask.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        raise EdgecnnError(f"cannot write {path}: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)
