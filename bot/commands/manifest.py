"""`cadre manifest`: the Slack app's manifest, from the code."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def manifest(
    write: Annotated[bool, typer.Option("--write", help="Write manifest.yml of this checkout anew.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, as Slack's API takes it.")] = False,
) -> None:
    """Print the manifest for "Create an app from a manifest": what Cadre listens to, and the scopes it needs."""
    from bot.mcp import manifest_entry
    from bot.settings import load
    from bot.slack import manifest as made

    if write:
        made.FILE.write_text(made.text(), encoding="utf-8")
        typer.echo(f"wrote {made.FILE.name}", err=True)
        return
    served = manifest_entry(load().public_url)
    typer.echo(json.dumps(made.manifest(served), indent=2) if as_json else made.text(served), nl=as_json)
