"""Each requirement of the policy has one answer on the page, with quotes word for word and numbers compared again."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from evidence import (
    Page,
    Row,
    check,
    counts_check,
    lines_of,
    main,
    misquoted,
    named,
    newest,
    page_checks,
    plain,
    table,
)
from filinglib import answers, counted, requirements

FILES = (
    "policy.jsonl", "policy.texts.jsonl", "filing.items.csv", "filing.jsonl", "filing.texts.jsonl", "filing.html",
    "answers.csv",
)  # fmt: skip


def work(args: Row) -> Row:
    """Looks for the outputs below the directory it runs in."""
    found = newest(*FILES)
    missing = [name for name, place in found.items() if place is None]
    checks = [check("review_handed_in", not missing, ", ".join(missing) or "page, answers, results, texts")]
    if missing:
        return {"checks": checks}
    policy, rows = lines_of(found["policy.jsonl"]), lines_of(found["filing.jsonl"])
    items, texts = table(found["filing.items.csv"]), lines_of(found["filing.texts.jsonl"])
    page = Page(found["filing.html"].read_text(encoding="utf-8"))
    checks += page_checks(page, items, rows, texts)
    checks.append(named("policy_quotes_verbatim", misquoted(policy, lines_of(found["policy.texts.jsonl"]))))
    told = answers(requirements(policy), rows)
    counts = counted(told)
    checks.append(counts_check(counts, {"answers": (page.rows.get("answers", 0), counts["requirements"])}))
    kept = {row["number"]: row["verdict"] for row in table(found["answers.csv"])}
    wrong = [o.requirement.number for o in told if kept.get(o.requirement.number) != o.verdict]
    checks.append(named("each_requirement_answered", wrong))
    seen = page.text
    unnamed = [one["reason"] for one in items if one["reason"] and plain(one["reason"]) not in seen]
    checks.append(named("unread_parts_named", unnamed))
    return {"checks": checks}


if __name__ == "__main__":
    main(work)
