"""A plot out of a table's columns: bars, lines or points, with what the axes are and in which unit."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

Kind = Literal["bar", "line", "scatter"]
MAX_POINTS = 5_000
SHOWN_TICKS = 24
# Colours that stay apart for people who see few of them, and in grey.
COLOURS = ("#0b57d0", "#e8710a", "#12805c", "#9334e6", "#c5221f", "#5f6368", "#00838f", "#b08900")
_ONE = threading.Lock()  # the library keeps state of its own


@dataclass(frozen=True)
class Series:
    """One line or group of bars; a gap is None."""

    label: str
    values: Sequence[Decimal | None]


@dataclass(frozen=True)
class Plot:
    """What is drawn. For points, and for lines over numbers, `x` are numbers; else names in order."""

    kind: Kind
    title: str
    x: Sequence[str | Decimal]
    series: Sequence[Series]
    x_label: str
    y_label: str  # with the unit


def draw(plot: Plot, form: Literal["png", "svg"]) -> bytes:
    """The picture; the same plot gives the same bytes."""
    settings: dict[Any, Any] = {
        "font.family": "DejaVu Sans", "font.size": 9.5, "svg.hashsalt": "cadre", "svg.fonttype": "path",
        "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True, "text.parse_math": False,
    }  # fmt: skip
    with _ONE, matplotlib.rc_context(settings):
        figure = Figure(figsize=(8, 4.5), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.set_title(plot.title, loc="left", fontweight="bold", wrap=True)
        axes.set_xlabel(plot.x_label)
        axes.set_ylabel(plot.y_label)
        axes.grid(axis="y", color="#e3e3e3", linewidth=0.8)
        numeric = plot.kind != "bar" and all(isinstance(x, Decimal) for x in plot.x)
        if plot.kind == "bar":
            _bars(axes, plot)
        else:
            _lines(axes, plot, numeric)
        axes.yaxis.set_major_locator(MaxNLocator(8))
        axes.yaxis.set_major_formatter(FuncFormatter(_grouped))
        if not numeric:
            _name(axes, plot.x)
        if len(plot.series) > 1:
            axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        out = io.BytesIO()
        about = {"Software": None} if form == "png" else {"Date": None, "Creator": "Cadre"}
        figure.savefig(out, format=form, dpi=160, metadata=about)
    return out.getvalue()


def _bars(axes: Any, plot: Plot) -> None:
    width = 0.8 / max(1, len(plot.series))
    for number, series in enumerate(plot.series):
        places = [at + width * (number + 0.5) - 0.4 for at in range(len(plot.x))]
        heights = [float(value) if value is not None else 0.0 for value in series.values]
        axes.bar(places, heights, width * 0.92, label=series.label, color=COLOURS[number % len(COLOURS)])
    axes.axhline(0, color="#5f6368", linewidth=0.8)


def _lines(axes: Any, plot: Plot, numeric: bool) -> None:
    xs = [float(x) for x in plot.x] if numeric else list(range(len(plot.x)))
    for number, series in enumerate(plot.series):
        ys = [float(value) if value is not None else float("nan") for value in series.values]
        look = (
            {"linestyle": "none", "marker": "o", "markersize": 4}
            if plot.kind == "scatter"
            else {"marker": "o", "markersize": 3}
        )
        axes.plot(xs, ys, label=series.label, color=COLOURS[number % len(COLOURS)], **look)
    if numeric:
        axes.xaxis.set_major_formatter(FuncFormatter(_grouped))


def _name(axes: Any, names: Sequence[str | Decimal]) -> None:
    step = max(1, -(-len(names) // SHOWN_TICKS))
    places = list(range(0, len(names), step))
    shown = [str(names[at])[:28] for at in places]
    turned = sum(map(len, shown)) > 90
    axes.set_xticks(places, shown, rotation=40 if turned else 0, ha="right" if turned else "center")


def _grouped(value: float, _place: int) -> str:
    text = f"{value:,.6f}".rstrip("0").rstrip(".")
    return text if text != "-0" else "0"
