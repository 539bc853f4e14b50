"""Canvases and lists: documents that live beside the messages."""

import re
from typing import Any

from loopback.slack.api import Call, method
from loopback.slack.errors import Refused, bad_argument
from loopback.slack.state import Canvas

_HEADING = re.compile(r"#{1,3} ")
_OPERATIONS = ("insert_after", "insert_before", "insert_at_start", "insert_at_end", "replace", "delete", "rename")


def _markdown(given: Any) -> str:
    if not isinstance(given, dict) or given.get("type") != "markdown":
        raise Refused("canvas_creation_failed", detail="document_content must be markdown")
    return str(given.get("markdown", ""))


def _sections(call: Call, markdown: str) -> dict[str, str]:
    """A canvas's sections: a heading, or a paragraph, list or table, each with an id that stays."""
    parts = [one.strip() for one in re.split(r"\n\s*\n|\n(?=#{1,3} )", markdown) if one.strip()]
    return {call.space.new_id("temp:C:"): part for part in parts}


def _new(call: Call, title: str, channel: str = "") -> dict[str, Any]:
    given = call.args.get("document_content")
    id = call.space.new_id("F")
    sections = _sections(call, _markdown(given)) if given else {}
    call.space.canvases[id] = Canvas(id, title, call.caller.user, sections, channel)
    call.space.feed.publish("canvas", canvas=id)
    return {"canvas_id": id}


@method("canvases.create", scope="canvases:write", tier=2)
def create(call: Call) -> dict[str, Any]:
    return _new(call, call.text("title"))


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
    levels = ("write",) if write else ("read", "write")
    inside = found.channel and call.caller.user in call.space.channels[found.channel].members
    if found.owner != call.caller.user and not inside and found.access.get(call.caller.user) not in levels:
        raise Refused("access_denied" if call.caller.user in found.access else "canvas_not_found")
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
        canvas.sections = _sections(call, _markdown(change.get("document_content")))
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
    added = {} if operation == "delete" else _sections(call, _markdown(change.get("document_content")))
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
    people = [*call.listed("user_ids"), *_members(call)]
    canvas.access |= dict.fromkeys(people, call.text("access_level"))
    return {}


@method("canvases.access.delete", required=("canvas_id",), scope="canvases:write", tier=3)
def delete_access(call: Call) -> dict[str, Any]:
    canvas = _canvas(call, write=True)
    for one in (*call.listed("user_ids"), *_members(call)):
        canvas.access.pop(one, None)
    return {}


def _members(call: Call) -> list[str]:
    places = [call.space.channels[id] for id in call.listed("channel_ids") if id in call.space.channels]
    return [user for channel in places for user in channel.members]


@method("canvases.delete", required=("canvas_id",), scope="canvases:write", tier=3)
def delete(call: Call) -> dict[str, Any]:
    canvas = _canvas(call, write=True)
    del call.space.canvases[canvas.id]
    if canvas.channel:
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
