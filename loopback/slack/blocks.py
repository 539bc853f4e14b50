"""Checks blocks and views as Slack does: known types and keys, lengths, counts and unique ids."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from loopback.slack.block_parts import (
    ELEMENTS,
    Problem,
    Problems,
    element_problems,
    image_problems,
    text_problems,
    word_problems,
)
from loopback.slack.data_blocks import card, carousel, container, data_table, data_visualization, written

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
TABLE_CHARS = 10_000
MARKDOWN_CHARS = 12_000
TASK_STATUSES = ("pending", "in_progress", "complete", "error")


# The keys of each block besides type and block_id.
_KEYS: dict[str, frozenset[str]] = {
    name: frozenset(keys.split())
    for name, keys in {
        "section": "text fields accessory expand",
        "header": "text level",
        "divider": "",
        "context": "elements",
        "context_actions": "elements",
        "actions": "elements",
        "image": "image_url slack_file alt_text title",
        "input": "label element hint optional dispatch_action",
        "markdown": "text",
        "plan": "title tasks",
        "task_card": "task_id title status details output sources",
        "table": "rows column_settings",
        "rich_text": "elements",
        "file": "external_id source",
        "video": "alt_text author_name description provider_icon_url provider_name thumbnail_url title title_url "
        "video_url",
        "alert": "text level",
        "card": "hero_image icon title subtitle body actions",
        "carousel": "elements",
        "container": "title rich_text_title subtitle child_blocks width icon is_collapsible default_collapsed "
        "has_header_divider",
        "data_table": "caption rows page_size row_header_column_index",
        "data_visualization": "title chart",
        "call": "call_id api_decoration_available call",
    }.items()
}
_VIEW_ONLY = ("alert",)
_COUNTS = {"actions": 25, "context": 10, "context_actions": 5}


def message_problems(blocks: Any) -> list[Problem]:
    """What Slack would find wrong with the blocks of a message."""
    problems = list(_listed(blocks, MESSAGE_BLOCKS, view=False))
    if problems or not isinstance(blocks, list):
        return problems
    kinds = [block["type"] for block in blocks]
    if kinds.count("table") > 1:
        problems.append(("only one table is allowed", "/blocks"))
    if kinds.count("data_visualization") > 2:
        problems.append(("no more than two charts are allowed", "/blocks"))
    if "plan" in kinds and "task_card" in kinds:
        problems.append(("plan and task_card are mutually exclusive", "/blocks"))
    written = sum(len(block["text"]) for block in blocks if block["type"] == "markdown")
    if written > MARKDOWN_CHARS:
        problems.append((f"must be less than {MARKDOWN_CHARS + 1} characters in all markdown blocks", "/blocks"))
    return problems


def view_problems(view: Any) -> list[Problem]:
    """What Slack would find wrong with a modal or a home view."""
    if not isinstance(view, dict) or view.get("type") not in ("modal", "home"):
        return [("must be modal or home", "/view/type")]
    problems = [(what, "/view" + where) for what, where in _listed(view.get("blocks"), VIEW_BLOCKS, view=True)]
    if view.get("blocks") == []:
        problems.append(("must have at least one block", "/view/blocks"))
    if view["type"] == "modal":
        if "title" not in view:
            problems.append(("missing required field: title", "/view"))
        for key in ("title", "submit", "close"):
            if key in view:
                problems += text_problems(view[key], f"/view/{key}", 24, plain=True)
        has_input = any(isinstance(one, dict) and one.get("type") == "input" for one in view.get("blocks") or [])
        if has_input and "submit" not in view:
            problems.append(("submit is required when an input block is present", "/view"))
    for key, most in (("private_metadata", 3000), ("callback_id", 255), ("external_id", 255)):
        if len(str(view.get(key) or "")) > most:
            problems.append((f"must be less than {most + 1} characters", f"/view/{key}"))
    return problems


def _listed(blocks: Any, most: int, *, view: bool) -> Problems:
    if not isinstance(blocks, list):
        yield "must be an array", "/blocks"
        return
    if len(blocks) > most:
        yield f"no more than {most} items allowed", "/blocks"
    seen: set[str] = set()
    actions: set[tuple[int, str]] = set()
    for number, block in enumerate(blocks):
        at = f"/blocks/{number}"
        if not isinstance(block, dict):
            yield "must be an object", at
            continue
        yield from _block(block, at, view=view)
        id = block.get("block_id")
        if id is not None and id in seen:
            yield f'block_id "{id}" already exists', f"{at}/block_id"
        if id is not None:
            seen.add(id)
        for where, element in _interactive(block):
            action = element.get("action_id")
            if action is not None and (number, action) in actions:
                yield f'action_id "{action}" already exists', f"{at}{where}/action_id"
            actions.add((number, str(action)))


def _interactive(block: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    elements = block.get("elements") if block.get("type") in ("actions", "context_actions") else []
    for number, element in enumerate(elements if isinstance(elements, list) else []):
        if isinstance(element, dict) and "action_id" in element:
            yield f"/elements/{number}", element
    for key in ("accessory", "element"):
        if isinstance(block.get(key), dict):
            yield f"/{key}", block[key]


def _block(block: Mapping[str, Any], at: str, *, view: bool) -> Problems:
    kind = block.get("type")
    if kind not in _KEYS or (kind in _VIEW_ONLY and not view):
        yield f"unsupported type: {kind}", f"{at}/type"
        return
    for key in block.keys() - _KEYS[kind] - {"type", "block_id"}:
        yield f"invalid additional property: {key}", at
    if len(str(block.get("block_id", ""))) > 255:
        yield "must be less than 256 characters", f"{at}/block_id"
    checked = _CHECKS.get(kind)
    if checked is not None:
        yield from checked(block, at)
    for key in _INNER.get(kind, ()):
        inner = block.get(key)
        for number, child in enumerate(inner if isinstance(inner, list) else []):
            if isinstance(child, dict):
                yield from _block(child, f"{at}/{key}/{number}", view=view)


def _section(block: Mapping[str, Any], at: str) -> Problems:
    fields = block.get("fields")
    if "text" in block or not fields:
        yield from text_problems(block.get("text"), f"{at}/text", 3000)
    if fields is not None:
        if not isinstance(fields, list) or not 1 <= len(fields) <= 10:
            yield "must have 1 to 10 items", f"{at}/fields"
        else:
            for number, text in enumerate(fields):
                yield from text_problems(text, f"{at}/fields/{number}", 2000)
    if "accessory" in block:
        yield from element_problems(block["accessory"], f"{at}/accessory", (*ELEMENTS["actions"], "image"))


def _header(block: Mapping[str, Any], at: str) -> Problems:
    yield from text_problems(block.get("text"), f"{at}/text", 150, plain=True)


def _with_elements(block: Mapping[str, Any], at: str) -> Problems:
    kind = block["type"]
    elements = block.get("elements")
    if not isinstance(elements, list) or not 1 <= len(elements) <= _COUNTS[kind]:
        yield f"must have 1 to {_COUNTS[kind]} items", f"{at}/elements"
        return
    for number, element in enumerate(elements):
        where = f"{at}/elements/{number}"
        if kind == "context" and isinstance(element, dict) and element.get("type") in ("plain_text", "mrkdwn"):
            yield from text_problems(element, where, 3000)
        else:
            yield from element_problems(element, where, ELEMENTS[kind])


def _input(block: Mapping[str, Any], at: str) -> Problems:
    yield from text_problems(block.get("label"), f"{at}/label", 2000, plain=True)
    kinds = (*ELEMENTS["actions"], "plain_text_input", "rich_text_input", "email_text_input", "url_text_input")
    yield from element_problems(block.get("element"), f"{at}/element", (*kinds, "number_input", "file_input"))


def _markdown(block: Mapping[str, Any], at: str) -> Problems:
    yield from word_problems(block.get("text"), f"{at}/text", MARKDOWN_CHARS)


def _plan(block: Mapping[str, Any], at: str) -> Problems:
    yield from word_problems(block.get("title"), f"{at}/title", 256)
    tasks = block.get("tasks", [])
    if not isinstance(tasks, list) or len(tasks) > 50:
        yield "no more than 50 items allowed", f"{at}/tasks"
        return
    seen: set[Any] = set()
    for number, task in enumerate(tasks):
        where = f"{at}/tasks/{number}"
        if not isinstance(task, dict):
            yield "must be an object", where
            continue
        for key in task.keys() - _KEYS["task_card"] - {"type", "block_id"}:
            yield f"invalid additional property: {key}", where
        yield from _task(task, where)
        if task.get("task_id") in seen:
            yield "task_id must be unique", f"{where}/task_id"
        seen.add(task.get("task_id"))


def _task(task: Mapping[str, Any], at: str) -> Problems:
    yield from word_problems(task.get("task_id"), f"{at}/task_id", 255)
    yield from word_problems(task.get("title"), f"{at}/title", 256)
    if task.get("status", "pending") not in TASK_STATUSES:
        yield f"must be one of {', '.join(TASK_STATUSES)}", f"{at}/status"
    for key in ("details", "output"):
        if key in task and not (isinstance(task[key], dict) and task[key].get("type") == "rich_text"):
            yield "must be a rich_text block", f"{at}/{key}"
    if not isinstance(task.get("sources", []), list):
        yield "must be an array", f"{at}/sources"


def _alert(block: Mapping[str, Any], at: str) -> Problems:
    yield from text_problems(block.get("text"), f"{at}/text", 200)
    if block.get("level", "default") not in ("default", "info", "warning", "error", "success"):
        yield "must be default, info, warning, error or success", f"{at}/level"


def _table(block: Mapping[str, Any], at: str) -> Problems:
    rows = block.get("rows")
    if not isinstance(rows, list) or not 1 <= len(rows) <= 100:
        yield "must have 1 to 100 items", f"{at}/rows"
        return
    for number, row in enumerate(rows):
        if not isinstance(row, list) or not 1 <= len(row) <= 20:
            yield "must have 1 to 20 items", f"{at}/rows/{number}"
            continue
        for column, cell in enumerate(row):
            if not isinstance(cell, dict) or cell.get("type") not in ("raw_text", "raw_number", "rich_text"):
                yield "unsupported cell type", f"{at}/rows/{number}/{column}/type"
    if sum(map(written, rows)) > TABLE_CHARS:
        yield f"no more than {TABLE_CHARS} characters allowed in a table", f"{at}/rows"


_INNER = {"carousel": ("elements",), "container": ("child_blocks",)}
_CHECKS: dict[str, Callable[[Mapping[str, Any], str], Problems]] = {
    "section": _section,
    "header": _header,
    "image": image_problems,
    "actions": _with_elements,
    "context": _with_elements,
    "context_actions": _with_elements,
    "input": _input,
    "markdown": _markdown,
    "plan": _plan,
    "task_card": _task,
    "table": _table,
    "alert": _alert,
    "card": card,
    "carousel": carousel,
    "container": container,
    "data_table": data_table,
    "data_visualization": data_visualization,
}
