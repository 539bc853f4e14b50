"""The guided story: the sample company's quarterly close in #finance, by itself, then a Slack to type into."""

from __future__ import annotations

import asyncio
import re
import tempfile
import webbrowser
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from bot.local import Options, Stage, stage

REQUEST = "close Q3 2026"


async def tell(options: Options, *, stay: bool, open_browser: bool) -> int:
    """Run the story; returns the exit code. With `stay` it goes on until interrupted."""
    console = Console(highlight=False)
    console.print("Starting the local Slack, Google, ledger and model, and Cadre …")
    with tempfile.TemporaryDirectory(prefix="cadre-demo-") as scratch:
        async with stage(options, Path(scratch)) as here:
            web = here.ready["slack"]["web_url"]
            console.print(f"The local Slack workspace: [bold]{web}[/bold]\n")
            if open_browser:
                webbrowser.open(web)
            code = await _story(here, options, console)
            if stay:
                console.print("\nType in #finance yourself, for example: @cadre close Q3 2026")
                console.print("/quarter-close Q3 2026   /quarter-close summary   @cadre digest this channel")
                console.print("Ctrl-C ends it.")
                await asyncio.Event().wait()
            return code


async def _story(here: Stage, options: Options, console: Console) -> int:
    console.print(f"{options.user} in #{options.channel}: @cadre {REQUEST}")
    run_id = await here.mention(REQUEST, options)
    status = await here.follow(run_id, options)
    result = await here.result(run_id)
    for message in result["thread"][1:]:
        console.print(f"\n[bold]cadre[/bold]: {_terminal(message['text'])}")
    console.print(f"\nThe run ended: {status}. The thread: {result['run']['permalink']}")
    return 0 if status == "done" else 1


def _terminal(text: str) -> str:
    """Slack's links as a terminal's: the label, with the address behind it where the terminal can."""
    return re.sub(r"<(https?://[^|>]+)\|([^>]+)>", r"[link=\1]\2[/link]", escape(text))
