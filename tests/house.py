"""Where the project's modules lie; used by the tests that look at the house as a whole."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"edgecnn": ROOT / "edgecnn", "edgecnn.export": ROOT / "export",
           "edgecnn.runtime": ROOT / "runtime"}  # fmt: skip


@dataclass(frozen=True)
class Import:
    """`import module` somewhere in a file; `lazy` when inside a function."""

    module: str
    line: int
    lazy: bool
    relative: bool


def modules() -> dict[str, Path]:
    """Dotted name → file, of every module of the project, found on disk."""
    found = {}
    for prefix, folder in FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join([prefix, *parts]).removesuffix(".__init__")
            found[name] = path
    return found


def packages() -> set[str]:
    """Dotted names of the folders that hold an __init__.py."""
    return {name for name, path in modules().items() if path.name == "__init__.py"}


def imports(path: Path) -> Iterator[Import]:
    """Every import statement of a file; `from a import b` gives both a and a.b."""
    yield from _imports(ast.parse(path.read_text("utf-8")), lazy=False)


def _imports(node: ast.AST, lazy: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, lazy, False)
        elif isinstance(child, ast.ImportFrom):
            module = child.module or ""
            yield Import(module, child.lineno, lazy, child.level > 0)
            for alias in child.names:
                yield Import(f"{module}.{alias.name}", child.lineno, lazy, child.level > 0)
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _imports(child, lazy or inside)
