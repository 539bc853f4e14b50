"""What a run has so far, for those who end it early: said to be partial, from rows alone."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from bot.store import schema as t
from bot.tools import render
from bot.types import Json

SHOWN = 8  # findings and artifacts named one by one; more are counted
LONG = 400  # characters of one summary
ROUND = str.maketrans("[]", "()")  # a name with brackets would end its link


def partial_result(connection: Connection, run_id: str, figure_page: str) -> str:
    """Finished tasks with their owners' summaries, findings and artifacts as text; "" when there is nothing yet."""

    def rows(table: Any, *order: Any) -> list[Any]:
        query = select(table).where(table.c.run_id == run_id).order_by(*order)
        return list(connection.execute(query).mappings())

    tasks = rows(t.task, t.task.c.position)
    lines = _tasks(tasks, _summaries(rows(t.mail, t.mail.c.seq)))
    lines += _findings(rows(t.finding, t.finding.c.position))
    lines += _artifacts(rows(t.artifact, t.artifact.c.created_at))
    lines += _begun(connection, run_id, tasks)
    if not lines:
        return ""
    undone = [task["title"] for task in tasks if task["status"] != "done"]
    if undone:
        lines.append(f"• Not done: {'; '.join(undone)}")
    text = "\n".join(lines)
    head = "*Partial result*, as far as the work had come; it was not checked as a whole:"
    return f"{head}\n{render.for_thread(connection, run_id, text, figure_page)}"


def _summaries(mails: list[Any]) -> dict[str, str]:
    """What owners reported about their tasks, the last word of each."""
    reports = [m["data"] for m in mails if m["data"].get("report") and m["data"].get("status") == "done"]
    return {data["task"]: str(data.get("summary", "")) for data in reports if data.get("task")}


def _tasks(tasks: list[Any], summaries: dict[str, str]) -> list[str]:
    done = [task for task in tasks if task["status"] == "done"]
    return [f"• Done: {task['title']}{_after(summaries.get(task['id'], ''))}" for task in done]


def _after(summary: str) -> str:
    return f": {_cut(summary)}" if summary else ""


def _findings(findings: list[Any]) -> list[str]:
    told = [f"    ◦ {_finding(row)}" for row in findings[:SHOWN]]
    if len(findings) > SHOWN:
        told.append(f"    ◦ and {len(findings) - SHOWN} more")
    return [f"• Findings so far: {len(findings)}", *told] if findings else []


def _finding(row: Any) -> str:
    where = " ".join(str(row[name]) for name in ("account", "department", "period") if row[name])
    return _cut(f"{row['kind'].replace('_', ' ')}, {where}, {row['amount']}{_after(row['text'])}")


def _artifacts(artifacts: list[Any]) -> list[str]:
    newest: dict[str, Json] = {row["name"]: dict(row) for row in artifacts}
    names = [
        f"[{name.translate(ROUND)}]({row['url']})" if row["url"] else f"{name} (version {row['version']})"
        for name, row in newest.items()
    ]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"• Made so far: {', '.join(names[:SHOWN])}{more}"] if names else []


def _begun(connection: Connection, run_id: str, tasks: list[Any]) -> list[str]:
    """Tasks at work: how many steps their owners made, and the files they have so far."""
    made = select(t.tool_call.c.agent_id, func.count()).where(
        t.tool_call.c.run_id == run_id, t.tool_call.c.status == "done", t.tool_call.c.effect != "team"
    )
    steps = {row[0]: row[1] for row in connection.execute(made.group_by(t.tool_call.c.agent_id))}
    files: dict[str, dict[str, None]] = {}
    kept = select(t.journal.c.agent_id, t.journal.c.body).where(
        t.journal.c.run_id == run_id, t.journal.c.kind == "tool.files"
    )
    for agent, body in connection.execute(kept.order_by(t.journal.c.seq)).all():
        files.setdefault(agent, {}).update(dict.fromkeys(body.get("files", ())))
    told = []
    for task in tasks:
        agent = f"{run_id}/{task['owner']}"
        if task["status"] != "working" or not steps.get(agent):
            continue
        names = list(files.get(agent, {}))
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        having = f", with {', '.join(names[:SHOWN])}{more} in its workspace" if names else ""
        told.append(f"• Begun: {task['title']}: {task['owner']} is at step {steps[agent] + 1}{having}")
    return told


def written(connection: Connection, run_id: str) -> str:
    """One sentence about shared documents: what was written, what may have been, or that nothing was."""
    rows = connection.execute(
        select(t.effect.c.target, t.effect.c.status).where(t.effect.c.run_id == run_id, t.effect.c.kind == "write")
    ).all()
    done = [row.target for row in rows if row.status == "done"]
    unclear = [row.target for row in rows if row.status != "done"]
    staged = connection.execute(select(t.change.c.id).where(t.change.c.run_id == run_id)).all()
    told = []
    if done:
        told.append(f"Written to shared documents before that: {', '.join(done)}.")
    if unclear:
        told.append(f"It is not certain whether {', '.join(unclear)} was written; please look there.")
    if not rows and staged:
        told.append("Nothing that was staged has been written.")
    return " ".join(told) or "Nothing was written."


def _cut(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= LONG else plain[: LONG - 1].rstrip() + "…"
