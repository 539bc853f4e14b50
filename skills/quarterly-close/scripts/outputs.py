"""How the checks find the outputs of a run: by their columns, below the directory they run in."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from closelib import Row, WrongInput, read_rows


def find(columns: Iterable[str], what: str, inbox: bool = False) -> list[Path]:
    """CSV files with these columns, made by an agent itself or (inbox) received by one; none is an error."""
    needed = set(columns)
    found = []
    for path in sorted(Path().rglob("*.csv"), key=lambda p: (len(p.parts), str(p))):
        if ("inbox" in path.parts) == inbox and needed <= set(header(path)):
            found.append(path)
    if not found:
        raise WrongInput(f"{what}: no file with the columns {', '.join(columns)} is among the outputs.")
    return found


def header(path: Path) -> list[str]:
    """The column names of a CSV file."""
    with path.open(encoding="utf-8", newline="") as source:
        return next(csv.reader(source), [])


def rows_of(columns: tuple[str, ...], what: str) -> tuple[Path, list[Row]]:
    """The rows of the one file an agent made with these columns, and the directory of that agent."""
    path = find(columns, what)[0]
    return path.parent, read_rows(str(path), columns, what)
