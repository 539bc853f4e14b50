"""`cadre schedules`: requests that recur, listed, added, held and made at once."""

from __future__ import annotations

import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from bot.commands.shared import AsJson, print_json, read, say, write
from bot.errors import CadreError
from bot.types import Json

schedules = typer.Typer(help="Requests that recur.", no_args_is_help=True)


@schedules.command("add")
def schedules_add(
    text: Annotated[str, typer.Argument(help='As people say it: "every weekday at 9:00 digest this channel".')],
    channel: Annotated[str, typer.Option(help="The channel's id, as its link shows it.")],
    owner: Annotated[str, typer.Option("--as", help="The Slack id of the person on whose behalf it is done.")],
    team: Annotated[str, typer.Option(help="The workspace's id; needed where Cadre serves several.")] = "",
    as_json: AsJson = False,
) -> None:
    """Keep a request that recurs; its results are posted in the channel."""
    from bot.coordinator import recurring
    from bot.coordinator import schedules as kept
    from bot.settings import load
    from bot.types import Request

    schedule = recurring.parse(text)
    if schedule is None:
        raise typer.BadParameter(
            f'{text!r} is no recurring request; say it as "every weekday at 9:00 digest this channel".',
            param_hint="TEXT",
        )
    zone = load().zone

    def add(tx: Any) -> Json:
        request = Request(
            team=team or kept.only_team(tx.connection), channel=channel, thread="", key="", kind="schedule",
            user=owner, text=text,
        )  # fmt: skip
        due = kept.add(tx, request, schedule, zone)
        return {
            "words": schedule.words,
            "request": schedule.request,
            "first": due.isoformat(),
            "canvas": schedule.canvas,
        }

    try:
        added = write(add)
    except LookupError as error:
        raise CadreError(str(error)) from error
    if as_json:
        print_json(added)
    else:
        place = f" {kept.IN_CANVAS}" if added["canvas"] else ""
        say(f"{added['words'].capitalize()}: {added['request']}. First time: {added['first']}.{place}")


@schedules.command("list")
def schedules_list(as_json: AsJson = False) -> None:
    """Every recurring request, the next due first."""
    rows = _rows()
    if as_json:
        print_json(rows)
        return
    for row in rows:
        place = " (in a canvas)" if row["canvas"] else ""
        print(f"{row['id']}  {row['status']:7}  {row['next']}  {row['words']}: {row['request'][:60]}{place}")


@schedules.command("next")
def schedules_next(
    automation: str, count: Annotated[int, typer.Option(min=1, max=100)] = 5, as_json: AsJson = False
) -> None:
    """The next times of one recurring request, in its own time zone."""
    from bot.coordinator.recurring import next_time

    row = _row(automation)
    after, times = datetime.datetime.now(datetime.UTC).timestamp(), []
    for _ in range(count):
        due = next_time(row["recurrence"], row["zone"], after)
        times.append(due.isoformat())
        after = due.timestamp()
    print_json(times) if as_json else print("\n".join(times))


@schedules.command("pause")
def schedules_pause(automation: str) -> None:
    """Hold a recurring request; nothing is made up for later."""
    _set(automation, "paused")
    say(f"{automation} is held; `cadre schedules resume {automation}` goes on.")


@schedules.command("resume")
def schedules_resume(automation: str) -> None:
    """Let a held request recur again, from its next time on."""
    _set(automation, "active")
    say(f"{automation} goes on.")


@schedules.command("run")
def schedules_run(automation: str) -> None:
    """Make the request now, beside its times; the processes at work take it up."""
    from bot.coordinator.schedules import fire_now

    row = _row(automation)
    write(lambda tx: fire_now(tx, row["id"]))
    say(f"{row['request']!r} is asked for now.")


def _set(automation: str, status: str) -> None:
    from bot.coordinator.schedules import set_status

    _row(automation)
    write(lambda tx: set_status(tx, automation, status))


def _row(automation: str) -> Json:
    found = next((row for row in _rows() if row["id"] == automation), None)
    if found is None:
        raise CadreError(f"There is no recurring request {automation}; `cadre schedules list` shows what there is.")
    return found


def _rows() -> list[Json]:
    from sqlalchemy import select

    from bot.store.schema import automation

    query = select(automation).where(automation.c.status != "removed").order_by(automation.c.next_at)
    rows: list[Json] = read(lambda c: [dict(row) for row in c.execute(query).mappings()])
    for row in rows:
        due = datetime.datetime.fromtimestamp(row["next_at"], ZoneInfo(row["zone"])) if row["next_at"] else None
        row["next"] = due.isoformat(timespec="minutes") if due and row["status"] == "active" else "–"
    return rows
