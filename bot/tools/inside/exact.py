"""Exact numbers in SQL: div and mean in decimals, and what computes with floating numbers instead."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

MARK = "_approx"
PLACES = 11  # one less than what is computed, so that rounding is right
WORDS = (
    "is not exact: it is a floating number. Write div(a, b, places) for a / b and mean(x, places) for avg(x): "
    f"exact decimals of up to {PLACES} places, rounded half up. Where an approximate number is enough, let the name "
    f"of its column end in {MARK}."
)
# Whole numbers of 10^-12, divided with a remainder: twice six places, so that large amounts have room.
MACROS = (
    "CREATE MACRO _units(x) AS CAST(replace(CAST(CAST(x AS DECIMAL(38,12)) AS VARCHAR), '.', '') AS HUGEINT)",
    "CREATE MACRO _parts(n, d) AS (n // d) * 1000000000000 + ((n % d) * 1000000 // d) * 1000000 "
    "+ (((n % d) * 1000000) % d) * 1000000 // d",
    "CREATE MACRO _ratio(n, d) AS CAST(_parts(n, d) AS DECIMAL(38,0)) * CAST(0.000000000001 AS DECIMAL(13,12))",
    f"CREATE MACRO div(a, b, places) AS round(_ratio(_units(a), _units(nullif(b, 0))), least(places, {PLACES}))",
    "CREATE MACRO mean(x, places) AS div(sum(x), count(x), places)",
)
DIVIDING = {"/", "//", "divide", "avg"}
FLOATS = {"double", "float", "real", "float4", "float8"}


def inexact(db: Any, sql: str) -> list[str]:
    """What a statement computes with floating numbers, by the names in it; a cast could hide it from the result."""
    told = json.loads(db.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()[0])
    only = (
        "SELECT function_name FROM duckdb_functions() GROUP BY 1 HAVING bool_and(return_type IN ('DOUBLE', 'FLOAT'))"
    )
    floating = {row[0] for row in db.execute(only).fetchall()} | DIVIDING
    found: dict[str, None] = {}
    for node in _nodes(told):
        name = str(node.get("function_name", "")).lower()
        if name in floating or (name == "mean" and len(node.get("arguments", ())) != 2):
            found[name] = None
        if str(node.get("type_name", "")).lower() in FLOATS:
            found[f"::{node['type_name']}"] = None
        literal = node.get("literal") or {}
        if literal.get("kind") == "NUMERIC" and "e" in literal["text"].lower():
            found[literal["text"]] = None
    return list(found)


def floating(found: Any) -> list[str]:
    """The columns of a result that hold floating numbers."""
    return [column[0] for column in found.description or () if any(f in str(column[1]) for f in ("DOUBLE", "FLOAT"))]


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    parts: list[Any] = [value]
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            yield part
            parts += reversed(part.values())
        elif isinstance(part, list):
            parts += reversed(part)
