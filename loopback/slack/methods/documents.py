"""Canvases and lists: documents that live beside the messages."""

import re
from collections.abc import Iterator
from typing import Any

from loopback.slack.api import Call, method
from loopback.slack.errors import Refused, bad_argument
from loopback.slack.state import Canvas, canvas_level

TABLE_CELLS = 300
_HEADING = re.compile(r"#{1,3} ")
_DEEPER = re.compile(r"(#{4,6}) ")
_CELL_ENDS = re.compile(r"(?<!\\)\|")
_OPERATIONS = ("insert_after", "insert_before", "insert_at_start", "insert_at_end", "replace", "delete", "rename")


def _sections(call: Call, given: Any, error: str) -> dict[str, str]:
    """A canvas's sections: a heading, or a paragraph, list or table, each with an id that stays.

    Raises Refused with `error` for what a canvas does not take.
    """
    if not isinstance(given, dict) or given.get("type") != "markdown":
        raise Refused(error, detail="document_content must be markdown")
    markdown = str(given.get("markdown", ""))
    for problem in _problems(markdown):
        raise Refused(error, detail=problem)
    parts = [one.strip() for one in re.split(r"\n\s*\n|\n(?=#{1,3} )", markdown) if one.strip()]
    return {call.space.new_id("temp:C:"): part for part in parts}


def _problems(markdown: str) -> Iterator[str]:
    """What of a text a canvas does not take: deeper headings, and tables of too many cells."""
    code, cells = False, 0
    for number, line in enumerate(markdown.splitlines(), 1):
        code ^= line.lstrip().startswith("```")
        row = not code and line.lstrip().startswith("|")
        cells = cells + _width(line) if row else 0
        if not code and (found := _DEEPER.match(line)):
            yield f"Unsupported heading depth ({len(found[1])}) in line {number}"
        if cells > TABLE_CELLS + _width(line):  # the rule below the head is no row
            yield f"A table has more than {TABLE_CELLS} cells in line {number}"


def _width(line: str) -> int:
    return len(_CELL_ENDS.findall(line.strip().strip("|"))) + 1


def _new(call: Call, title: str, channel: str = "") -> dict[str, Any]:
    given = call.args.get("document_content")
    id = call.space.new_id("F")
    sections = _sections(call, given, "canvas_creation_failed") if given else {}
    call.space.canvases[id] = Canvas(id, title, call.caller.user, sections, channel)
    call.space.feed.publish("canvas", canvas=id)
    return {"canvas_id": id}


@method("canvases.create", scope="canvases:write", tier=2)
def create(call: Call) -> dict[str, Any]:
    tabbed = call.channel("channel_id").id if call.text("channel_id") else ""
    if call.space.team.get("plan") == "free" and not tabbed:
        raise Refused("free_teams_cannot_create_non_tabbed_canvases")
    return _new(call, call.text("title"), tabbed)


@method("conversations.canvases.create", required=("channel_id",), scope="canvases:write", tier=2)
def create_in_channel(call: Call) -> dict[str, Any]:
    channel = call.channel("channel_id")
    if channel.canvas:
        raise Refused("channel_canvas_already_exists")
    told = _new(call, call.text("title") or channel.name, channel.id)
    channel.canvas = told["canvas_id"]
    return told


def _canvas(call: Call, *, write: bool) -> Canvas:
    found = call.space.canvases.get(call.text("canvas_id"))
    if found is None:
        raise Refused("canvas_not_found")
    level = canvas_level(call.space, found, call.caller.user)
    if not level or (write and level == "read"):
        raise Refused("access_denied" if level else "canvas_not_found")
    return found


@method("canvases.edit", required=("canvas_id", "changes"), scope="canvases:write", tier=3)
def edit(call: Call) -> dict[str, Any]:
    canvas = _canvas(call, write=True)
    changes = call.objects("changes")
    if len(changes) != 1:
        raise bad_argument("must have one item [json-pointer:/changes]")
    change = changes[0]
    operation, at = change.get("operation"), str(change.get("section_id", ""))
    if operation not in _OPERATIONS:
        raise bad_argument(f"must be one of {', '.join(_OPERATIONS)} [json-pointer:/changes/0/operation]")
    if operation == "rename":
        title = change.get("title_content") or {}
        canvas.title = str(title.get("markdown", canvas.title))
    elif operation == "replace" and not at:
        canvas.sections = _sections(call, change.get("document_content"), "canvas_editing_failed")
    else:
        _edit_section(call, canvas, operation, at, change)
    call.space.feed.publish("canvas", canvas=canvas.id)
    return {}


def _edit_section(call: Call, canvas: Canvas, operation: str, at: str, change: dict[str, Any]) -> None:
    ids = list(canvas.sections)
    needs_place = operation not in ("insert_at_start", "insert_at_end")
    if needs_place and at not in canvas.sections:
        raise Refused("canvas_editing_failed", detail=f"there is no section {at!r}")
    place = ids.index(at) if needs_place else 0 if operation == "insert_at_start" else len(ids)
    content = change.get("document_content")
    added = {} if operation == "delete" else _sections(call, content, "canvas_editing_failed")
    before = ids[: place + (operation == "insert_after")]
    after = ids[place + (operation in ("insert_after", "replace", "delete")) :]
    kept = canvas.sections
    canvas.sections = {one: kept[one] for one in before} | added | {one: kept[one] for one in after}


