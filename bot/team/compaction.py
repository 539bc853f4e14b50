"""A context grown long goes on short, where a task ends or the model's window does: code tells what must not be lost.

The row that records it holds the very words, so a context folded again is the same. What is left out is in a file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from bot.store import board, journal
from bot.store import schema as t
from bot.store.database import Database, Tx
from bot.store.leases import Claim
from bot.team.context import ROW, Context, compact
from bot.team.state import AgentState
from bot.types import Json
from bot.workspace import Workspace

WORTH = 8_000  # tokens; to begin a shorter context anew costs more than it saves below
NEAR = 0.8  # of the model's window
SETTLED = 3  # replies since the last time
TASK, WINDOW = "another task begins", "the context came near the model's window"
CALLS, LETTERS, NAMES = 60, 30, 80  # shown; more are counted, and all are in the file
SHORT, LONG = 300, 1_500  # characters of a message from colleagues, and from whoever leads the agent
CONVENTIONS = "skill_open"


def due(state: AgentState, window: int) -> str:
    """Why the agent should go on with a shorter context before its next request, or "". `window` is in tokens.

    A playbook finds its step in the conversation, so what it is worked by is never shortened.
    """
    context = state.context
    if state.run["offline"] or context.replies - context.shortened_at < SETTLED or not context.answered:
        return ""
    tokens = context.tokens()
    if tokens > NEAR * window:
        return WINDOW
    return TASK if tokens > WORTH and _another_task(state) else ""


def _another_task(state: AgentState) -> bool:
    """Whether the agent took a task in its last turn, or is given one after it finished."""
    if state.context.accepted("claim_task"):
        return True
    given = any(m["data"].get("task") and not m["data"].get("report") for m in state.mails)
    return given and state.context.accepted("finish")


def possible(context: Context) -> bool:
    """Whether there is anything to shorten that was not shortened just now."""
    return context.replies > context.shortened_at


async def shorten(db: Database, claim: Claim, state: AgentState, workspace: Workspace, why: str) -> None:
    """Record the shorter context; the rows have to be read again after. Raises Fenced."""
    context = state.context
    file = workspace.write(f"history/{context.replies}.jsonl", history(context.parts))
    files = [name for name in workspace.names() if not name.startswith(("inbox/", "history/"))]
    earlier = context.carried

    def commit(tx: Tx) -> None:
        tx.fence(claim.agent_id, claim.epoch)
        told = _told(tx.connection, state, files)
        calls = [*earlier.get("calls", ()), *_calls(context)]
        body: Json = {
            "why": why,
            "history": [*earlier.get("history", ()), file],
            "calls": calls[-CALLS:],
            "calls_left_out": earlier.get("calls_left_out", 0) + max(0, len(calls) - CALLS),
            "conventions": {**earlier.get("conventions", {}), **_conventions(context.parts)},
            "tools": sorted({*earlier.get("tools", ()), *_loaded(context.parts)}),
            "told": told,
            "tokens": context.tokens(),
        }
        body["text"] = _words(body)
        journal.append(tx, claim.run_id, ROW, body, agent_id=claim.agent_id, epoch=claim.epoch)

    await db.write(commit)
    state.stale = True


def history(parts: Sequence[bytes]) -> bytes:
    """A conversation as a file: one block a line, as JSON."""
    lines = []
    for message in map(json.loads, parts):
        lines += [compact({"from": message["role"], **_plain(block)}) for block in message["content"]]
    return "".join(f"{line}\n" for line in lines).encode()


def _plain(block: Json) -> Json:
    kind = block["type"]
    if kind == "tool_use":
        return {"call": block["name"], "id": block["id"], "arguments": block["input"]}
    if kind == "tool_result":
        return {"result_of": block["tool_use_id"], "text": _text(block)}
    return {"text": block["text"]} if kind == "text" else block


def _text(block: Json) -> str:
    return "\n".join(item["text"] for item in block["content"] if item["type"] == "text")


def _blocks(parts: Sequence[bytes], kind: str) -> list[Json]:
    return [b for m in map(json.loads, parts) for b in m["content"] if b["type"] == kind]


def _calls(context: Context) -> list[str]:
    """Each call of a conversation in a line: its name, its arguments cut short, and whether it failed."""
    results = {block["tool_use_id"]: block for block in _blocks(context.parts, "tool_result")}
    lines = []
    for block in _blocks(context.parts, "tool_use"):
        result = results.get(block["id"])
        if result is None:  # of the last turn, which stays as it is
            continue
        ended = " FAILED" if result.get("is_error") else ""
        lines.append(f"{block['name']} {_cut(compact(block['input']), 120)}{ended}")
    return lines


def _conventions(parts: Sequence[bytes]) -> dict[str, str]:
    """The skills that were opened, whole: they instruct."""
    asked = {b["id"]: b["input"] for b in _blocks(parts, "tool_use") if b["name"] == CONVENTIONS}
    found = {}
    for block in _blocks(parts, "tool_result"):
        given = asked.get(block["tool_use_id"])
        if given is not None and not block.get("is_error"):
            found["/".join(str(given[key]) for key in ("name", "file") if given.get(key))] = _text(block)
    return found


def _loaded(parts: Sequence[bytes]) -> set[str]:
    """The deferred tools that results refer to."""
    return {
        item["tool_name"]
        for block in _blocks(parts, "tool_result")
        for item in block["content"]
        if item["type"] == "tool_reference"
    }


def _told(connection: Connection, state: AgentState, files: list[str]) -> Json:
    """What the store knows of the agent's work: commitments, team, letters, and what it recorded, by name."""
    run_id, name, agent_id = state.row["run_id"], state.row["name"], state.row["id"]
    plan = board.tasks(connection, run_id)
    mine = [one for one in plan.values() if one["owner"] == name]
    letters = list(
        connection.execute(select(t.mail).where(t.mail.c.run_id == run_id).order_by(t.mail.c.seq)).mappings()
    )
    read = [m for m in letters if m["recipient"] == name and m["seq"] <= state.row["mail_cursor"]]
    sent = [m for m in letters if m["sender"] == name]
    leads = (state.row["parent"], "lead", "cadre")
    told: Json = {
        "open_tasks": [_shown(one, ("id", "title", "criteria", "inputs", "outputs")) for one in mine if _open(one)],
        "done_tasks": [one["id"] for one in mine if not _open(one)],
        "messages_read": [_letter(m, "sender", LONG if m["sender"] in leads else SHORT) for m in read[-LETTERS:]],
        "messages_sent": [_letter(m, "recipient", SHORT) for m in sent[-LETTERS:]],
        "unanswered": _unanswered(read, sent, state),
        "figures": _recorded(connection, t.figure, agent_id, ("id", "label", "value", "unit")),
        "evidence": _recorded(connection, t.evidence, agent_id, ("id", "ref", "value")),
        "findings": _recorded(connection, t.finding, agent_id, ("kind", "account", "period", "amount")),
        "artifacts": _recorded(connection, t.artifact, agent_id, ("name", "version", "status")),
        "files": files[:NAMES],
        "files_left_out": max(0, len(files) - NAMES),
    }
    team = connection.execute(
        select(t.agent.c.name, t.agent.c.role, t.agent.c.status, t.agent.c.task)
        .where(t.agent.c.run_id == run_id, t.agent.c.kind == "agent", t.agent.c.parent == name)
        .order_by(t.agent.c.id)
    ).mappings()
    told["your_team"] = [dict(one) for one in team]
    if state.lead or told["your_team"]:
        told["plan"] = board.progress(plan)["tasks"]
    return {key: value for key, value in told.items() if value}


