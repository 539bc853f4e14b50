"""Tables as files, and SQL over them with exact decimals: no number is ever added up by a model."""

from __future__ import annotations

import re

from pydantic import Field

from bot.errors import ModelMustRetry
from bot.policy.gate import Effect
from bot.tools.base import Args, Outcome, Tool, ToolContext, refused
from bot.tools.child import INSIDE, run_child
from bot.tools.results import preview, to_csv
from bot.types import Json
from bot.workspace import safe_name

QUERY_S = 30.0
COUNT_S = 60.0
AS_TEXT = (
    "Not every value is a plain number, so these columns are text; MIN, MAX, ORDER BY, < and > go by their letters "
    "(999 after 1,234): {columns}. Turn them into numbers first, e.g. CAST(replace(x, ',', '') AS DECIMAL(38,2))."
)
IDENTIFIER = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


def keep_rows(ctx: ToolContext, label: str, rows: list[Json]) -> str:
    """Keep rows of a tool's result as a CSV file of the workspace; returns its name, stable for the call."""
    suffix = safe_name(ctx.call_id.removeprefix("toolu_"))[-40:]
    name = f"tables/{safe_name(label)}_{suffix}.csv"
    return ctx.workspace.write(name, to_csv(rows).encode())


def tabular(ctx: ToolContext, label: str, result: Json) -> tuple[Json, tuple[str, ...]]:
    """A result as the model gets it: lists of rows go to files, with a preview in their place."""
    shown: Json = {"ok": True}
    files: list[str] = []
    for key, value in result.items():
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            name = keep_rows(ctx, label if key == "rows" else f"{label}_{key}", value)
            files.append(name)
            part: Json = {"rows_total": len(value), "file": name, "preview": preview(value)}
            if key == "rows":
                shown.update(part)
            else:
                shown[key] = part
        else:
            shown[key] = value
    return shown, tuple(files)


class QueryArgs(Args):
    sql: str = Field(
        description="One SELECT in DuckDB's SQL. Columns that hold numbers are exact decimals. Divide with "
        "div(a, b, places) and average with mean(x, places), rounded half up; `/` and avg() are not exact, and are "
        "refused unless the name of their column ends in _approx."
    )
    tables: dict[str, str] = Field(description="Table name in the SQL -> path of a CSV file in your workspace.")
    save_as: str = Field(default="", description="Keep the whole result under this path.")


async def query_table(ctx: ToolContext, args: QueryArgs) -> Outcome:
    wrong = [alias for alias in args.tables if not IDENTIFIER.match(alias)]
    if wrong:
        raise ModelMustRetry(f"{wrong[0]!r} cannot be a table name; use letters, digits and underscores.")
    paths = {alias: ctx.workspace.existing(name).as_posix() for alias, name in args.tables.items()}
    if args.save_as:
        ctx.workspace.path(args.save_as)  # a wrong one is told before the work is done
    given = {"sql": args.sql, "tables": paths}
    found = await run_child(INSIDE / "query_table.py", given, ctx.workspace.made(), seconds=QUERY_S, beside=INSIDE)
    if not found["ok"]:
        return refused(str(found["error"]))
    rows = found["rows"]
    content: Json = {"ok": True, "rows_total": len(rows), "rows": rows}
    if found["approximate"]:
        content["approximate"] = found["approximate"]
    if found["as_text"]:
        content["note"] = AS_TEXT.format(columns=", ".join(found["as_text"]))
    if args.save_as:
        content["file"] = ctx.workspace.write(args.save_as, to_csv(rows, found["columns"]).encode())
        content["rows"] = preview(rows)
    return Outcome(content, files=(content["file"],) if args.save_as else ())


async def counted(ctx: ToolContext, queries: list[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """What each SELECT over the table `answers`, a file as it stands, comes to: (file, SQL) -> the one value.

    Raises ModelMustRetry with the first that gives none.
    """
    if not queries:
        return {}
    paths = {name: ctx.workspace.existing(name).as_posix() for name, _ in queries}
    given = {"files": paths, "queries": queries}
    found = await run_child(INSIDE / "count.py", given, ctx.workspace.made(), seconds=COUNT_S, beside=INSIDE)
    for (name, sql), value in zip(queries, found["values"], strict=True):
        if "error" in value:
            raise ModelMustRetry(f"{name} cannot be asked {sql!r}: {value['error']}.")
    return {query: value["value"] for query, value in zip(queries, found["values"], strict=True)}


def table_tools() -> list[Tool]:
    return [
        Tool("query_table", "Compute over tables with SQL, exactly. Use it for every sum, count and comparison.",
             Effect.WORKSPACE, query_table, QueryArgs)
    ]  # fmt: skip