@method("canvases.sections.lookup", required=("canvas_id", "criteria"), scope="canvases:read", tier=3)
def lookup(call: Call) -> dict[str, Any]:
    canvas, criteria = _canvas(call, write=False), call.args["criteria"]
    if not isinstance(criteria, dict) or not criteria:
        raise bad_argument("must be an object [json-pointer:/criteria]")
    wanted, text = criteria.get("section_types", []), str(criteria.get("contains_text", ""))
    found = [
        id
        for id, part in canvas.sections.items()
        if text in part and (not wanted or _kind(part) in wanted or ("any_header" in wanted and _HEADING.match(part)))
    ]
    return {"sections": [{"id": id} for id in found]}


def _kind(part: str) -> str:
    heading = _HEADING.match(part)
    return f"h{len(heading.group()) - 1}" if heading else "text"


@method("canvases.access.set", required=("canvas_id", "access_level"), scope="canvases:write", tier=3)
def set_access(call: Call) -> dict[str, Any]:
    canvas = _canvas(call, write=True)
    if call.text("access_level") not in ("read", "write", "owner"):
        raise bad_argument("must be one of read, write, owner [json-pointer:/access_level]")
    channels = _readers(call)
    if channels and call.text("access_level") == "owner":
        raise Refused("invalid_parameters")
    canvas.access |= dict.fromkeys(channels or call.listed("user_ids"), call.text("access_level"))
    call.space.feed.publish("canvas", canvas=canvas.id)
    return {}


@method("canvases.access.delete", required=("canvas_id",), scope="canvases:write", tier=3)
def delete_access(call: Call) -> dict[str, Any]:
    canvas = _canvas(call, write=True)
    for one in _readers(call) or call.listed("user_ids"):
        canvas.access.pop(one, None)
    call.space.feed.publish("canvas", canvas=canvas.id)
    return {}


def _readers(call: Call) -> list[str]:
    """The channels whose members are meant, or none where people are named one by one; never both."""
    channels, people = call.listed("channel_ids"), call.listed("user_ids")
    if bool(channels) == bool(people):
        raise Refused("invalid_parameters")
    known = [call.space.channels.get(id) for id in channels]
    if any(one is None or one.is_im or one.is_mpim for one in known):
        raise Refused("channel_not_found")
    if any(id not in call.space.users for id in people):
        raise Refused("user_not_found")
    return channels


@method("canvases.delete", required=("canvas_id",), scope="canvases:write", tier=3)
def delete(call: Call) -> dict[str, Any]:
    administers = bool(call.space.users[call.caller.user].get("is_admin"))
    canvas = _canvas(call, write=not administers)
    del call.space.canvases[canvas.id]
    if canvas.channel and call.space.channels[canvas.channel].canvas == canvas.id:
        call.space.channels[canvas.channel].canvas = ""
    call.space.feed.publish("canvas", canvas=canvas.id)
    return {}


# ---- lists


@method("slackLists.create", required=("name",), scope="lists:write", tier=2)
def create_list(call: Call) -> dict[str, Any]:
    given = call.objects("schema") if call.args.get("schema") else [{"key": "name", "name": "Name", "type": "text"}]
    columns = [{**one, "id": call.space.new_id("Col")} for one in given]
    id = call.space.new_id("F")
    view = {
        "id": call.space.new_id("View"),
        "name": "All items",
        "type": "table",
        "is_locked": False,
        "position": "a",
    }
    call.space.lists[id] = {"name": call.text("name"), "schema": columns, "items": {}}
    return {"list_id": id, "list_metadata": {"schema": columns, "views": [view], "integrations": []}}


def _list(call: Call) -> dict[str, Any]:
    found: dict[str, Any] | None = call.space.lists.get(call.text("list_id") or call.text("id"))
    if found is None:
        raise Refused("list_not_found")
    return found


@method("slackLists.update", required=("id",), scope="lists:write", tier=2)
def update_list(call: Call) -> dict[str, Any]:
    found = _list(call)
    found["name"] = call.text("name") or found["name"]
    return {}


@method("slackLists.items.create", required=("list_id",), scope="lists:write", tier=3)
def create_item(call: Call) -> dict[str, Any]:
    found, me = _list(call), call.caller.user
    id, now = call.space.new_id("Rec"), int(call.space.now())
    fields = call.objects("initial_fields") if call.args.get("initial_fields") else []
    item = {"id": id, "list_id": call.text("list_id"), "date_created": now, "created_by": me, "updated_by": me}
    found["items"][id] = {**item, "fields": fields, "updated_timestamp": str(now)}
    return {"item": found["items"][id]}


@method("slackLists.items.update", required=("list_id", "cells"), scope="lists:write", tier=3)
def update_items(call: Call) -> dict[str, Any]:
    items = _list(call)["items"]
    for cell in call.objects("cells"):
        item = items.get(cell.get("row_id"))
        if item is None:
            raise Refused("invalid_row_id")
        value = {key: one for key, one in cell.items() if key != "row_id"}
        others = [one for one in item["fields"] if one.get("column_id") != cell.get("column_id")]
        item |= {"fields": [*others, value], "updated_by": call.caller.user}
    return {}


@method("slackLists.items.list", required=("list_id",), scope="lists:read", tier=2)
def list_items(call: Call) -> dict[str, Any]:
    return {"items": list(_list(call)["items"].values())}


@method("slackLists.items.delete", required=("list_id", "id"), scope="lists:write", tier=2)
def delete_item(call: Call) -> dict[str, Any]:
    found = _list(call) if call.text("list_id") in call.space.lists else {"items": {}}
    if found["items"].pop(call.text("id"), None) is None:
        raise Refused("invalid_row_id")
    return {}
