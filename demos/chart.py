"""The latency chart as SVG that follows the page's colours, light or dark."""

from __future__ import annotations

import io
from typing import Any

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure

# Stand-ins, each replaced by the page's CSS in the finished SVG.
_TEXT, _FP32, _INT8, _LINE = "#010101", "#020202", "#030303", "#040404"
_CSS = {_TEXT: "currentColor", _FP32: "var(--fp32)", _INT8: "var(--int8)", _LINE: "var(--line)"}
_STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "demo", "text.color": _TEXT,
    "axes.labelcolor": _TEXT, "xtick.color": _TEXT, "ytick.color": _TEXT, "axes.edgecolor": _LINE,
}  # fmt: skip


def latency_svg(speed: dict[str, Any], titles: dict[str, str]) -> Markup:
    """A pair of bars for each network: median latency, with a mark at the 90th percentile."""
    with rc_context(_STYLE):
        return _svg(_figure(speed, titles))


def _figure(speed: dict[str, Any], titles: dict[str, str]) -> Figure:
    figure = Figure(figsize=(4.8, 0.5 + 0.8 * len(speed)), layout="constrained")
    axes = figure.add_subplot()
    for y, name in enumerate(speed):
        for form, offset, colour in (("fp32", -0.19, _FP32), ("int8", 0.19, _INT8)):
            row = speed[name][form]
            axes.barh(y + offset, row["p50_ms"], 0.34, color=colour)
            axes.plot([row["p50_ms"], row["p90_ms"]], [y + offset] * 2, color=_TEXT, linewidth=1)
            axes.plot(row["p90_ms"], y + offset, "|", color=_TEXT, markersize=7)
            axes.annotate(f"{form}  {row['p50_ms']:.1f} ms", (row["p90_ms"], y + offset), (6, 0),
                          textcoords="offset points", va="center", fontsize=10)  # fmt: skip
    axes.set_yticks(range(len(speed)), [titles[name].replace("-", "-\n") for name in speed])
    axes.invert_yaxis()
    axes.margins(x=0.22)
    axes.set_xlim(left=0)
    axes.set_xlabel("milliseconds a picture: bar p50, mark p90", fontsize=10)
    axes.tick_params(length=0, labelsize=10)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.grid(axis="x", color=_LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    return figure


def _svg(figure: Figure) -> Markup:
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    text = drawn.getvalue()
    # Inside a page an SVG needs neither the XML head nor a DTD's address.
    text = text[text.index("<svg") :]
    for stand_in, css in _CSS.items():
        text = text.replace(stand_in, css)
    # Numbers and titles of this demo only: nothing here comes from outside.
    return Markup(text)
