"""The latencies of one run as a picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.atomic import replacing
from edgecnn.bench.candidates import Row
from edgecnn.errors import EdgecnnError, UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
_COLOURS = ("#2f6f9f", "#d9822b", "#3d8b57", "#a44a6a", "#6f5fa8", "#7a6a4f")


def check_chart(path: str | os.PathLike[str]) -> None:
    """Find out before measuring whether the chart can be drawn.

    Raises:
        UsageError: a suffix that is no picture's.
        EdgecnnError: matplotlib is not installed.
    """
    if Path(path).suffix not in SUFFIXES:
        raise UsageError(f"{path}: cannot draw a chart there; expected {', '.join(SUFFIXES)}.")
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise EdgecnnError(
            'a chart needs matplotlib, which is not installed. Type: pip install "edgecnn[report]"'
        ) from error


def save_chart(rows: Sequence[Row], path: str | os.PathLike[str]) -> None:
    """Write the chart; its kind follows the suffix: .png, .svg or .pdf. Raises as check_chart."""
    check_chart(path)
    figure = latency_figure(rows)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150)


def latency_figure(rows: Sequence[Row]) -> Figure:
    """One bar a row: p50, and how far p90 and p99 lie from it; the engine gives the colour."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1.5 + 0.62 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    engines = list(dict.fromkeys(row.backend for row in rows))
    # Beyond this, one hiccup of the machine would shrink everything else.
    end = 1.35 * max(row.percentile_ms(90) for row in rows)
    for y, row in enumerate(rows):
        p50, p90, p99 = (row.percentile_ms(p) for p in (50, 90, 99))
        colour = _COLOURS[engines.index(row.backend) % len(_COLOURS)]
        axes.barh(y, p50, 0.56, color=colour, label=row.backend)
        axes.plot([p50, min(p99, end)], [y, y], color="#333333", linewidth=1.2, zorder=3)
        axes.plot(p90, y, "|", color="#333333", markersize=13, markeredgewidth=1.6, zorder=4)
        if p99 <= end:
            axes.plot(p99, y, "o", color="#333333", markersize=4.5, zorder=4)
        else:
            axes.plot(end, y, ">", color="#333333", markersize=5, zorder=4, clip_on=False)
        text = f"{p50:.3g} ms" if y == 0 else f"{p50:.3g} ms, {row.speed.median:.2f}× as fast"
        axes.annotate(text, (min(p99, end), y), (10, 0), textcoords="offset points", va="center",
                      fontsize=9, annotation_clip=False)  # fmt: skip
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, end * 1.3)
    axes.set_xlabel("milliseconds for one batch:  bar p50,  | p90,  ● p99")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    first = rows[0]
    rounds = len(first.latencies_ms)
    title = f"Latency, {first.device}, batch {first.batch}, {rounds} rounds, interleaved"
    axes.set_title(title, loc="left", fontsize=11)
    if len(engines) > 1:
        handles, labels = axes.get_legend_handles_labels()
        shown = dict(zip(labels, handles, strict=True))
        axes.legend(shown.values(), shown.keys(), loc="lower right", frameon=True, fontsize=9)
    return figure
