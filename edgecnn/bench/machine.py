"""Where and with what something was measured, for tables that are kept."""

from __future__ import annotations

import datetime
import platform
from importlib.metadata import distributions
from pathlib import Path

from edgecnn import __version__
from edgecnn.atomic import replacing
from edgecnn.doctor import cpu

_NAMED = ("onnxruntime", "openvino", "tensorrt", "opencv", "numpy", "torch")


def machine() -> dict[str, str]:
    """Date, processor, Python and the versions of what takes part in a measurement."""
    found = {d.name: d.version for d in distributions() if d.name.lower().startswith(_NAMED)}
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": cpu.check()[0].message,
        "edgecnn": __version__,
        "python": platform.python_version(),
        **dict(sorted(found.items())),
    }


def write_page(
    path: Path,
    title: str,
    command: str,
    columns: tuple[str, ...],
    rows: list[tuple[str, ...]],
    remarks: str = "",
) -> None:
    """A Markdown page with one table, and everything needed to print it again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    where = machine()
    versions = ", ".join(
        f"{name} {text}" for name, text in where.items() if name not in ("date", "cpu")
    )
    lines = [
        f"# {title}", "",
        f"Measured on {where['date']} on: {where['cpu']}. {versions}.", "",
        "Printed by:", "", "```console", f"$ {command}", "```", "",
        _row(columns), _row(("---",) * len(columns)), *map(_row, rows), "",
    ]  # fmt: skip
    if remarks:
        lines += [remarks.strip(), ""]
    with replacing(path) as temporary:
        temporary.write_text("\n".join(lines), "utf-8")


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"
