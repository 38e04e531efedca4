"""Sessions: one loaded network on one engine and one device, whatever the engine."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Protocol

import numpy as np

from edgecnn.card import Card, CardError
from edgecnn.errors import EdgecnnError, UsageError, one_of
from edgecnn.onnxfile import existing_file, read_card
from edgecnn.runtime import backends

_NUMBERS = ("float16", "float32", "float64", "int8", "uint8", "int32", "int64")


@dataclass(frozen=True)
class TensorSpec:
    """Name, shape (None where it is free) and numpy dtype name of a network's input or output."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


class Session(Protocol):
    """A loaded network.

    Calling it takes the batch (or {input name: array}) and gives the outputs in order.
    """

    card: Card
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    backend: str
    device: str

    def __call__(self, batch: Mapping[str, np.ndarray] | np.ndarray) -> list[np.ndarray]: ...

    def close(self) -> None: ...


def list_backends() -> list[str]:
    """Names of the backends: the files in runtime/backends, and entry points "edgecnn.backends"."""
    own = [module.name for module in iter_modules(backends.__path__)]
    return sorted({*own, *(e.name for e in entry_points(group="edgecnn.backends"))})


def backend_module(name: str) -> ModuleType:
    """The module behind a backend's name.

    Raises:
        UsageError: no such backend.
        EdgecnnError: its engine is not installed.
    """
    plugins = {e.name: e for e in entry_points(group="edgecnn.backends")}
    if name not in list_backends():
        raise one_of("backend", name, list_backends())
    remedy = ""
    try:
        module: ModuleType = (
            plugins[name].load()
            if name in plugins
            else import_module(f"edgecnn.runtime.backends.{name}")
        )
        remedy = module.REMEDY
        module.check_installed()
    except ImportError as error:
        raise EdgecnnError(f"backend {name!r} cannot be used: {error}. {remedy}".strip()) from error
    return module


def open_session(
    path: str | os.PathLike[str],
    backend: str = "onnxruntime",
    device: str = "cpu",
    threads: int = 0,
) -> Session:
    """Load a network file on an engine and a device, exactly as asked.

    threads: CPU threads of one inference; 0 lets the engine choose.

    Raises:
        EdgecnnError: the file cannot be read, carries no card, does not fit its card, or the
            device did not come up. There is no silent fallback to another device.
        UsageError: no such backend or device, or an impossible number of threads.
    """
    path = existing_file(path)
    most = max(64, os.cpu_count() or 1)
    if not 0 <= threads <= most:
        raise UsageError(f"threads is {threads}; expected 0 (the engine chooses) to {most}.")
    if backend == "auto":
        from edgecnn.runtime.autotune import fastest_backend

        backend = fastest_backend(path, device, threads)
    module = backend_module(backend)
    if path.suffix.lower() not in module.SUFFIXES:
        raise EdgecnnError(
            f"{path}: backend {backend!r} reads {', '.join(module.SUFFIXES)} files, "
            f"got {path.suffix or 'no suffix'}."
        )
    session: Session = module.open_session(path, read_card(path), device, threads)
    try:
        check_fit(session, path)
    except CardError:
        session.close()
        raise
    return session


def check_fit(session: Session, path: Path) -> None:
    """Refuse a network whose graph and Card contradict each other.

    Raises:
        CardError: the input is no image batch, its size, channels, dtype or number of classes
            differ from the card's, or there is no output of numbers.
    """
    card, how = session.card, session.card.preprocess
    if len(session.inputs) != 1:
        names = ", ".join(spec.name for spec in session.inputs)
        raise CardError(
            f"{path} has {len(session.inputs)} inputs ({names}); expected one image batch."
        )
    given = session.inputs[0]
    channels_last = how.layout == "nhwc"
    wanted = (*how.size, how.channels) if channels_last else (how.channels, *how.size)
    shape = "N×" + "×".join(map(str, wanted))
    if len(given.shape) != 4:
        raise CardError(
            f"{path} is no image network: its input {given.name!r} has shape "
            f"{_shape(given.shape)}; the card says {shape}."
        )
    if any(g is not None and g != w for g, w in zip(given.shape[1:], wanted, strict=True)):
        raise CardError(
            f"{path}: the graph's input is {_shape(given.shape)}, its card says {shape}. "
            "Export it again, or correct the card."
        )
    if given.dtype != how.dtype:
        raise CardError(f"{path}: the graph's input is {given.dtype}, its card says {how.dtype}.")
    if not session.outputs or session.outputs[0].dtype not in _NUMBERS:
        kinds = ", ".join(spec.dtype for spec in session.outputs) or "nothing"
        raise CardError(f"{path}: the graph gives {kinds}; expected numbers.")
    sides = [side for side in session.outputs[0].shape[1:] if side is not None]
    known = sides and len(sides) == len(session.outputs[0].shape) - 1
    if card.task == "classify" and known and math.prod(sides) != len(card.labels):
        raise CardError(
            f"{path}: the graph has {math.prod(sides)} classes, its card has "
            f"{len(card.labels)} labels."
        )


def one_input(
    batch: Mapping[str, np.ndarray] | np.ndarray, specs: tuple[TensorSpec, ...]
) -> dict[str, np.ndarray]:
    """`batch` as {input name: array}, checked against the network's inputs.

    Raises:
        EdgecnnError: unknown names, or a shape or dtype that does not fit.
    """
    feed = dict(batch) if isinstance(batch, Mapping) else {specs[0].name: batch}
    if set(feed) != {spec.name for spec in specs}:
        raise EdgecnnError(
            f"got inputs {sorted(feed)}; expected {sorted(spec.name for spec in specs)}."
        )
    for spec in specs:
        array = feed[spec.name]
        fits = len(array.shape) == len(spec.shape) and all(
            want is None or got == want for got, want in zip(array.shape, spec.shape, strict=True)
        )
        if not fits or array.dtype != spec.dtype:
            raise EdgecnnError(
                f"input {spec.name!r} is {array.dtype} {_shape(array.shape)}; "
                f"expected {spec.dtype} {_shape(spec.shape)}."
            )
    return feed


def _shape(shape: tuple[int | None, ...]) -> str:
    return "×".join("N" if side is None else str(side) for side in shape) or "scalar"
