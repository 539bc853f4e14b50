"""Results beyond a size go to files of the workspace; a preview stays, read_file and query_table give the rest."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bot.store.reads import Answer
from bot.tools.base import ROOM, Outcome, Tool, ToolContext
from bot.types import Json
from bot.workspace import Workspace, safe_name

PREVIEW = 500  # characters of a preview
HEAD = 700  # characters of a text
CELL = 120
WORTH = 200  # what is shorter stays
INERT = "In a CSV file, text that a spreadsheet would compute gets an apostrophe before it."

_COMPUTED = ("=", "@", "\t", "\r", "\n")  # how text begins that a spreadsheet computes


def keep(workspace: Workspace, call_id: str, content: Json, room: int = ROOM) -> Json:
    """The content as it enters the context: what has no room in it lies in files."""
    return kept(workspace, call_id, content, room)[0]


def kept(workspace: Workspace, call_id: str, content: Json, room: int = ROOM) -> tuple[Json, tuple[str, ...]]:
    """The content with its largest parts put away until the rest has room, and the files they are in now."""
    if _light(content, room):
        return content, ()
    sizes = {key: _size(value) for key, value in content.items()}
    shown, files = dict(content), []
    suffix = safe_name(call_id.removeprefix("toolu_"))[-40:]
    for key in sorted(sizes, key=lambda k: (-sizes[k], k)):
        if sum(sizes.values()) <= room or sizes[key] < WORTH:
            break
        if isinstance(content[key], dict) and "file" in content[key]:
            shown[key] = {k: v for k, v in content[key].items() if k != "preview"}
        else:
            stub, ending, data = _put_away(content[key])
            stub["file"] = workspace.write(f"results/{safe_name(str(key))}_{suffix}.{ending}", data.encode())
            files.append(stub["file"])
            shown[key] = stub
        sizes[key] = _size(shown[key])
    if files:
        shown["kept"] = "Too large to show whole: read_file shows slices, query_table computes over a CSV file."
    return shown, tuple(files)


def keeping(tool: Tool) -> Callable[[ToolContext, Any], Awaitable[Outcome]]:
    """A tool's function whose results leave room for others."""

    async def run(ctx: ToolContext, args: Any) -> Outcome:
        outcome = await tool.run(ctx, args)
        if outcome.is_error or outcome.parks is not None:
            return outcome
        content, files = kept(ctx.workspace, ctx.call_id, outcome.content, tool.room)
        return replace(outcome, content=content, files=outcome.files + files) if files else outcome

    return run


def shared(ctx: ToolContext, answer: Answer) -> Json:
    """The labels of a result that rests on an answer; of another call's answer they say which call read it and when.

    What the agent sees is the same either way, so that files made of it stay the same too.
    """
    if answer.call == f"{ctx.agent_id}/{ctx.call_id}":
        return answer.labels
    at = datetime.fromtimestamp(answer.at, UTC).isoformat(timespec="seconds")
    return {**answer.labels, "via": {"call": answer.call, "at": at}}


def preview(rows: list[Json], most: int = 5) -> list[Json]:
    """The first rows, cells cut, as far as they have room; always one."""
    shown: list[Json] = []
    room = PREVIEW
    for row in rows[:most]:
        short = {key: _cut(value) for key, value in row.items()}
        room -= _size(short)
        if shown and room < 0:
            break
        shown.append(short)
    return shown


def to_csv(rows: list[Json], columns: list[str] | None = None) -> str:
    """Rows as CSV text; the columns are those of the rows in the order they first appear.

    A header that holds another table's signs is quoted, so that a reader takes the commas and nothing else for them.
    """
    columns = columns or list(dict.fromkeys(key for row in rows for key in row))
    out = io.StringIO()
    doubtful = any(sign in column for column in columns for sign in ";\t|")
    writer = csv.DictWriter(
        out, columns, restval="", lineterminator="\n", quoting=csv.QUOTE_ALL if doubtful else csv.QUOTE_MINIMAL
    )
    writer.writeheader()
    writer.writerows({k: _cell(v) for k, v in row.items()} for row in rows)
    return out.getvalue()


def for_people(name: str, data: bytes) -> bytes:
    """A file as it leaves for people: in a table of text, what a spreadsheet would compute begins with an apostrophe.

    Within a run tables stay as they are: scripts read them.
    """
    if not name.lower().endswith((".csv", ".tsv")):
        return data
    text = data.decode(errors="surrogateescape")
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    told = text.removeprefix(mark)
    comma = max(",;\t", key=told.partition("\n")[0].count)
    csv.field_size_limit(max(len(told), csv.field_size_limit()))
    rows = list(csv.reader(io.StringIO(told, newline=""), delimiter=comma))
    if not any(_computed(cell) for row in rows for cell in row):
        return data
    out = io.StringIO()
    writer = csv.writer(out, delimiter=comma)  # lines end with CR and LF, so that both are quoted in a cell
    writer.writerows([f"'{cell}" if _computed(cell) else cell for cell in row] for row in rows)
    return f"{mark}{out.getvalue()}".encode(errors="surrogateescape")


def _computed(cell: str) -> bool:
    """Whether a spreadsheet would do something about a cell. What begins like an item of a list stays as it is:
    without a call, a program or another sheet in it, nothing comes of it but a wrong look."""
    if cell.startswith(("+", "-")):
        return any(sign in cell for sign in "(|!")
    return cell.startswith(_COMPUTED)


def _put_away(value: Any) -> tuple[Json, str, str]:
    """What is shown instead of a value, and the value as the text of a file of a kind."""
    if isinstance(value, str):
        return {"characters": len(value), "head": value[:HEAD]}, "txt", value
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        columns = list(dict.fromkeys(key for row in value for key in row))
        return {"rows_total": len(value), "columns": columns[:60], "preview": preview(value)}, "csv", to_csv(value)
    if isinstance(value, list):
        lines = "\n".join(json.dumps(item, ensure_ascii=False, default=str) for item in value)
        return {"items_total": len(value), "preview": [_cut(item) for item in value[:3]]}, "jsonl", lines
    text = json.dumps(value, ensure_ascii=False, indent=1, default=str)
    return {"characters": len(text), "head": text[:PREVIEW]}, "json", text


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict | list) else value


def _cut(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    if len(text) <= CELL:
        return value
    return f"{text[:CELL]}…"


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value) + 2
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str))


def _light(content: Json, room: int) -> bool:
    """Whether there is room for it all; most results are told without encoding them."""
    size = 0
    for key, value in content.items():
        size += len(key) + 4
        if isinstance(value, str):
            size += len(value)
        elif isinstance(value, dict | list):
            size += _size(value)
        else:
            size += 12
        if size > room:
            return False
    return True
