"""The page of a meeting has every entry of its rows, each word for word at its turn, with people who were there."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from evidence import Page, Row, check, counts_check, lines_of, main, named, newest, page_checks, plain, table
from minuteslib import counted, entries, speakers


def work(args: Row) -> Row:
    """Looks for the outputs below the directory it runs in."""
    found = newest("minutes.items.csv", "minutes.jsonl", "minutes.texts.jsonl", "meeting.html")
    missing = [name for name, place in found.items() if place is None]
    checks = [check("page_handed_in", not missing, ", ".join(missing) or "page, results, text and document")]
    if missing:
        return {"checks": checks}
    items, rows, texts = (
        table(found["minutes.items.csv"]),
        lines_of(found["minutes.jsonl"]),
        lines_of(found["minutes.texts.jsonl"]),
    )
    page = Page(found["meeting.html"].read_text(encoding="utf-8"))
    checks += page_checks(page, items, rows, texts)
    told = entries(rows, texts[0])
    counts = counted(told)
    shown = {name: (page.rows.get(name, 0), counts[name]) for name in ("decisions", "questions", "actions")}
    checks.append(counts_check(counts, shown))
    people = speakers(texts[0])
    checks.append(named("owners_were_there", [one.what for one in told if one.owner and one.owner not in people]))
    dated = [one.what for one in told if one.due and plain(one.due) not in plain(one.first["quote"])]
    checks.append(named("dates_were_said", dated))
    unlinked = [one.what for one in told for row in one.rows if f"{row['item']}-{row['at']}" not in page.links]
    checks.append(named("each_opens_its_turn", unlinked))
    return {"checks": checks}


if __name__ == "__main__":
    main(work)
