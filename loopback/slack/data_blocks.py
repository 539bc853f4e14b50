"""Checks of the blocks that show data: cards, containers, sortable tables and charts."""

from collections.abc import Mapping
from typing import Any

from loopback.slack.block_parts import Problems, element_problems, image_problems, text_problems, word_problems

LETTERS = 20_000
CARDS = CHILDREN = 10
ROWS, COLUMNS = 201, 20  # the header is a row
SERIES, POINTS = 12, 20


def card(block: Mapping[str, Any], at: str) -> Problems:
    if not any(block.get(key) for key in ("hero_image", "title", "actions", "body")):
        yield "needs a hero_image, title, actions or body", at
    for key, most in (("title", 150), ("subtitle", 150), ("body", 200)):
        if key in block:
            yield from text_problems(block[key], f"{at}/{key}", most)
    for key in ("hero_image", "icon"):
        if key in block:
            yield from image_problems(block[key], f"{at}/{key}")
    actions = block.get("actions", [])
    if not isinstance(actions, list) or len(actions) > 3:
        yield "no more than 3 items allowed", f"{at}/actions"
        return
    for number, element in enumerate(actions):
        yield from element_problems(element, f"{at}/actions/{number}", ("button", "icon_button", "overflow"))


def carousel(block: Mapping[str, Any], at: str) -> Problems:
    elements = block.get("elements")
    if not isinstance(elements, list) or not 1 <= len(elements) <= CARDS:
        yield f"must have 1 to {CARDS} items", f"{at}/elements"
    elif any(not isinstance(one, dict) or one.get("type") != "card" for one in elements):
        yield "must be cards", f"{at}/elements"


def container(block: Mapping[str, Any], at: str) -> Problems:
    if "rich_text_title" not in block:
        yield from text_problems(block.get("title"), f"{at}/title", 150, plain=True)
    if "subtitle" in block:
        yield from text_problems(block["subtitle"], f"{at}/subtitle", 150)
    children = block.get("child_blocks")
    if not isinstance(children, list) or not 1 <= len(children) <= CHILDREN:
        yield f"must have 1 to {CHILDREN} items", f"{at}/child_blocks"
    if block.get("width", "standard") not in ("narrow", "standard", "wide", "full"):
        yield "must be narrow, standard, wide or full", f"{at}/width"
    if block.get("default_collapsed") and not block.get("is_collapsible"):
        yield "needs is_collapsible", f"{at}/default_collapsed"


def data_table(block: Mapping[str, Any], at: str) -> Problems:
    yield from word_problems(block.get("caption"), f"{at}/caption", 3000)
    rows = block.get("rows")
    if not isinstance(rows, list) or not 2 <= len(rows) <= ROWS or not all(isinstance(one, list) for one in rows):
        yield f"must have 2 to {ROWS} rows", f"{at}/rows"
        return
    if len({len(one) for one in rows}) > 1 or not 1 <= len(rows[0]) <= COLUMNS:
        yield f"rows must have the same 1 to {COLUMNS} columns", f"{at}/rows"
    letters = 0
    for number, row in enumerate(rows):
        kinds = ("raw_text", "raw_number", *(("rich_text", "action") if number else ()))
        for column, cell in enumerate(row):
            if not isinstance(cell, dict) or cell.get("type") not in kinds:
                yield "unsupported cell type", f"{at}/rows/{number}/{column}/type"
            letters += written(cell)
    if letters > LETTERS:
        yield f"no more than {LETTERS} characters allowed in a table", f"{at}/rows"
    if not 1 <= int(block.get("page_size", 5)) <= 100:
        yield "must be 1 to 100", f"{at}/page_size"


def written(value: Any) -> int:
    """The characters a reader sees in a row or cell."""
    if isinstance(value, list):
        return sum(map(written, value))
    if isinstance(value, dict):
        own = len(value["text"]) if isinstance(value.get("text"), str) else 0
        return own + sum(written(inner) for inner in value.values() if isinstance(inner, (list, dict)))
    return 0


def data_visualization(block: Mapping[str, Any], at: str) -> Problems:
    yield from word_problems(block.get("title"), f"{at}/title", 50)
    chart = block.get("chart")
    if not isinstance(chart, dict) or chart.get("type") not in ("pie", "bar", "area", "line"):
        yield "must be a pie, bar, area or line chart", f"{at}/chart/type"
    elif chart["type"] == "pie":
        yield from _points(chart.get("segments"), f"{at}/chart/segments", SERIES)
    else:
        yield from _series(chart, f"{at}/chart")


def _series(chart: Mapping[str, Any], at: str) -> Problems:
    series = chart.get("series")
    if not isinstance(series, list) or not 1 <= len(series) <= SERIES:
        yield f"must have 1 to {SERIES} items", f"{at}/series"
        return
    axis = chart.get("axis_config")
    categories = axis.get("categories") if isinstance(axis, dict) else None
    if not isinstance(categories, list) or not 1 <= len(categories) <= POINTS:
        yield f"must have 1 to {POINTS} items", f"{at}/axis_config/categories"
    names = [one.get("name") for one in series if isinstance(one, dict)]
    if len(set(names)) < len(series):
        yield "must have different names", f"{at}/series"
    for number, one in enumerate(series):
        where = f"{at}/series/{number}"
        if isinstance(one, dict):
            yield from word_problems(one.get("name"), f"{where}/name", 20)
            yield from _points(one.get("data"), f"{where}/data", POINTS)


def _points(points: Any, at: str, most: int) -> Problems:
    if not isinstance(points, list) or not 1 <= len(points) <= most:
        yield f"must have 1 to {most} items", at
        return
    for number, point in enumerate(points):
        where = f"{at}/{number}"
        if not isinstance(point, dict) or not isinstance(point.get("value"), (int, float)):
            yield "must have a number as value", where
        else:
            yield from word_problems(point.get("label"), f"{where}/label", 20)
