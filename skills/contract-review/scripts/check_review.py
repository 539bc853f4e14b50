"""The review says of every document what became of it, quotes word for word, and counts what its rows hold."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from evidence import Page, Row, check, counts_check, lines_of, main, newest, page_checks, table
from openpyxl import load_workbook
from review import counted
from reviewlib import deviations


def work(args: Row) -> Row:
    """Looks for the outputs below the directory it runs in."""
    found = newest("clauses.items.csv", "clauses.jsonl", "clauses.texts.jsonl", "review.html", "review.xlsx")
    missing = [name for name, place in found.items() if place is None]
    checks = [
        check("review_handed_in", not missing, ", ".join(missing) or "page, workbook, results, texts, documents")
    ]
    if missing:
        return {"checks": checks}
    items, rows = table(found["clauses.items.csv"]), lines_of(found["clauses.jsonl"])
    page = Page(found["review.html"].read_text(encoding="utf-8"))
    checks += page_checks(page, items, rows, lines_of(found["clauses.texts.jsonl"]))
    deviating = deviations(rows)
    shown = {
        "deviations": (page.rows.get("deviations", 0), len(deviating)),
        "matrix": (page.rows.get("matrix", 0), sum(one["status"] == "done" for one in items)),
    }
    checks.append(counts_check(counted(items, deviating), shown))
    lines = load_workbook(found["review.xlsx"], read_only=True)["All rows"].max_row - 1
    checks.append(check("workbook_has_all_rows", lines == len(rows), f"{lines} lines for {len(rows)} rows"))
    return {"checks": checks}


if __name__ == "__main__":
    main(work)
