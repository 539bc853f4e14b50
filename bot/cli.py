"""The command `cadre`: one small function per command, each only parses and calls."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from bot import garbage
from bot.commands import operate
from bot.commands.manifest import manifest
from bot.commands.mcp import mcp
from bot.commands.runs import runs
from bot.commands.schedules import schedules
from bot.commands.shared import AsJson, Data, Seed, read, say
from bot.commands.skills import skills
from bot.errors import CadreError
from bot.types import Json

EXIT = {"done": 0, "failed": 1, "waiting": 3, "stopped": 4, "working": 1, "queued": 1}

app = typer.Typer(
    help="Cadre: a Slack assistant for knowledge work. Try it without any account: cadre demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
drill = typer.Typer(help="Prove what is promised about crashes.", no_args_is_help=True)
app.command("manifest")(manifest)
app.add_typer(runs, name="runs")
app.add_typer(schedules, name="schedules")
app.add_typer(skills, name="skills")
app.add_typer(mcp, name="mcp")
app.add_typer(drill, name="drill")

operate.add_commands(app)


def main() -> None:
    """Run the command line; a known error is one sentence and exit code 1."""
    garbage.look_seldom()
    # A traceback with its local values would carry people's words and credentials into the log.
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[*structlog.get_config()["processors"][:-1], plain],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        app()
    except CadreError as error:
        print(f"cadre: {error}", file=sys.stderr)
        sys.exit(1)


@app.command()
def demo(
    data: Data = None,
    seed: Seed = 1,
    port: Annotated[int, typer.Option(help="Port of the local Slack workspace.")] = 0,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser.")] = False,
    exit_: Annotated[bool, typer.Option("--exit", help="End after the story instead of staying up.")] = False,
) -> None:
    """Run the whole product on this machine: a sample company, its quarterly close, a Slack to type into."""
    from bot.demo import tell
    from bot.local import Options

    stay = sys.stdin.isatty() and not exit_
    options = Options(data=data, seed=seed, port=port, approve="all")
    sys.exit(asyncio.run(tell(options, stay=stay, open_browser=stay and not no_open)))


@app.command()
def ask(
    text: str,
    channel: Annotated[str, typer.Option(help="Channel to ask in.")] = "finance",
    as_: Annotated[str, typer.Option("--as", help="Who asks.")] = "maya",
    data: Data = None,
    seed: Seed = 1,
    approve: Annotated[str, typer.Option(help="all: approve what is proposed; none: leave it waiting.")] = "none",
    timeout: Annotated[float, typer.Option(help="Seconds until it gives up.")] = 600.0,
    keep: Annotated[Path | None, typer.Option(help="Keep everything in this folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask once through a private local Slack, from mention to reply."""
    from bot.local import Options, ask_once

    if approve not in ("all", "none"):
        raise typer.BadParameter("all or none", param_hint="--approve")
    if not text.strip():
        raise typer.BadParameter("say what is asked, for example: close Q3 2026", param_hint="TEXT")
    options = Options(data=data, seed=seed, channel=channel, user=as_, approve=approve, timeout_s=timeout, keep=keep)
    result = asyncio.run(ask_once(text, options))
    if as_json:
        print(json.dumps(result, ensure_ascii=False, indent=1, default=str))
    else:
        for message in result["thread"]:
            print(f"{message['user']}: {message['text']}\n")
    sys.exit(EXIT[result["run"]["status"]])


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def loopback(ctx: typer.Context) -> None:
    """Start only the stand-in servers; options as in `python -m loopback --help`."""
    import os

    os.execv(sys.executable, [sys.executable, "-m", "loopback", *ctx.args])


@app.command()
def run(
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Only the Slack surface.")] = False,
    http: Annotated[int, typer.Option(help="Port of the pages that figures link to; 0: any.")] = 0,
) -> None:
    """The production process: Slack surface and worker, configured by the environment."""
    from bot.serve import serve
    from bot.settings import load

    asyncio.run(serve(load(), surface=True, worker=not no_worker, http_port=http))


@app.command()
def worker() -> None:
    """A further worker on the same database."""
    from bot.serve import serve
    from bot.settings import load

    asyncio.run(serve(load(), surface=False, worker=True, http_port=None))


@app.command()
def migrate() -> None:
    """Bring the database to this version."""
    from bot.app import open_store
    from bot.settings import load

    db, clock = open_store(load())
    db.close()
    clock.close()
    say("The database is up to date.")


@app.command()
def status(as_json: AsJson = False) -> None:
    """The processes at work on this database."""
    from sqlalchemy import func, select

    from bot.store import schema as t

    def look(c: Any) -> Json:
        swept = c.execute(select(func.coalesce(func.sum(t.agent.c.swept), 0))).scalar()
        rows = c.execute(select(t.worker).order_by(t.worker.c.started_at)).mappings()
        return {"processes": [dict(r) for r in rows], "wakes_found_by_sweep": int(swept)}

    found = read(look)
    if as_json:
        print(json.dumps(found))
        return
    for row in found["processes"]:
        print(f"{row['role']:12} pid {row['pid']} on {row['host']}")


@drill.command("kill")
def drill_kill(
    points: Annotated[str, typer.Option(help="all, or how many.")] = "all",
    seed: Annotated[int, typer.Option(help="Chooses the company and the points.")] = 1,
    work: Annotated[
        str,
        typer.Option(
            help="What is worked: close or launch; a morning or a day of simulated hours with 4 or 30 kills."
        ),
    ] = "close",
    kills: Annotated[int, typer.Option(min=1, help="At how many of the points each run is killed.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Kill the process at its commit points and around external calls of small work; compare the outcomes."""
    from bot.drill.kill import WORKS, kill_drill
    from bot.drill.long import STORIES, long_drill

    if work not in (*WORKS, *STORIES):
        raise typer.BadParameter(", ".join((*WORKS, *STORIES)), param_hint="--work")
    if work in STORIES:
        told = long_drill(story=STORIES[work], seed=seed, say=say)
        print(json.dumps(told.as_json()) if as_json else told.in_words())
        sys.exit(1 if told.repeated or told.differing else 0)
    if points != "all" and not points.isdigit():
        raise typer.BadParameter("all, or a number", param_hint="--points")
    trials = None if points == "all" else int(points)
    report = kill_drill(trials=trials, seed=seed, say=say, work=work, kills=kills)
    if as_json:
        print(json.dumps(report.as_json()))
    else:
        print(f"{report.points} points, {report.trials} trials, {report.killed} kills")
        print(f"{len(report.differing)} outcomes differ from the undisturbed run")
        print("\n".join(report.differing))
    sys.exit(1 if report.differing else 0)
