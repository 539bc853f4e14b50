"""`python -m loopback`: Slack, Google, the offline model, the ledger and a clock, with a sample company inside."""

import argparse
import asyncio
import json
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from loopback import clock as clock_server
from loopback import company, model, slack
from loopback.company.launch import CRM_FILE
from loopback.control import SERVICES, CallLog, Clock, Faults, announce, serve, stopped
from loopback.google.app import build as build_google
from loopback.slack.seed import AppDefinition, load_workspace, with_export

LEDGER_S = 60.0
STOP_S = 5.0
MANIFEST = Path(__file__).parents[1] / "manifest.yml"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def _run(given: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        home = given.home or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="loopback-")))
        sample = home / "company"
        _say(f"Making the sample company (seed {given.seed}{', small' if given.small else ''}) …")
        made = await asyncio.to_thread(company.generate, given.seed, small=given.small)
        await asyncio.to_thread(company.write, made, sample)
        data = given.data or sample
        services = await _started(stack, given, data, sample)
        announce(services, given.ready_file)
        _say(f"Ready. The local Slack is at {services['slack']['web_url']}")
        await stopped()
        _say("Stopping.")


async def _started(stack: AsyncExitStack, given: argparse.Namespace, data: Path, sample: Path) -> dict[str, Any]:
    """Starts every server; each of them can introduce the others."""
    clock = Clock(given.clock)
    log = CallLog(clock)
    workspace = load_workspace(
        data / "workspace.json" if (data / "workspace.json").exists() else sample / "workspace.json"
    )
    if given.slack_export:
        workspace = with_export(workspace, given.slack_export)
    definition = AppDefinition.from_manifest(MANIFEST) if MANIFEST.exists() else None
    running = await slack.start(
        log=log, faults=Faults(), clock=clock, port=given.port, workspace=workspace, definition=definition
    )
    stack.push_async_callback(running.close)
    drive = data / "drive" if (data / "drive").is_dir() else data
    google_app = build_google(drive_dir=drive, log=log, faults=Faults(), clock=clock)
    google_url = await _serving(stack, google_app)
    model_app = model.build(log=log, faults=Faults(), clock=clock)
    model_url = await _serving(stack, model_app)
    clock_url = await _serving(stack, clock_server.build(clock))
    services: dict[str, Any] = {
        "slack": running.ready,
        "google": {"base_url": google_url, "control_url": google_url},
        "model": {"base_url": model_url, "control_url": model_url},
        "clock": {"url": clock_url},
    }
    _say(f"Reading the ledger in {data} …")
    ledger_url = await stack.enter_async_context(_ledger(data))
    if ledger_url:
        services["ledger"] = {"url": ledger_url}
    records = data / "crm" / CRM_FILE
    if records.is_file():
        services["crm"] = {"url": await stack.enter_async_context(_crm(records))}
    for app in (running.app, google_app, model_app):
        app[SERVICES].update(services)
    return services


async def _serving(stack: AsyncExitStack, app: web.Application) -> str:
    runner, url = await serve(app)
    stack.push_async_callback(runner.cleanup)
    return url


@asynccontextmanager
async def _ledger(data: Path) -> AsyncIterator[str]:
    """The ledger server as a child process; its address, or nothing when the folder has no ledger it can read."""
    command = [sys.executable, "-m", "connectors.ledger", "--data", str(data), "--http", "0"]
    child = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    try:
        yield await _address(child, data)
    finally:
        await _ended(child)


@asynccontextmanager
async def _crm(records: Path) -> AsyncIterator[str]:
    """The CRM as a child process; its address."""
    command = [sys.executable, "-m", "loopback.company.crm", "--data", str(records)]
    child = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    try:
        assert child.stdout is not None
        line = await asyncio.wait_for(child.stdout.readline(), LEDGER_S)
        yield str(json.loads(line)["url"])
    finally:
        await _ended(child)


async def _address(child: Process, data: Path) -> str:
    assert child.stdout is not None
    try:
        line = await asyncio.wait_for(child.stdout.readline(), LEDGER_S)
    except TimeoutError:
        line = b""
    if not line:
        _say(f"The ledger did not start: nothing in {data} can be read as one. Its tools will be missing.")
        return ""
    return str(json.loads(line)["url"])


async def _ended(child: Process) -> None:
    if child.returncode is not None:
        return
    child.terminate()
    try:
        await asyncio.wait_for(child.wait(), STOP_S)
    except TimeoutError:
        child.kill()
        await child.wait()


def main() -> None:
    """Reads the arguments and serves until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m loopback", description=__doc__)
    parser.add_argument(
        "--data", type=Path, help="a folder that is the Drive and the ledger; else the sample company"
    )
    parser.add_argument("--seed", type=int, default=7, help="another seed, another sample company (default 7)")
    parser.add_argument("--small", action="store_true", help="a smaller sample company")
    parser.add_argument("--slack-export", type=Path, help="a Slack export (zip) added to the workspace")
    parser.add_argument("--clock", choices=("real", "simulated"), default="real", help="simulated can be moved")
    parser.add_argument("--port", type=int, default=0, help="of the Slack page; 0 takes a free one")
    parser.add_argument("--ready-file", type=Path, help="gets the addresses as JSON; else they are printed")
    parser.add_argument("--home", type=Path, help="where the sample company is kept; else a temporary folder")
    given = parser.parse_args()
    for folder in (given.data, given.slack_export):
        if folder is not None and not folder.exists():
            parser.error(f"{folder} does not exist")
    try:
        asyncio.run(_run(given))
    except OSError as error:
        sys.exit(f"The stand-ins could not start: {error}")


if __name__ == "__main__":
    main()
