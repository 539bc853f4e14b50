"""The task board of a run: what is ready, who holds what and until when, and how work comes back from the dead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from bot.errors import ModelMustRetry
from bot.store import journal, mail
from bot.store.database import Tx
from bot.store.fast import Statement
from bot.store.schema import agent, artifact, task, tool_call
from bot.store.schema import journal as rows
from bot.types import Json

LEASE_S = 1_800.0  # a claim lasts this long after the last thing its owner did
ATTEMPTS = 3  # owners who may end over a task before a person has to look
ALIVE = ("live", "finishing")

Board = Mapping[str, Any]

CALLS = Statement(  # the latest first
    select(tool_call.c.name, tool_call.c.args)
    .where(tool_call.c.run_id == bindparam("of"), tool_call.c.agent_id == bindparam("by"))
    .order_by(tool_call.c.turn.desc(), tool_call.c.position.desc())
    .limit(bindparam("last"))
)


def tasks(connection: Connection, run_id: str) -> dict[str, Any]:
    """The plan by task id, in its order."""
    found = connection.execute(select(task).where(task.c.run_id == run_id).order_by(task.c.position)).mappings()
    return {row["id"]: dict(row) for row in found}


def blocked_by(board: Board, one: Any) -> list[str]:
    """The tasks that must be done before this one; computed, never stored."""
    return [needed for needed in one["depends_on"] if needed in board and board[needed]["status"] != "done"]


def circle(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """The tasks that depend on each other in a circle, or none."""
    waits = {name: set(on) & needs.keys() for name, on in needs.items()}
    while waits:
        ready = {name for name, on in waits.items() if not on & waits.keys()}
        if not ready:
            return sorted(waits)
        for name in ready:
            del waits[name]
    return []


def known(board: Board, task_id: str) -> Any:
    """The task. Raises ModelMustRetry with what the plan has."""
    if task_id not in board:
        raise ModelMustRetry(f"The plan has no task {task_id}; it has {', '.join(board) or 'none yet'}.")
    return board[task_id]


def held_by(board: Board, name: str) -> str:
    """The task that an agent is at work on, or ""."""
    return next((one["id"] for one in board.values() if one["owner"] == name and one["status"] == "working"), "")


def claim(tx: Tx, run_id: str, name: str, task_id: str = "") -> Any:
    """Take a ready task (any, when none is named) with a lease. Raises ModelMustRetry saying what is in the way.

    One conditional update decides between agents that claim at the same time; an agent holds one task at a time.
    """
    board = tasks(tx.connection, run_id)
    busy = held_by(board, name)
    if busy and busy != task_id:
        raise ModelMustRetry(f"You are at work on {busy}; finish it or give it back with release_task first.")
    for one in board.values() if not task_id else [known(board, task_id)]:
        if _in_the_way(tx, board, one, name):
            continue
        if one["status"] == "working":
            come_back(tx, run_id, one["id"], "its claim ran out without a sign of life")
        taken = tx.execute(
            update(task)
            .where(task.c.run_id == run_id, task.c.id == one["id"], task.c.status == "pending",
                   task.c.owner.in_(("", name)))
            .values(owner=name, status="working", lease_until=tx.now() + LEASE_S)
        )  # fmt: skip
        if taken.rowcount:
            give(tx, run_id, name, one["id"], claimed=True)
            return tasks(tx.connection, run_id)[one["id"]]
    if task_id:
        now = tasks(tx.connection, run_id)
        raise ModelMustRetry(_in_the_way(tx, now, now[task_id], name) or f"{task_id} was taken by somebody else.")
    states = "; ".join(f"{one['id']} {said(board, one)}" for one in board.values()) or "the plan has none"
    raise ModelMustRetry(f"No task is free: {states}.")


def said(board: Board, one: Any) -> str:
    """A task's state in words."""
    blocked = blocked_by(board, one)
    if one["status"] == "pending" and blocked:
        return f"is blocked by {', '.join(blocked)}"
    if one["person"] and one["status"] != "done":
        return "belongs to a person"
    return f"is {one['status']}" + (f" ({one['owner']})" if one["owner"] else "")


def _in_the_way(tx: Tx, board: Board, one: Any, name: str) -> str:
    """Why this agent cannot take this task now, or ""."""
    if one["person"] or one["status"] not in ("pending", "working") or blocked_by(board, one):
        return f"{one['id']} {said(board, one)}."
    if one["status"] == "pending":
        return "" if one["owner"] in ("", name) else f"{one['id']} is planned for {one['owner']}."
    if one["owner"] == name:
        return f"You hold {one['id']} already."
    return "" if lapsed(tx, one) else f"{one['id']} {said(board, one)}; its claim has not run out."


def lapsed(tx: Tx, one: Any) -> bool:
    """Whether the owner of a task in work has ended, or has shown no sign of life for as long as a lease lasts."""
    owner = tx.execute(
        select(agent.c.id, agent.c.status, agent.c.waiting).where(agent.c.id == f"{one['run_id']}/{one['owner']}")
    ).first()
    if owner is None or owner.status not in ALIVE:
        return True
    if owner.waiting:  # asleep until somebody answers: alive without a sign
        return False
    last = tx.execute(
        select(rows.c.at).where(rows.c.agent_id == owner.id).order_by(rows.c.seq.desc()).limit(1)
    ).scalar()
    return bool(max(one["lease_until"], (last or 0.0) + LEASE_S) < tx.now())


