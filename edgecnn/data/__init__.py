"""Data sets by name or folder: `open_dataset("mnist")`. A new source is one file beside this one.

A source file states `NAME` and defines `load(split: str) -> Dataset`; split is "train" or "test".
"""

from __future__ import annotations

import os
import pkgutil
from importlib import import_module
from pathlib import Path
from types import ModuleType

from edgecnn.data.dataset import Dataset
from edgecnn.errors import UsageError, one_of

__all__ = ["Dataset", "list_datasets", "open_dataset"]


def list_datasets() -> list[str]:
    """The names that `open_dataset` knows, sorted."""
    return sorted(_sources())


def open_dataset(spec: str | os.PathLike[str], split: str = "test") -> Dataset:
    """A named data set (fetched where it is not there yet) or a folder of pictures.

    Args:
        spec: a name of `list_datasets()`, or a folder: with one subfolder per class it is
            labelled, with pictures only it is not; it may also hold `train` and `test` folders.
        split: "train" or "test". A folder that is not divided is all "test".

    Raises:
        UsageError: no such name or folder, or no such split.
        EdgecnnError: it cannot be fetched or read, or it holds no picture.
    """
    if split not in ("train", "test"):
        raise one_of("split", split, ["train", "test"])
    sources = _sources()
    if isinstance(spec, str) and spec in sources:
        dataset: Dataset = sources[spec].load(split)
        return dataset
    path = Path(spec)
    if path.is_dir():
        from edgecnn.data.folder import open_folder

        return open_folder(path, split)
    if path.is_file():
        raise UsageError(f"{path} is a file; expected a folder of pictures or a data set's name.")
    raise one_of("folder or data set", str(spec), list(sources))


def _sources() -> dict[str, ModuleType]:
    modules = [
        import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)
    ]
    return {module.NAME: module for module in modules if hasattr(module, "NAME")}
