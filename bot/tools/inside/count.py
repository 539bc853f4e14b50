"""Counts over CSV files as they stand: {files, queries} in, {ok, values} out, one value per query. Runs in a cell.

Every cell of a file is a text of the table `answers`; a query that fails gives its reason instead of a value.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

sys.path.insert(0, os.path.dirname(__file__))
import csv_file  # type: ignore[import-not-found]  # these lie beside this file
import exact  # type: ignore[import-not-found]
from query_table import SETTINGS, Refused, one_select, plain  # type: ignore[import-not-found]


def main() -> None:
    """Reads the arguments and prints the answer."""
    args = json.loads(sys.stdin.read())
    values: list[dict[str, str]] = [{} for _ in args["queries"]]
    for name, path in args["files"].items():
        wanted = [(at, sql) for at, (file, sql) in enumerate(args["queries"]) if file == name]
        for at, found in zip((at for at, _ in wanted), answers(path, [sql for _, sql in wanted]), strict=True):
            values[at] = found
    print(json.dumps({"ok": True, "values": values}, ensure_ascii=False))


def answers(path: str, queries: list[str]) -> list[dict[str, str]]:
    """The single value of each query over one file."""
    import duckdb

    with duckdb.connect(":memory:", config=SETTINGS) as db:
        try:
            csv_file.load(db, "answers", path)
            db.execute("SET enable_external_access = false")
            db.execute("SET lock_configuration = true")
        except (duckdb.Error, csv_file.Unreadable) as error:
            return [{"error": str(error).splitlines()[0]} for _ in queries]
        return [answer(db, sql) for sql in queries]


def answer(db: Any, sql: str) -> dict[str, str]:
    """One value, or why there is none."""
    import duckdb

    try:
        found = db.execute(one_select(db, sql))
        if exact.floating(found):
            return {"error": "it gives a floating number, which is not exact"}
        rows = found.fetchmany(2)
    except (duckdb.Error, Refused) as error:
        return {"error": str(error).splitlines()[0]}
    if len(rows) != 1 or len(rows[0]) != 1 or rows[0][0] is None:
        return {"error": "it gives not exactly one value"}
    return {"value": str(plain(rows[0][0]))}


if __name__ == "__main__":
    main()
