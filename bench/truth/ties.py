"""Totals of a filing against the sums of their parts, as the filer links them; code computes them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from bench.targets import Target
from bench.truth.case import Case, Verdict, finish, step
from bench.truth.delivered import Delivered
from bench.truth.labels import Json

REQUEST = "Check the totals of {}"
LINK = ("role", "total", "start", "end", "parts")
KEY = LINK[:4]
SQL = """
WITH fact AS (
  SELECT DISTINCT concept, coalesce(CAST(start AS VARCHAR), '') AS first, CAST("end" AS VARCHAR) AS last,
         TRY_CAST(value AS DECIMAL(38, 6)) AS value
  FROM facts
), part AS (
  SELECT role, total, coalesce(CAST(start AS VARCHAR), '') AS first, CAST("end" AS VARCHAR) AS last,
         unnest(string_split(parts, ' ')) AS piece
  FROM links
)
SELECT p.role, p.total, p.first AS start, p.last AS "end", max(t.value) AS reported,
       sum(CASE WHEN p.piece[1] = '-' THEN -f.value ELSE f.value END) AS sum_of_parts, max(t.value) =
       sum(CASE WHEN p.piece[1] = '-' THEN -f.value ELSE f.value END) AS ties
FROM part p
JOIN fact f ON f.concept = p.piece[2:] AND f.first = p.first AND f.last = p.last
JOIN fact t ON t.concept = p.total AND t.first = p.first AND t.last = p.last
GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True)
class Sums(Case):
    """Two tables in a folder, and one query over them."""

    def steps(self) -> list[Json]:
        facts, links = self.documents
        return [
            step("facts_file", "google__drive_search", query=facts),
            step("links_file", "google__drive_search", query=links),
            step("facts", "google__drive_read", file_id=_found("facts_file", facts)),
            step("links", "google__drive_read", file_id=_found("links_file", links)),
            step("sums", "query_table", sql=SQL, save_as="totals.csv", tables={
                "facts": "{{ results.facts.files[0].file }}", "links": "{{ results.links.files[0].file }}"
            }),
            finish("Each total with the sum of its parts stands in the table.", ["totals.csv"]),
        ]  # fmt: skip


def _found(result: str, name: str) -> str:
    return f"{{{{ (results.{result}.files | selectattr('name', 'equalto', '{name}') | first).id }}}}"


class Ties:
    """The filings of a folder that have their calculation links evaluated."""

    name = "Ties"

    def __init__(self, tables: Mapping[str, tuple[str, list[Json]]]) -> None:
        self._tables = dict(tables)  # facts as CSV, and the links

    @classmethod
    def find(cls, data: Path, most: int = 0) -> Ties | str:
        """The set as it lies in a folder, or why it cannot be used."""
        found = {}
        for place in sorted(data.rglob("*.ties.csv"))[: most or None]:
            facts = place.with_name(place.name.replace(".ties.csv", ".facts.csv"))
            if facts.is_file():
                rows = list(csv.DictReader(io.StringIO(place.read_text("utf-8"))))
                found[place.name.removesuffix(".ties.csv")] = facts.read_text("utf-8"), rows
        return cls(found) if found else "no *.ties.csv with a *.facts.csv of the same name"

    def cases(self) -> list[Case]:
        return [
            Sums(
                f"ties-{name}", REQUEST.format(name), {f"{name}-facts.csv": facts, f"{name}-links.csv": _links(rows)},
                [{"id": "none", "label": "None", "ask": "Nothing."}], "Nothing.", {},
            )
            for name, (facts, rows) in self._tables.items()
        ]  # fmt: skip

    def judge(self, results: Mapping[str, Delivered]) -> Verdict:
        wrong: list[str] = []
        total = tie = 0
        for name, (_, rows) in self._tables.items():
            told = {
                tuple(one[key] for key in KEY): one for one in results[f"ties-{name}"].rows(*KEY, "reported", "ties")
            }
            for row in rows:
                one = told.get(tuple(row[key] for key in KEY))
                total += 1
                tie += one is not None and one["ties"].lower() == "true"
                if one is None or not _same(one, row):
                    wrong.append(f"{name} {row['total']} {row['end']}: {one}")
        return Verdict(
            (Target("totals reported with their exact sums", total, total - len(wrong), least=True),),
            {"filings": len(self._tables), "totals": total, "reported to tie": tie,
             "tie in the source": sum(row["ties"] == "True" for _, rows in self._tables.values() for row in rows)},
            tuple(wrong[:5]),
        )  # fmt: skip


def _links(rows: list[Json]) -> str:
    """The links without what is to be computed."""
    out = io.StringIO()
    writer = csv.DictWriter(out, LINK, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _same(one: Json, row: Json) -> bool:
    try:
        exact = all(Decimal(one[key]) == Decimal(row[key]) for key in ("reported", "sum_of_parts"))
    except InvalidOperation:
        return False
    return exact and one["ties"].lower() == str(row["ties"]).lower()