def _open(one: Any) -> bool:
    return one["status"] not in ("done", "failed", "stopped")


def _shown(row: Mapping[str, Any], keys: Sequence[str]) -> Json:
    return {key: row[key] for key in keys if row[key]}


def _letter(row: Any, other: str, most: int) -> Json:
    data = row["data"] if len(compact(row["data"])) <= most else {"left_out": sorted(row["data"])}
    told = {"id": _short(row), "from" if other == "sender" else "to": row[other], "text": _cut(row["text"], most)}
    return {
        **told, **({"data": data} if data else {}),
        **({"files": [f["name"] for f in row["files"]]} if row["files"] else {}),
    }  # fmt: skip


def _unanswered(read: list[Any], sent: list[Any], state: AgentState) -> list[str]:
    """Reviews that were asked of the agent and not given, and what colleagues wrote since it last wrote to them."""
    reviewed = {m["data"]["reviewed"].get("message") for m in sent if m["data"].get("reviewed")}
    wrote = {m["recipient"]: m["seq"] for m in sent}
    return [
        _short(m)
        for m in read
        if (m["data"].get("review") and _short(m) not in reviewed)
        or (m["sender"] in wrote and m["seq"] > wrote[m["sender"]] and not m["data"].get("report"))
    ]


def _recorded(connection: Connection, table: Any, agent_id: str, keys: Sequence[str]) -> Json:
    """Rows that code wrote for this agent: how many, and the last ones by name."""
    where = table.c.agent_id == agent_id
    total = int(connection.execute(select(func.count()).select_from(table).where(where)).scalar_one())
    if not total:
        return {}
    newest = table.c.created_at if "created_at" in table.c else table.c.id if "id" in table.c else table.c.position
    found = connection.execute(select(table).where(where).order_by(newest.desc(), *table.primary_key).limit(NAMES))
    return {"total": total, "last": [_shown(dict(row), keys) for row in reversed(found.mappings().all())]}


def _words(body: Json) -> str:
    """What the agent reads in place of the conversation so far."""
    carried = {
        "why": body["why"],
        "left_out": f"Everything before your last turn. Look it up with search_files and read_file in "
        f"{', '.join(body['history'])}: one block a line.",
        "calls": [*([f"{body['calls_left_out']} earlier calls"] if body["calls_left_out"] else []), *body["calls"]],
        **body["told"],
    }
    if body["tools"]:
        carried["load_again_with_tool_search"] = body["tools"]
    skills = "".join(f'\n<skill opened="{name}">\n{text}\n</skill>' for name, text in body["conventions"].items())
    return f"<carried_over>{compact(carried)}</carried_over>{skills}"


def _short(row: Any) -> str:
    return str(row["id"].rsplit("/", 1)[-1])


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