def give(tx: Tx, run_id: str, name: str, task_id: str, *, claimed: bool = False) -> None:
    """Make an agent the owner of a task that it may work on; what earlier owners left comes by mail."""
    tx.execute(
        update(task)
        .where(task.c.run_id == run_id, task.c.id == task_id)
        .values(owner=name, status="working", lease_until=tx.now() + LEASE_S)
    )
    tx.execute(update(agent).where(agent.c.id == f"{run_id}/{name}").values(task=task_id))
    journal.append(tx, run_id, "assigned", {"task": task_id, "agent": name, "claimed": claimed})
    left = tasks(tx.connection, run_id)[task_id]["notes"]
    if left:
        words = " ".join(f"{note['by']} had {task_id} before you: {note['why']}." for note in left)
        files = [item for note in left for item in _left_by(tx, run_id, note["by"])]
        mail.send(tx, run_id, mail.HARNESS, name, words[: mail.TEXT_MAX], data={"task": task_id}, files=tuple(files))


def _left_by(tx: Tx, run_id: str, name: str) -> list[mail.SharedFile]:
    """The newest version of each output that an agent handed in."""
    found = tx.execute(
        select(artifact.c.name, artifact.c.sha256, artifact.c.id)
        .where(artifact.c.run_id == run_id, artifact.c.agent_id == f"{run_id}/{name}", artifact.c.path != "")
        .order_by(artifact.c.version)
    )
    newest = {row.name: mail.SharedFile(row.name.split("/", 1)[-1], row.sha256, row.id) for row in found}
    return list(newest.values())


def come_back(tx: Tx, run_id: str, task_id: str, why: str, owners: int = ATTEMPTS) -> str:
    """A task returns from an owner who cannot go on; returns its status: pending again, or failed after `owners`."""
    one = tasks(tx.connection, run_id)[task_id]
    if one["status"] not in ("pending", "working"):
        return str(one["status"])
    attempt = one["attempt"] + 1
    status = "pending" if attempt < owners else "failed"
    tx.execute(
        update(task)
        .where(task.c.run_id == run_id, task.c.id == task_id)
        .values(owner="", status=status, attempt=attempt, lease_until=0.0,
                notes=[*one["notes"], {"by": one["owner"], "why": why[:1_000].rstrip(".")}])
    )  # fmt: skip
    if one["owner"]:
        tx.execute(update(agent).where(agent.c.id == f"{run_id}/{one['owner']}").values(task=""))
    journal.append(tx, run_id, "task.returned", {"task": task_id, "from": one["owner"], "why": why, "status": status})
    return status


def end_agent(tx: Tx, run_id: str, name: str, status: str, why: str) -> list[str]:
    """End an agent from outside, its own team first: a running activation loses its right to write.

    Tasks come back, unread mail is returned. Gives the names of those who ended.
    """
    ended: list[str] = []
    children = tx.execute(
        select(agent.c.name).where(agent.c.run_id == run_id, agent.c.parent == name, agent.c.kind == "agent")
    ).scalars()
    for child in list(children):
        if child != name:
            ended += end_agent(tx, run_id, child, "stopped", f"its lead {name} ended")
    stopped = tx.execute(
        update(agent)
        .where(agent.c.id == f"{run_id}/{name}", agent.c.status.in_(ALIVE))
        .values(
            status=status, waiting=None, finish=None, epoch=agent.c.epoch + 1, lease_owner=None, lease_until=0.0,
            slept_seq=agent.c.wake_seq, due_at=None,
        )
    )  # fmt: skip
    if stopped.rowcount:
        ended.append(name)
        journal.append(tx, run_id, "agent.stopped", {"name": name, "status": status, "why": why})
    hand_back(tx, run_id, name, why)
    return ended


def hand_back(tx: Tx, run_id: str, name: str, why: str, owners: int = ATTEMPTS) -> list[str]:
    """What an agent that ended leaves: its task on the board, its unread mail with the senders; gives the tasks."""
    back = [
        one["id"]
        for one in tasks(tx.connection, run_id).values()
        if one["owner"] == name and one["status"] == "working"
    ]
    for task_id in back:
        come_back(tx, run_id, task_id, why, owners)
    mail.give_back(tx, run_id, name)
    return back


def depth(connection: Connection, run_id: str, name: str) -> int:
    """How many leads stand above an agent."""
    found = connection.execute(select(agent.c.name, agent.c.parent).where(agent.c.run_id == run_id))
    above = {row.name: row.parent for row in found}
    steps = 0
    while above.get(name) and above[name] != name and steps < len(above):
        name, steps = above[name], steps + 1
    return steps


def talked(
    connection: Connection, run_id: str, name: str, kinds: Iterable[str], to: str, last: int
) -> tuple[int, int]:
    """How many messages an agent sent in a row without any other work: (to this recipient, to anyone)."""
    talk, told, all_told = set(kinds), 0, 0
    found = CALLS.each(connection, {"of": run_id, "by": f"{run_id}/{name}", "last": last})
    for row in found:
        if row["name"] not in talk:
            break
        if row["args"].get("to"):
            all_told += 1
            told += row["args"]["to"] == to
    return told, all_told


def size(connection: Connection, run_id: str) -> int:
    """How many tasks the plan has."""
    return int(connection.execute(select(func.count()).where(task.c.run_id == run_id)).scalar_one())


def progress(board: Board) -> Json:
    """The board in one look: state and owner of each task, blocked ones with what blocks them."""
    return {
        "tasks": [
            {"id": one["id"], "title": one["title"], "status": one["status"], "owner": one["owner"],
             "blocked_by": blocked_by(board, one), "attempt": one["attempt"]}
            for one in board.values()
        ]
    }  # fmt: skip
