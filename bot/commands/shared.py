"""What commands share: the store for a moment, and options that several take."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON alone on standard output.")]
Data = Annotated[Path | None, typer.Option("--data", help="A folder of CSV, XLSX and Markdown files to work on.")]
Seed = Annotated[int, typer.Option("--seed", help="Which sample company.")]


def say(text: str) -> None:
    """A line for the person at the terminal; standard output is for data."""
    print(text, file=sys.stderr, flush=True)


def print_json(data: Any) -> None:
    print(json.dumps(data, ensure_ascii=False, indent=1, default=str))


@contextmanager
def store() -> Iterator[Any]:
    """The database of this configuration, migrated and closed again."""
    from bot.app import open_store
    from bot.settings import load

    db, clock = open_store(load())
    try:
        yield db
    finally:
        db.close()
        clock.close()


def read(look: Callable[[Any], Any]) -> Any:
    with store() as db:
        return db.read_now(look)


def write(work: Callable[[Any], Any]) -> Any:
    with store() as db:
        return db.write_now(work)
