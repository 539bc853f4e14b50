"""Tables as files, and SQL over them with exact decimals: no number is ever added up by a model."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from typing import Any

from pydantic import Field

from bot.errors import ModelMustRetry
from bot.policy.gate import Effect
from bot.tools.base import Args, Outcome, Tool, ToolContext
from bot.types import Json
from bot.workspace import safe_name

PREVIEW_ROWS = 5
RESULT_ROWS = 50
QUERY_S = 30.0
IDENTIFIER = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


def keep_rows(ctx: ToolContext, label: str, rows: list[Json]) -> str:
    """Keep rows of a tool's result as a CSV file of the workspace; returns its name, stable for the call."""
    suffix = safe_name(ctx.call_id.removeprefix("toolu_"))[-40:]
    name = f"tables/{safe_name(label)}_{suffix}.csv"
    return ctx.workspace.write(name, to_csv(rows).encode())


def to_csv(rows: list[Json]) -> str:
    """Rows as CSV text; the columns are those of the rows in the order they first appear."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: "" if v is None else v for k, v in row.items()} for row in rows)
    return out.getvalue()


def tabular(ctx: ToolContext, label: str, result: Json) -> tuple[Json, tuple[str, ...]]:
    """A result as the model gets it: lists of rows go to files, with a preview in their place."""
    shown: Json = {"ok": True}
    files: list[str] = []
    for key, value in result.items():
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            name = keep_rows(ctx, label if key == "rows" else f"{label}_{key}", value)
            files.append(name)
            part: Json = {"rows_total": len(value), "file": name, "preview": value[:PREVIEW_ROWS]}
            if key == "rows":
                shown.update(part)
            else:
                shown[key] = part if len(value) > PREVIEW_ROWS else {**part, "preview": value}
        else:
            shown[key] = value
    return shown, tuple(files)


class QueryArgs(Args):
    sql: str = Field(description="One SELECT in DuckDB's SQL. Columns that hold numbers are exact decimals.")
    tables: dict[str, str] = Field(description="Table name in the SQL -> path of a CSV file in your workspace.")
    save_as: str = Field(default="", description="Keep the whole result under this path.")


async def query_table(ctx: ToolContext, args: QueryArgs) -> Outcome:
    paths = {alias: str(ctx.workspace.existing(name)) for alias, name in args.tables.items()}
    wrong = [alias for alias in paths if not IDENTIFIER.match(alias)]
    if wrong:
        raise ModelMustRetry(f"{wrong[0]!r} cannot be a table name; use letters, digits and underscores.")
    rows = await asyncio.to_thread(_query, args.sql, paths)
    files: tuple[str, ...] = ()
    if args.save_as:
        files = (ctx.workspace.write(args.save_as, to_csv(rows).encode()),)
    content: Json = {"ok": True, "rows_total": len(rows), "rows": rows[:RESULT_ROWS]}
    if files:
        content["file"] = files[0]
    return Outcome(content, files=files)


def _query(sql: str, paths: dict[str, str]) -> list[Json]:
    import threading

    import duckdb

    with duckdb.connect(":memory:", config={"threads": "2", "memory_limit": "1GB"}) as db:
        for alias, path in paths.items():
            _load(db, alias, path)
        db.execute("SET enable_external_access = false")
        db.execute("SET lock_configuration = true")
        timer = threading.Timer(QUERY_S, db.interrupt)
        timer.start()
        try:
            found = db.execute(sql)
            names = [column[0] for column in found.description or ()]
            return [{n: _plain(v) for n, v in zip(names, row, strict=True)} for row in found.fetchall()]
        except duckdb.Error as error:
            raise ModelMustRetry(f"The query failed: {str(error).splitlines()[0]}") from error
        finally:
            timer.cancel()


def _load(db: Any, alias: str, path: str) -> None:
    """One table from a CSV file; a column whose every value is a plain number becomes an exact decimal."""
    db.execute(f'CREATE TEMP TABLE "_{alias}" AS SELECT * FROM read_csv(?, all_varchar=true, header=true)', [path])
    columns = [row[0] for row in db.execute(f'DESCRIBE "_{alias}"').fetchall()]
    picks = []
    for column in columns:
        quoted = '"' + column.replace('"', '""') + '"'
        total, numbers, scale, zeros = db.execute(
            f"SELECT count({quoted}), count(*) FILTER (regexp_full_match({quoted}, '-?[0-9]{{1,24}}(\\.[0-9]+)?')), "
            f"max(length(split_part({quoted}, '.', 2))), "
            f"count(*) FILTER (regexp_full_match({quoted}, '0[0-9]+')) FROM \"_{alias}\""
        ).fetchone()
        exact = total and total == numbers and not zeros and (scale or 0) <= 12
        picks.append(f"CAST({quoted} AS DECIMAL(38,{scale or 0})) AS {quoted}" if exact else quoted)
    db.execute(f'CREATE TABLE "{alias}" AS SELECT {", ".join(picks)} FROM "_{alias}"')


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def table_tools() -> list[Tool]:
    return [
        Tool("query_table", "Compute over tables with SQL, exactly. Use it for every sum, count and comparison.",
             Effect.WORKSPACE, query_table, QueryArgs)
    ]  # fmt: skip
