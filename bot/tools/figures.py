"""Figures and findings become rows only after code has re-read every input at its source and recomputed the value."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from bot.errors import ModelMustRetry
from bot.store import journal
from bot.store.database import Tx
from bot.store.schema import evidence, figure, finding
from bot.store.schema import journal as journal_table
from bot.tools.base import ToolContext
from bot.tools.formula import FormulaError, evaluate, names, rename
from bot.types import Json

AT_ONCE = 500  # names in one statement


@dataclass(frozen=True)
class Claims:
    """Figures and findings whose inputs were seen at their sources."""

    figures: list[Json]
    findings: list[Json]


class Sources:
    """The agent's files as cited: each is read once; what was counted in them is given."""

    def __init__(
        self, ctx: ToolContext, made_by: dict[str, str], counts: dict[tuple[str, str], str] | None = None
    ) -> None:
        self._ctx, self._made_by, self._counts = ctx, made_by, counts or {}
        self._tables: dict[str, list[dict[str, str]]] = {}

    def value(self, source: Json) -> str:
        """The cell that a source names, or what its SQL comes to. Raises ModelMustRetry when there is none."""
        if "sql" in source:
            return self._counts[str(source.get("file", "")), str(source["sql"])]
        missing = [key for key in ("file", "row", "column") if key not in source]
        if missing:
            raise ModelMustRetry(f"A source names no {missing[0]}: {source}.")
        name = str(source["file"])
        if name not in self._tables:
            lines = io.StringIO(self._ctx.workspace.text(name), newline="")
            self._tables[name] = list(csv.DictReader(lines))
        try:
            row = int(source["row"])
            if row < 1:
                raise IndexError(row)
            return self._tables[name][row - 1][str(source["column"])]
        except (IndexError, KeyError, ValueError, TypeError) as error:
            raise ModelMustRetry(f"{name} has no row {source['row']} with a column {source['column']}.") from error

    def via(self, source: Json) -> str:
        """How the file came here: the message that carried it, or the call that made it."""
        parts = str(source["file"]).split("/")
        if parts[0] == "inbox" and len(parts) > 2:
            return parts[1]
        return self._made_by.get(str(source["file"]), self._ctx.call_id)


def queries(result: Json) -> list[tuple[str, str]]:
    """The counts that a script's figures rest on: (file, SQL), each once."""
    inputs = (i for key in ("figures", "findings") for item in result.get(key, []) for i in item.get("inputs", []))
    sources = (i.get("source") or {} for i in inputs)
    return list(dict.fromkeys((str(s.get("file", "")), str(s["sql"])) for s in sources if "sql" in s))


def made_by(connection: Connection, agent_id: str) -> dict[str, str]:
    """Which call made each file of an agent's workspace."""
    query = select(journal_table.c.body).where(
        journal_table.c.agent_id == agent_id, journal_table.c.kind == "tool.files"
    )
    return {name: body["call"] for body in connection.execute(query).scalars() for name in body["files"]}


def checked(ctx: ToolContext, result: Json, sources: Sources) -> Claims:
    """The figures and findings of a script's result, each input compared with its source and each value recomputed.

    Raises ModelMustRetry naming the first that does not hold.
    """
    figures = []
    for item in result.get("figures", []):
        _complete("figure", item, ("id", "label", "value", "formula"))
        inputs = [_input(i, sources) for i in item.get("inputs", [])]
        for used in inputs:
            _complete("input", used, ("as",))
        try:
            value = evaluate(item["formula"], {i["as"]: Decimal(i["value"]) for i in inputs})
            same = value == Decimal(item["value"])
        except (FormulaError, InvalidOperation) as error:
            raise ModelMustRetry(f"The figure {item.get('id')} cannot be recomputed: {error}.") from error
        if not same:
            raise ModelMustRetry(f"The figure {item['id']} says {item['value']}; its inputs give {value}.")
        if value and not names(item["formula"]) & {i["as"] for i in inputs}:  # a sum of nothing is 0
            raise ModelMustRetry(f"The figure {item['id']} rests on no input; its formula is to name one at least.")
        figures.append({**item, "inputs": inputs})
    findings = []
    for item in result.get("findings", []):
        _complete("finding", item, ("kind",))
        findings.append({**item, "inputs": [_input(i, sources) for i in item.get("inputs", [])]})
    return Claims(figures, findings)


