"""Tasks, one a file; the Card names it. Each has decode(outputs, card), draw(frame, result)."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from types import ModuleType

from edgecnn.errors import one_of


def list_tasks() -> list[str]:
    """Names of the tasks: every module in this folder, and entry points "edgecnn.tasks"."""
    own = [module.name for module in iter_modules(__path__)]
    return sorted({*own, *(e.name for e in entry_points(group="edgecnn.tasks"))})


def task_module(name: str) -> ModuleType:
    """The module behind a task's name.

    Raises:
        UsageError: no such task.
    """
    for entry in entry_points(group="edgecnn.tasks"):
        if entry.name == name:
            plugin: ModuleType = entry.load()
            return plugin
    if name not in list_tasks():
        raise one_of("task", name, list_tasks())
    return import_module(f"edgecnn.runtime.tasks.{name}")
