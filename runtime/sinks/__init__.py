"""Where results go: one sink a file; the URI's scheme or the file's suffix picks it."""

from __future__ import annotations

import os
import pkgutil
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np

from edgecnn.errors import EdgecnnError, UsageError, one_of
from edgecnn.runtime.results import Result
from edgecnn.runtime.sources import Frame

Draw = Callable[[Frame, Result], np.ndarray]

_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_ALIASES = {"json": "jsonl"}


class Sink(Protocol):
    """Takes each frame with its result; used by `with`, so that a failure leaves no half file."""

    def write(self, frame: Frame, result: Result) -> None:
        """Take one frame and its result."""

    def close(self) -> None:
        """Finish: only now does a file take its name."""

    def discard(self) -> None:
        """Give up: an earlier file of that name stays as it was."""

    def __enter__(self) -> Sink:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.discard()


def open_sink(
    uri: str | os.PathLike[str], *, draw: Draw | None = None, fps: float | None = None
) -> Sink:
    """The sink for a URI: `out.mp4`, `out.webm`, `out/`, `out.png`, `out.jsonl`, `out.txt`, `-`.

    `-` is JSON lines on stdout, `text://` plain text there; `scheme://path` names the sink
    where the suffix does not.

    draw: (frame, result) → picture H×W×3 BGR uint8, for videos and pictures; without it the
        frame is written as it is.
    fps: frames per second of a video; 25 if not given.

    Raises:
        UsageError: unknown scheme or suffix, impossible fps.
        EdgecnnError: the place cannot be written.
    """
    text = os.fspath(uri)
    scheme, path = _place(text)
    if fps is not None and not 0 < fps <= 1000:
        raise UsageError(f"fps is {fps}; expected more than 0, up to 1000.")
    sink: Sink = import_module(f"{__name__}.{scheme}").open_sink(path, draw=draw, fps=fps)
    return sink


def list_sinks() -> dict[str, tuple[str, ...]]:
    """Each sink's name with the suffixes that pick it."""
    modules = {name: import_module(f"{__name__}.{name}") for name in _names()}
    return {name: getattr(module, "SUFFIXES", ()) for name, module in modules.items()}


def picture_of(frame: Frame, result: Result, draw: Draw | None) -> np.ndarray:
    """What a video or picture sink is to show: H×W×3 BGR uint8.

    Raises:
        EdgecnnError: `draw` gave something else.
    """
    picture = np.asarray(draw(frame, result) if draw else frame)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise EdgecnnError(
            f"draw gave {picture.dtype} of shape {picture.shape}; expected uint8, H×W×3."
        )
    return np.ascontiguousarray(picture)


def refuse_source(path: Path, frame: Frame) -> None:
    """Raise an EdgecnnError if writing `path` would replace the file that is being read."""
    if path.exists() and Path(frame.source).exists() and path.samefile(frame.source):
        raise EdgecnnError(f"{path} is the source itself; name another file to write to.")


def _place(text: str) -> tuple[str, str]:
    """The sink's name and the path it is to write."""
    parts = _URI.fullmatch(text)
    if parts:
        scheme = _ALIASES.get(parts[1].lower(), parts[1].lower())
        if scheme not in _names():
            raise one_of("sink", scheme, _names())
        return scheme, parts[2]
    if text == "-":
        return "jsonl", text
    if text.endswith(("/", os.sep)) or Path(text).is_dir():
        return "pictures", text
    suffix = Path(text).suffix.lower()
    known = {s: name for name, suffixes in list_sinks().items() for s in suffixes}
    if suffix not in known:
        raise UsageError(
            f"no sink for {text!r}; end it in {', '.join(sorted(known))}, in / for a folder of "
            f"pictures, or name one of {', '.join(f'{name}://' for name in _names())}."
        )
    return known[suffix], text


def _names() -> list[str]:
    return [m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")]
