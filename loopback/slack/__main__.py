"""`python -m loopback.slack`: a local Slack workspace for any Bolt app."""

import argparse
import asyncio
import sys
from pathlib import Path

from loopback.control import CallLog, Clock, Faults, announce, stopped
from loopback.slack.seed import SMALL_WORKSPACE, AppDefinition, load_workspace, with_bot, with_export
from loopback.slack.server import start
from loopback.slack.signed_http import RequestUrls


async def _run(given: argparse.Namespace) -> None:
    clock = Clock(given.clock)
    workspace = load_workspace(given.workspace) if given.workspace else SMALL_WORKSPACE
    if given.slack_export:
        workspace = with_export(workspace, given.slack_export)
    definition = AppDefinition.from_manifest(given.manifest) if given.manifest else None
    if definition is not None and definition.bot_name:
        workspace = with_bot(workspace, definition.bot_name)
    log = CallLog(clock)
    urls = RequestUrls(given.request_url) if given.request_url else None
    running = await start(
        log=log,
        faults=Faults(),
        clock=clock,
        port=given.port,
        workspace=workspace,
        definition=definition,
        rate_limits=given.rate_limits,
        request_urls=urls,
    )
    announce({"slack": running.ready}, given.ready_file)
    print(f"Local Slack: {running.url}/", file=sys.stderr)
    await stopped()
    await running.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loopback.slack", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--workspace", type=Path, help="workspace.json; else a small built-in one")
    parser.add_argument("--slack-export", type=Path, help="a Slack export (zip) added to the workspace")
    parser.add_argument(
        "--manifest", type=Path, help="the app's manifest: name, scopes, events, commands and shortcuts follow it"
    )
    parser.add_argument("--request-url", help="the app's address for signed HTTP; else Socket Mode")
    parser.add_argument("--no-rate-limits", dest="rate_limits", action="store_false", help="never answer 429 unasked")
    parser.add_argument("--clock", choices=("real", "simulated"), default="simulated")
    parser.add_argument("--ready-file", type=Path, help="gets the addresses as JSON; else they are printed")
    asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
