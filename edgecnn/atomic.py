"""Write to a temporary name, then rename; stdlib only, shared by all three parts."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from edgecnn.errors import EdgecnnError


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes the final name in one step.

    Whatever goes wrong inside (an error, Ctrl-C, a full disk), `path` keeps its earlier
    content and the temporary file is removed. The suffix is kept: writers choose by it.

    Raises:
        EdgecnnError: the folder does not exist or cannot be written, the disk is full, or `path`
            is a folder or a device.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise EdgecnnError(f"{path}: the folder {path.parent} does not exist. Create it first.")
    if path.is_dir():
        raise EdgecnnError(f"{path} is a folder; expected a file name to write to.")
    # Renaming onto /dev/null would replace the device by a file, for everybody.
    if path.exists() and not path.is_file():
        raise EdgecnnError(f"{path} is a device or a pipe; expected a file name to write to.")
    # Named before it is made: mkstemp would leave its file where Ctrl-C strikes on its return.
    temporary = path.absolute().with_name(f".{path.stem}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        _make(temporary)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        # A closed pipe, or a file of another name, is somebody else's fault.
        if isinstance(error, BrokenPipeError) or str(error.filename or temporary) != str(temporary):
            raise
        raise EdgecnnError(f"cannot write {path}: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def _make(temporary: Path) -> None:
    try:
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise EdgecnnError(f"cannot write in {temporary.parent}: {error.strerror}.") from error
