"""The demo's numbers become one self-contained HTML page, and a JSON file beside it."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import verbs
from chart import latency_svg
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from measure import AVERAGE

from edgecnn.atomic import replacing
from edgecnn.cli.show import percent

WHAT = {
    "demo.html": "the page",
    "demo.json": "every number on the page",
    "cockatoo.mp4": "the video with the answers drawn in",
    "cockatoo.webm": "the same, small, for browsers",
    "lenet5.pt": "LeNet-5's weights after one epoch, with their card",
    "photos": "the photos with the answers drawn in",
    "digits": "handwritten digits that LeNet-5 was asked about",
}


def write_page(story: dict[str, Any], out: Path, seconds: float) -> Path:
    """Write demo.html and demo.json into `out`; returns the page's path."""
    facts = {
        **story,
        "average": AVERAGE,
        "seconds": seconds,
        "date": datetime.date.today().isoformat(),
        "commands": verbs.typed,
        "out": str(out),
        "files": [(Path(path).name, *rest) for path, *rest in list_files(out)],
    }
    env = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["percent"] = percent
    html = env.get_template("demo.html.j2").render(
        **facts, chart=latency_svg(story["bench"]["speed"], story["title"])
    )
    _write(out / "demo.json", json.dumps(without_pictures(facts), indent=1, ensure_ascii=False))
    _write(out / "demo.html", html)
    return out / "demo.html"


def without_pictures(value: Any) -> Any:
    """The same lists and dicts without what is a data URI: numbers and names only."""
    if isinstance(value, dict):
        kept = {key: without_pictures(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if not _is_picture(item)}
    return [without_pictures(item) for item in value] if isinstance(value, list | tuple) else value


def list_files(out: Path) -> list[tuple[str, str, str]]:
    """(name, size, what it is) of everything in `out` that the demo writes."""
    rows = []
    for path in sorted(out.iterdir()):
        files = [path] if path.is_file() else list(path.rglob("*.*"))
        size = sum(file.stat().st_size for file in files) / 1e6
        what = WHAT.get(path.name) or _model_kind(path)
        if what:
            rows.append((f"{path.name}/" if path.is_dir() else path.name, f"{size:.1f}", what))
    return rows


def _model_kind(path: Path) -> str:
    if path.suffix != ".onnx":
        return ""
    return "int8 network for CPUs" if ".int8" in path.suffixes else "fp32 network"


def _is_picture(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("data:")


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")
