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
from bot.tools.formula import FormulaError, evaluate, rename
from bot.types import Json


@dataclass(frozen=True)
class Claims:
    """Figures and findings whose inputs were seen at their sources."""

    figures: list[Json]
    findings: list[Json]


class Sources:
    """The agent's files as cited: each is read once."""

    def __init__(self, ctx: ToolContext, made_by: dict[str, str]) -> None:
        self._ctx, self._made_by = ctx, made_by
        self._tables: dict[str, list[dict[str, str]]] = {}

    def value(self, source: Json) -> str:
        """The cell that a source names. Raises ModelMustRetry when there is none."""
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
    _complete("input", item, ("ref", "kind", "value"))
    source = item.get("source")
    if source is None:
        raise ModelMustRetry(f"The input {item.get('ref')} names no source.")
    seen = sources.value(source)
    if not _equal(seen, str(item["value"])):
        raise ModelMustRetry(
            f"The input {item.get('ref')} says {item['value']}; {source['file']} row {source['row']} says {seen}."
        )
    return {**item, "via": sources.via(source)}


def _equal(seen: str, said: str) -> bool:
    try:
        return Decimal(seen or "0") == Decimal(said or "0")
    except InvalidOperation:
        return seen == said


def record(tx: Tx, ctx: ToolContext, claims: Claims) -> None:
    """Keep the claims as rows; the same agent's earlier ones of the same name are replaced."""
    for item in claims.figures:
        ids = [_evidence(tx, ctx, i) for i in item["inputs"]]
        names = {i["as"]: eid for i, eid in zip(item["inputs"], ids, strict=True)}
        tx.execute(delete(figure).where(figure.c.run_id == ctx.run_id, figure.c.id == item["id"]))
        position = tx.execute(
            select(func.coalesce(func.max(figure.c.position), 0)).where(figure.c.run_id == ctx.run_id)
        ).scalar_one()
        tx.execute(
            insert(figure).values(
                run_id=ctx.run_id, id=item["id"], team_id=ctx.team, agent_id=ctx.agent_id, label=item["label"],
                value=item["value"], unit=item.get("unit", ""), formula=rename(item["formula"], names),
                inputs=list(dict.fromkeys(ids)), position=position + 1,
            )
        )  # fmt: skip
    if claims.findings:
        tx.execute(delete(finding).where(finding.c.run_id == ctx.run_id, finding.c.agent_id == ctx.agent_id))
    for item in claims.findings:
        position = tx.execute(
            select(func.coalesce(func.max(finding.c.position), 0)).where(finding.c.run_id == ctx.run_id)
        ).scalar_one()
        tx.execute(
            insert(finding).values(
                run_id=ctx.run_id, position=position + 1, team_id=ctx.team, agent_id=ctx.agent_id,
                kind=item["kind"], account=item.get("account", ""), department=item.get("department", ""),
                period=item.get("period", ""), amount=str(item.get("amount", "")),
                entries=list(item.get("entries", [])), text=item.get("text", ""),
                evidence=[_evidence(tx, ctx, i) for i in item["inputs"]],
            )
        )  # fmt: skip


def _evidence(tx: Tx, ctx: ToolContext, item: Json) -> str:
    ref, via, value = str(item["ref"]), str(item["via"]), str(item["value"])
    known: Any = tx.execute(
        select(evidence.c.id).where(
            evidence.c.run_id == ctx.run_id, evidence.c.ref == ref, evidence.c.via == via, evidence.c.value == value
        )
    ).scalar()
    if known:
        return str(known)
    eid = journal.next_id(tx, ctx.run_id, "e")
    tx.execute(
        insert(evidence).values(
            run_id=ctx.run_id, id=eid, team_id=ctx.team, agent_id=ctx.agent_id, kind=item["kind"], ref=ref,
            url=item.get("url", ""), value=value, via=via, labels={},
        )
    )  # fmt: skip
    return eid
