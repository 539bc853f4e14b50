"""One SELECT over CSV files with exact decimals: {sql, tables} in, {ok, columns, rows} out. Runs in a cell."""

from __future__ import annotations

import json
import os
import re
import sys
from decimal import Decimal
from typing import Any

sys.path.insert(0, os.path.dirname(__file__))
import csv_file  # type: ignore[import-not-found]  # these two lie beside this file
import exact  # type: ignore[import-not-found]

MOST_ROWS = 200_000
MOST_BYTES = 6 * 1024**2
ORDERS = re.compile(
    r"[<>]|\b(min|max|min_by|max_by|arg_min|arg_max|median|mode|quantile\w*|greatest|least|order|between|over)\b",
    re.I,
)
ALL = re.compile(r"(\bselect|,|\.)\s*(distinct\s*)?\*|\bcolumns\s*\(", re.I)
# As people write amounts: 1,234.50, -5, (1 000), € 12,5, 7 %.
NUMBER_LIKE = r"\s*\(?[-+−]?\s?[€$£¥]?\s?(\d{1,3}([.,' ]\d{3})+|\d+)([.,]\d+)?\s?[%€$£¥]?\)?\s*"
SETTINGS: dict[str, Any] = {
    "threads": "2", "memory_limit": "1GB", "temp_directory": "", "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}  # fmt: skip


def main() -> None:
    """Reads the arguments and prints the answer."""
    args = json.loads(sys.stdin.read())
    try:
        answer = query(args["sql"], args["tables"])
    except Refused as error:
        answer = {"ok": False, "error": str(error)}
    print(json.dumps(answer, ensure_ascii=False))


class Refused(Exception):
    """The query cannot be answered; the message says why."""


def query(sql: str, tables: dict[str, str]) -> dict[str, Any]:
    """The rows of the one statement."""
    import duckdb

    with duckdb.connect(":memory:", config=SETTINGS) as db:
        try:
            texts = [column for alias, path in tables.items() for column in load(db, alias, path)]
            for macro in exact.MACROS:
                db.execute(macro)
            # From here on the files are closed to SQL, and so are the settings.
            db.execute("SET enable_external_access = false")
            db.execute("SET lock_configuration = true")
            statement = one_select(db, sql)
            hidden = exact.inexact(db, sql)
            found = db.execute(statement)
            names = unique([column[0] for column in found.description or ()])
            approximate = [name for name in names if name.endswith(exact.MARK)]
            loose = [name for name in exact.floating(found) if not name.endswith(exact.MARK)]
            if loose or (hidden and not approximate):
                raise Refused(f"{(loose or hidden)[0]} {exact.WORDS}")
            rows = fetched(found, names)
            told = {"approximate": approximate, "as_text": compared(sql, texts)}
            return {"ok": True, "columns": names, "rows": rows, **told}
        except duckdb.Error as error:
            raise Refused(f"The query failed: {str(error).splitlines()[0]}") from error


def one_select(db: Any, sql: str) -> Any:
    """The one statement of a text. Raises Refused when it is anything but a SELECT."""
    import duckdb

    statements = db.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise Refused("Give one SELECT statement; each call is answered on its own.")
    return statements[0]


def fetched(found: Any, names: list[str]) -> list[dict[str, Any]]:
    """Rows up to what can be handed over. Raises Refused beyond."""
    rows: list[dict[str, Any]] = []
    size = 0
    while part := found.fetchmany(1000):
        for row in part:
            rows.append({name: plain(value) for name, value in zip(names, row, strict=True)})
            size += sum(len(str(value)) + 4 for value in row) + sum(map(len, names))
        if len(rows) > MOST_ROWS or size > MOST_BYTES:
            raise Refused("The result is too large: select fewer columns, filter, or add up with GROUP BY.")
    return rows


def compared(sql: str, texts: list[str]) -> list[str]:
    """The columns of numbers kept as text that a query may put in an order, which is another than that of numbers."""
    if not ORDERS.search(sql):
        return []
    said = sql.lower()
    return [name for name in dict.fromkeys(texts) if name.lower() in said or ALL.search(sql)]


def load(db: Any, alias: str, path: str) -> list[str]:
    """One table from a CSV file; a column whose every value is a plain number becomes an exact decimal.

    Gives the columns that stay text though most of their values are numbers to a reader.
    """
    try:
        csv_file.load(db, f"_{alias}", path)
    except csv_file.Unreadable as error:
        raise Refused(f"The table {alias} cannot be read: {error}") from error
    columns = [row[0] for row in db.execute(f'DESCRIBE "_{alias}"').fetchall()]
    picks, texts = [], []
    for column in columns:
        quoted = '"' + column.replace('"', '""') + '"'
        total, numbers, scale, zeros, alike = db.execute(
            f"SELECT count({quoted}), count(*) FILTER (regexp_full_match({quoted}, '-?[0-9]{{1,24}}(\\.[0-9]+)?')), "
            f"max(length(split_part({quoted}, '.', 2))), "
            f"count(*) FILTER (regexp_full_match({quoted}, '-?0[0-9].*')), "
            f'count(*) FILTER (regexp_full_match({quoted}, ?)) FROM "_{alias}"',
            [NUMBER_LIKE],
        ).fetchone()
        exact = total and total == numbers and not zeros and (scale or 0) <= 12
        picks.append(f"CAST({quoted} AS DECIMAL(38,{scale or 0})) AS {quoted}" if exact else quoted)
        if numbers < total <= 2 * alike:  # of plain ones alone it is text for its zeros in front: names, no amounts
            texts.append(column)
    db.execute(f'CREATE TABLE "{alias}" AS SELECT {", ".join(picks)} FROM "_{alias}"')
    return texts


def unique(names: list[str]) -> list[str]:
    """Column names that differ, so that no value hides another."""
    made: list[str] = []
    for name in names:
        candidate, number = name, 2
        while candidate in made:
            candidate, number = f"{name}_{number}", number + 1
        made.append(candidate)
    return made


def plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value if value is None or isinstance(value, bool | int | str) else str(value)


if __name__ == "__main__":
    main()
