"""Charts that Slack draws itself, from a small JSON text; a text that is none is left as it is.

`{"type": "bar" | "line" | "area", "title": …, "series": [{"name": …, "points": [[label, number], …]}]}`, or
`{"type": "pie", "title": …, "points": [[label, number], …]}`.
"""

from __future__ import annotations

import json
import math
from typing import Any

from bot.slack.messages import cut

TITLE_MAX, NAME_MAX = 50, 20
SERIES_MAX, POINTS_MAX = 12, 20


def block(text: str) -> dict[str, Any] | None:
    """The block that draws the chart, or None when the text describes none that Slack can draw."""
    try:
        told = json.loads(text)
        chart = _pie(told) if told["type"] == "pie" else _lines(told)
        drawn = {"type": "data_visualization", "title": cut(str(told["title"]), TITLE_MAX), "chart": chart}
        json.dumps(drawn, ensure_ascii=False).encode()  # half a character, as JSON can escape one, is none
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None
    return drawn


def rows(chart_block: dict[str, Any]) -> list[list[str]]:
    """What a chart shows, as rows of text."""
    chart = chart_block["chart"]
    if chart["type"] == "pie":
        return [[chart_block["title"]], *([one["label"], f"{one['value']:g}"] for one in chart["segments"])]
    names = [chart_block["title"], *(one["name"] for one in chart["series"])]
    labels = chart["axis_config"]["categories"]
    return [
        names,
        *([label, *(f"{s['data'][n]['value']:g}" for s in chart["series"])] for n, label in enumerate(labels)),
    ]


def _pie(told: Any) -> dict[str, Any]:
    segments = _points(told["points"])
    if len(segments) > SERIES_MAX or any(one["value"] <= 0 for one in segments):
        raise ValueError("a pie has at most twelve parts, each of some size")
    return {"type": "pie", "segments": segments}


def _lines(told: Any) -> dict[str, Any]:
    if told["type"] not in ("bar", "line", "area") or not 1 <= len(told["series"]) <= SERIES_MAX:
        raise ValueError(told["type"])
    series: list[dict[str, Any]] = [
        {"name": cut(str(one["name"]), NAME_MAX), "data": _points(one["points"])} for one in told["series"]
    ]
    labels = [point["label"] for point in series[0]["data"]]
    if any([point["label"] for point in one["data"]] != labels for one in series):
        raise ValueError("the series have different labels")
    if len({one["name"] for one in series}) < len(series) or len(set(labels)) < len(labels):
        raise ValueError("names that are alike once they are short enough for Slack")
    return {"type": told["type"], "series": series, "axis_config": {"categories": labels}}


def _points(points: Any) -> list[dict[str, Any]]:
    if not 1 <= len(points) <= POINTS_MAX:
        raise ValueError(len(points))
    found: list[dict[str, Any]] = [
        {"label": cut(str(label), NAME_MAX), "value": float(value)} for label, value in points
    ]
    if not all(math.isfinite(one["value"]) for one in found):
        raise ValueError("a value is not a number")
    return found
