"""What an operator does beside running: set up, look for what is wrong, see the settings, back up and restore."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from bot.commands.shared import AsJson, print_json, say


def add_commands(app: typer.Typer) -> None:
    """Enter the commands into the command line."""
    for command in (init, doctor, settings, backup, restore):
        app.command()(command)


def init() -> None:
    """Make the home directory with a settings file to fill in; what is there stays as it is."""
    import os

    from bot.operations import TEMPLATE, prepared

    home = Path(os.environ.get("CADRE_HOME") or Path.home() / ".cadre")
    made = prepared(home)
    say(f"{'Wrote' if made else 'Kept'} {home / 'cadre.env'}")
    if made:
        say(TEMPLATE.splitlines()[0].lstrip("# "))
    say("Next: fill it in, then `cadre doctor`, then `cadre run`. To try it without any account: `cadre demo`.")


def doctor(as_json: AsJson = False) -> None:
    """Try everything that this configuration names, and say how to mend what does not work."""
    from bot.operations import examined

    found = asyncio.run(examined())
    if as_json:
        print_json({"ok": all(one.ok for one in found), "checks": [one.__dict__ for one in found]})
    else:
        for one in found:
            print(f"{'ok ' if one.ok else 'BAD'}  {one.name:10} {one.detail}")
            if one.fix:
                print(f"     {'':10} {one.fix}")
    sys.exit(0 if all(one.ok for one in found) else 1)


def settings(as_json: AsJson = False) -> None:
    """Every setting with its value and where it comes from; secrets are masked."""
    from bot.settings import described

    rows = described()
    if as_json:
        print_json([row.__dict__ for row in rows])
        return
    for row in rows:
        print(f"{row.name:32} {row.source:8} {row.value}")


def backup(
    file: Annotated[Path, typer.Argument(help="The archive to write, such as cadre-backup.tar.gz.")],
) -> None:
    """Put the database, the workspaces of runs, the skills and the settings of the home into one archive."""
    from bot.operations import archive
    from bot.settings import load

    count = archive(load(), file)
    say(f"{file}: {count} files. It holds credentials and documents; keep it as safe as the home itself.")


def restore(
    file: Annotated[Path, typer.Argument(help="An archive that `cadre backup` wrote.")],
    force: Annotated[bool, typer.Option("--force", help="Replace what is in the home now.")] = False,
) -> None:
    """Bring back what an archive holds; every file is checked against its hash before anything is replaced."""
    from bot.operations import brought_back
    from bot.settings import load

    count = brought_back(load(), file, replace=force)
    say(f"{count} files are back. Start Cadre again; runs go on where the backup left them.")
