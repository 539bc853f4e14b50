"""The review says of every document what became of it, quotes word for word, and counts what its rows hold."""

from __future__ import annotations

import html.parser
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from openpyxl import load_workbook
from review import counted
from reviewlib import Row, deviations, lines_of, main, misquoted, plain, table

ENDED = ("done", "refused", "failed", "person")


class Page(html.parser.HTMLParser):
    """What a reader sees of the page: rows of tables by section, links and the places they lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: dict[str, int] = {}
        self.links: set[str] = set()
        self.places: set[str] = set()
        self.outside: list[str] = []
        self.text: list[str] = []
        self._section, self._body = "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.places.add(told.get("id", ""))
        if tag == "h2":
            self._section = told.get("id", "")
        elif tag in ("tbody", "thead"):
            self._body = tag == "tbody"
        elif tag == "tr" and self._body:
            self.rows[self._section] = self.rows.get(self._section, 0) + 1
        elif tag == "a" and told.get("href", "").startswith("#"):
            self.links.add(told["href"][1:])
        elif tag in ("img", "link", "iframe", "object") or "src" in told:
            self.outside.append(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def work(args: Row) -> Row:
    """Looks for the outputs below the directory it runs in, the newest of each."""
    found = {
        name: next(iter(sorted(Path().rglob(name))), None)
        for name in ("*.items.csv", "clauses.jsonl", "clauses.texts.jsonl", "review.html", "review.xlsx")
    }
    missing = [name for name, place in found.items() if place is None]
    checks = [
        check("review_handed_in", not missing, ", ".join(missing) or "page, workbook, results, texts, documents")
    ]
    if missing:
        return {"checks": checks}
    items, rows = table(found["*.items.csv"]), lines_of(found["clauses.jsonl"])
    page = Page(found["review.html"].read_text(encoding="utf-8"))
    told = {row["item"] for row in rows}
    checks.append(named("every_document_reported", [one["name"] for one in items if one["item"] not in told]))
    checks.append(named("every_document_ended", [one["name"] for one in items if one["status"] not in ENDED]))
    seen = plain(" ".join(page.text))
    unread = [one["name"] for one in items if one["status"] != "done" and plain(one["name"]) not in seen]
    checks.append(named("what_was_not_read_is_named", unread))
    checks.append(named("quotes_verbatim", misquoted(rows, lines_of(found["clauses.texts.jsonl"]))))
    checks.append(named("links_lead_somewhere", sorted(page.links - page.places)))
    checks.append(named("nothing_from_outside", page.outside))
    checks += counts(items, rows, page)
    book = load_workbook(found["review.xlsx"], read_only=True)
    lines = book["All rows"].max_row - 1
    checks.append(check("workbook_has_all_rows", lines == len(rows), f"{lines} lines for {len(rows)} rows"))
    return {"checks": checks}


def counts(items: list[Row], rows: list[Row], page: Page) -> list[Row]:
    """Numbers of the page against the rows, counted once more."""
    wrong = []
    deviating = deviations(rows)
    again = counted(items, deviating)
    kept = next(iter(sorted(Path().rglob("totals.csv"))), None)
    stated = {row["name"]: int(row["value"]) for row in table(kept)} if kept else {}
    wrong += [f"{name} is {again[name]}, not {stated.get(name)}" for name in again if stated.get(name) != again[name]]
    done = sum(one["status"] == "done" for one in items)
    for section, want in (("deviations", len(deviating)), ("matrix", done)):
        if page.rows.get(section, 0) != want:
            wrong.append(f"{section} has {page.rows.get(section, 0)} rows, not {want}")
    return [check("counts_from_rows", not wrong, "; ".join(wrong) or f"{len(rows)} rows counted again")]


def check(name: str, passed: bool, detail: str) -> Row:
    return {"name": name, "passed": passed, "detail": detail}


def named(name: str, wrong: list[str]) -> Row:
    more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    return check(name, not wrong, ", ".join(wrong[:5]) + more if wrong else "none is missing or wrong")


if __name__ == "__main__":
    main(work)