def _complete(what: str, item: Json, keys: tuple[str, ...]) -> None:
    missing = [key for key in keys if key not in item]
    if missing:
        raise ModelMustRetry(f"The {what} {item.get('id', '')} has no {', '.join(missing)}.".replace("  ", " "))


def _input(item: Json, sources: Sources) -> Json:
    if "sql" in (item.get("source") or {}):
        item = {"ref": f"{item['source'].get('file', '')}: {item['source']['sql']}", **item}
    _complete("input", item, ("ref", "kind", "value"))
    source = item.get("source")
    if source is None:
        raise ModelMustRetry(f"The input {item.get('ref')} names no source.")
    seen = sources.value(source)
    if not _equal(seen, str(item["value"])):
        place = f"row {source['row']}" if "row" in source else "when counted again"
        raise ModelMustRetry(
            f"The input {item.get('ref')} says {item['value']}; {source['file']} {place} says {seen or 'nothing'}."
        )
    return {**item, "via": sources.via(source)}


def _equal(seen: str, said: str) -> bool:
    try:
        return Decimal(seen) == Decimal(said)  # an empty cell is no number, so it proves no 0
    except InvalidOperation:
        return seen == said


def record(tx: Tx, ctx: ToolContext, claims: Claims) -> None:
    """Keep the claims as rows; the same agent's earlier ones of the same name are replaced."""
    seen = select(evidence.c.ref, evidence.c.via, evidence.c.value, evidence.c.id).where(
        evidence.c.run_id == ctx.run_id
    )
    known = {(row.ref, row.via, row.value): row.id for row in tx.execute(seen)}
    fresh: list[Json] = []

    def seen_as(item: Json) -> str:
        key = str(item["ref"]), str(item["via"]), str(item["value"])
        if key not in known:
            known[key] = journal.next_id(tx, ctx.run_id, "e")
            fresh.append(
                {
                    "run_id": ctx.run_id, "id": known[key], "team_id": ctx.team, "agent_id": ctx.agent_id,
                    "kind": item["kind"], "ref": key[0], "url": item.get("url", ""), "value": key[2], "via": key[1],
                    "labels": {},
                }
            )  # fmt: skip
        return str(known[key])

    made: dict[str, Json] = {}
    position = _last(tx, ctx, figure)
    for item in claims.figures:
        ids = [seen_as(i) for i in item["inputs"]]
        names = {i["as"]: eid for i, eid in zip(item["inputs"], ids, strict=True)}
        made[item["id"]] = {
            "run_id": ctx.run_id, "id": item["id"], "team_id": ctx.team, "agent_id": ctx.agent_id,
            "label": item["label"], "value": item["value"], "unit": item.get("unit", ""),
            "formula": rename(item["formula"], names), "inputs": list(dict.fromkeys(ids)),
            "position": (position := position + 1),
        }  # fmt: skip
    findings, position = [], _last(tx, ctx, finding)
    for item in claims.findings:
        findings.append(
            {
                "run_id": ctx.run_id, "position": (position := position + 1), "team_id": ctx.team,
                "agent_id": ctx.agent_id, "kind": item["kind"], "account": item.get("account", ""),
                "department": item.get("department", ""), "period": item.get("period", ""),
                "amount": str(item.get("amount", "")), "entries": list(item.get("entries", [])),
                "text": item.get("text", ""), "evidence": [seen_as(i) for i in item["inputs"]],
            }
        )  # fmt: skip
    replaced = list(made)
    for at in range(0, len(replaced), AT_ONCE):
        part = replaced[at : at + AT_ONCE]
        tx.execute(delete(figure).where(figure.c.run_id == ctx.run_id, figure.c.id.in_(part)))
    if findings:
        tx.execute(delete(finding).where(finding.c.run_id == ctx.run_id, finding.c.agent_id == ctx.agent_id))
    for table, rows in ((evidence, fresh), (figure, list(made.values())), (finding, findings)):
        if rows:
            tx.connection.execute(insert(table), rows)


def _last(tx: Tx, ctx: ToolContext, table: Any) -> int:
    found = tx.execute(select(func.coalesce(func.max(table.c.position), 0)).where(table.c.run_id == ctx.run_id))
    return int(found.scalar_one())
