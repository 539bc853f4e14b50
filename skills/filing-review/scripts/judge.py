"""A filing against its policy as page data and counts: what is not met and not addressed comes first."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from evidence import (
    Row,
    WrongInput,
    address,
    clean,
    coverage,
    keep,
    lines_of,
    link,
    main,
    passages,
    place,
    plain,
    short,
    stem,
    table,
    target,
    totals,
    write_json,
)
from filinglib import MET, NOT_MET, SILENT, VERDICTS, Answer, answers, counted, requirements

WHOLE = 120_000  # characters of a filing, up to which the page holds it whole
TONES = {MET: "good", NOT_MET: "bad", SILENT: "warn"}
LABELS = {
    "requirements": "requirements of the policy",
    "met": "requirements met",
    "not_met": "requirements not met",
    "silent": "requirements not addressed",
}


def work(args: Row) -> Row:
    """Arguments: policy, policy_texts, results, texts, manifest (files of both calls of work_through), work, say."""
    asked = requirements(lines_of(args["policy"]))
    rows, texts, items = lines_of(args["results"]), lines_of(args["texts"]), table(args["manifest"])
    if len(texts) != 1:
        reasons = "; ".join(f"{one['name']}: {one['reason']}" for one in items if one["status"] != "done")
        raise WrongInput(f"One filing that can be read is checked at a time, not {len(texts)}. {reasons}".strip())
    found = answers(asked, rows)
    counts = counted(found)
    figures = totals("filing", LABELS, counts, address(rows, args["work"]))
    keep("answers.csv", ["number", "title", "verdict", "why", "place", "quote"], [_row(one) for one in found])
    write_json("filing.json", page_data(args, found, texts[0], lines_of(args["policy_texts"])[0], items))
    return {
        "files": ["filing.json", "answers.csv", "totals.csv"],
        "lines": lines(args, found, items),
        "figures": figures,
    }


def _row(one: Answer) -> Row:
    first = one.rows[0] if one.rows else {}
    asked = one.requirement
    return {
        "number": asked.number, "title": asked.title, "verdict": one.verdict, "why": one.why,
        "place": first.get("place", ""), "quote": plain(first.get("quote", "")),
    }  # fmt: skip


# -- the thread ------------------------------------------------------------------------------------------------------


def lines(args: Row, found: list[Answer], items: list[Row]) -> str:
    """The reply: how many are met, which are not, and what was not read."""
    told = [
        "{{f:filing.met}} of {{f:filing.requirements}} requirements are met, {{f:filing.not_met}} are not, "
        "and {{f:filing.silent}} are not addressed."
    ]
    for verdict, label in ((NOT_MET, "Not met"), (SILENT, "Not addressed")):
        titles = [clean(one.requirement.title) for one in found if one.verdict == verdict]
        titles = [title for title in titles if not re.search(r"\d", title)]
        if titles:
            told.append(f"• {label}: {'; '.join(titles[:8])}{' and others' if len(titles) > 8 else ''}")
    if any(one["reason"] for one in items):
        told.append("• Parts of the filing could not be read; the page names them.")
    told.append(f"Filing: {args['say']} The page below opens each answer at its page and passage.")
    return "\n".join(told)


# -- the page --------------------------------------------------------------------------------------------------------


def page_data(args: Row, found: list[Answer], filing: Row, policy: Row, items: list[Row]) -> Row:
    ordered = sorted(found, key=lambda one: VERDICTS.index(one.verdict))
    tiles = [
        {"label": "requirements met", "text": "{{f:filing.met}} of {{f:filing.requirements}}", "tone": "good"},
        {
            "label": "not met",
            "text": "{{f:filing.not_met}}",
            "tone": "bad" if any(o.verdict == NOT_MET for o in found) else "",
        },
        {
            "label": "not addressed",
            "text": "{{f:filing.silent}}",
            "tone": "warn" if any(o.verdict == SILENT for o in found) else "",
        },
    ]
    cited = [row for one in found for row in one.rows]
    whole = len(filing["text"]) <= WHOLE
    about = "The whole filing" if whole else "The passages that are cited, with what stands around them"
    source = {"type": "passages", "items": passages(filing, cited, whole)}
    rules = {"type": "passages", "items": passages(policy, [], True)}
    sections: list[Row] = [
        {"title": "At a glance", "blocks": [{"type": "tiles", "items": tiles}]},
        {"title": "Requirement by requirement", "id": "answers", "blocks": [verdicts(ordered)]},
        {"title": "What was read", "id": "coverage", "blocks": coverage(f"{args['say']} {reach(filing)}", items)},
        {"title": "All places", "id": "places", "blocks": [places(found)]},
        {
            "title": "Sources", "id": "sources",
            "blocks": [
                {"type": "details", "summary": about, "blocks": [source]},
                {"type": "details", "summary": "The policy", "blocks": [rules]},
            ],
        },
    ]  # fmt: skip
    return {
        "title": f"{_named(filing)} against {_named(policy)}", "wide": True,
        "kicker": "Filing against policy", "lead": [],
        "sections": sections,
        "notes": [
            "Every quote was looked up in its document by code and stands there word for word. Numbers were compared "
            "with the limits of the policy by code. Not addressed means: no passage of what was read speaks of it.",
        ],
    }  # fmt: skip


def reach(document: Row) -> str:
    """From where to where the filing was read."""
    first, last = (document["passages"][at][3] for at in (0, -1))
    return f"The filing was read from `{clean(first)}` to `{clean(last)}`."


def _named(document: Row) -> str:
    """A document's name in a title, where years may stand."""
    return clean(stem(Path(document["name"]).name))


def verdicts(found: list[Answer]) -> Row:
    rows: list[list[Any]] = []
    for one in found:
        asked, first = one.requirement, one.rows[0] if one.rows else {}
        rows.append(
            [
                {"text": one.verdict, "tone": TONES[one.verdict]},
                link(f"{asked.number} {asked.title}", target(asked.row)),
                {"text": asked.must, "verbatim": True},
                {"text": short(plain(first.get("quote", "")), 300), "verbatim": True},
                place(first) if first else "",
                {"text": one.why, "verbatim": True},
            ]
        )
    heads = ("Verdict", "Requirement", "What the policy wants", "What the filing says", "Place", "Why")
    return {"type": "table", "sort": True, "columns": [{"label": head} for head in heads], "rows": rows}


def places(found: list[Answer]) -> Row:
    """Every passage that was found, also beyond the first of each requirement."""
    items = []
    for one in found:
        for row in one.rows:
            note = link(f"{one.requirement.number} {one.requirement.title}", target(one.requirement.row))
            if row.get("url"):
                note += f" · [open in the document]({row['url']})"
            items.append({"text": plain(row["quote"]), "place": row["place"], "url": target(row), "note": note})
    return {"type": "quotes", "items": items} if items else {"type": "text", "text": "The filing answers nothing."}


if __name__ == "__main__":
    main(work)
