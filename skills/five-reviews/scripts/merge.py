"""Puts five reviews together: points about the same passage side by side, agreements, disagreements, single points.

Arguments: files (as received: review.json and document.txt of each), name, url, groups ([{title, points: [ids]}] for
points about one matter at several passages). Writes points.csv, reviews.json, document.txt and report.json.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from reviewlib import LENSES, TEXT, VERDICTS, WEIGHTS, Sentence, WrongInput, located, main, read_review, sentences

COLUMNS = ("id", "lens", "stance", "weight", "matter", "kind", "quote", "point", "advice")
SAYS = {"support": "keep it", "object": "change it", "ask": "an answer is missing"}
TONES = {"go": "good", "changes": "warn", "no": "bad"}
Point = dict[str, Any]


def work(args: dict[str, Any]) -> dict[str, Any]:
    """Reads the five reviews, groups their points, writes the page data."""
    files = [str(f) for f in args.get("files") or []]
    reviews = {r["lens"]: r for r in (read_review(Path(f)) for f in files if Path(f).name == "review.json")}
    missing = [lens for lens in LENSES if lens not in reviews]
    if missing:
        raise WrongInput(f"There is no review of {', '.join(missing)}.")
    reviews = {lens: reviews[lens] for lens in LENSES}
    texts = {Path(f).read_text(encoding="utf-8") for f in files if Path(f).name == TEXT}
    if len(texts) != 1:
        raise WrongInput("The five reviewers did not read the same text.")
    (text,) = texts
    known = sentences(text)
    points = [
        {**p, "id": f"{lens}{n}", "lens": lens, "at": located(p["quote"], known)}
        for lens in LENSES for n, p in enumerate(reviews[lens]["points"], start=1)
    ]  # fmt: skip
    lost = [p["quote"][:60] for p in points if not p["at"]]
    if lost:
        raise WrongInput(f"Not in the document: {lost[0]}")
    matters = grouped(points, args.get("groups") or [], known)
    with open("points.csv", "w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(points)
    Path(TEXT).write_text(text, encoding="utf-8")
    Path("reviews.json").write_text(json.dumps(reviews, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    name = str(args.get("name") or "the document")
    page = report(name, str(args.get("url") or ""), reviews, matters, known)
    Path("report.json").write_text(json.dumps(page, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return {
        "files": ["points.csv", "reviews.json", TEXT, "report.json"], "figures": figures(points),
        "summary": summary(name, reviews, matters),
        "points": [{key: p[key] for key in ("id", "matter", "stance", "point")} for p in points],
    }  # fmt: skip


def grouped(points: list[Point], told: list[dict[str, Any]], known: list[Sentence]) -> list[dict[str, Any]]:
    """Points on one passage, or put together by name, are one matter; in the document's order."""
    ids = {p["id"]: p for p in points}
    unknown = [i for group in told for i in group["points"] if i not in ids]
    if unknown:
        raise WrongInput(f"There is no point {unknown[0]!r}; there are {', '.join(ids)}.")
    parent = {i: i for i in ids}

    def root(one: str) -> str:
        while parent[one] != one:
            one = parent[one]
        return one

    for group in told:
        for other in group["points"][1:]:
            parent[root(other)] = root(group["points"][0])
    at: dict[int, str] = {}
    for point in points:
        for number in point["at"]:
            if number in at:
                parent[root(point["id"])] = root(at[number])
            at.setdefault(number, point["id"])
    titles = {root(group["points"][0]): str(group["title"]) for group in told}
    together: dict[str, list[Point]] = defaultdict(list)
    for point in points:
        together[root(point["id"])].append(point)
    matters = []
    for key, mine in sorted(together.items(), key=lambda one: min(n for p in one[1] for n in p["at"])):
        numbers = sorted({n for p in mine for n in p["at"]})
        stances = {p["stance"] for p in mine}
        several = len({p["lens"] for p in mine}) > 1
        kind = (
            "single" if not several else "disagreement" if "support" in stances and len(stances) > 1 else "agreement"
        )
        matter = {"id": f"m{len(matters) + 1}", "kind": kind, "points": mine, "at": numbers}
        matter |= {"title": titles.get(key, ""), "heading": known[numbers[0] - 1].heading}
        for point in mine:
            point |= {"matter": matter["id"], "kind": kind}
        matters.append(matter)
    return matters


def figures(points: list[Point]) -> list[dict[str, Any]]:
    """How many matters of each kind, and how many points, counted in points.csv."""
    made = []
    for kind, label in (("agreement", "Agreements"), ("disagreement", "Disagreements"), ("single", "Said by one")):
        sql = f"SELECT count(DISTINCT matter) FROM answers WHERE kind = '{kind}'"
        made.append((f"reviews.{kind}", label, sql, len({p["matter"] for p in points if p["kind"] == kind})))
    made.append(("reviews.points", "Points of all five", "SELECT count(*) FROM answers", len(points)))
    return [
        {
            "id": name, "label": label, "value": str(value), "unit": "count", "formula": "n",
            "inputs": [
                {"as": "n", "kind": "query", "value": str(value), "source": {"file": "points.csv", "sql": sql}}
            ],
        }
        for name, label, sql, value in made
    ]  # fmt: skip


def fig(name: str) -> str:
    return "{{f:" + name + "}}"


def heavy(matter: dict[str, Any]) -> int:
    return min(WEIGHTS.index(p["weight"]) for p in matter["points"])


def quote_of(matter: dict[str, Any], known: list[Sentence]) -> list[dict[str, str]]:
    """The passages a matter is about, each leading to its place below."""
    shown = [known[n - 1] for n in matter["at"]]
    return [{"text": s.text, "place": s.heading or "at the beginning", "url": f"#s{s.number}"} for s in shown]


def report(
    name: str, url: str, reviews: dict[str, Any], matters: list[dict[str, Any]], known: list[Sentence]
) -> dict[str, Any]:
    """The page."""
    verdicts = [
        [
            lens.capitalize(),
            {"text": VERDICTS[r["verdict"]], "tone": TONES[r["verdict"]]},
            {"text": r["summary"], "verbatim": True},
        ]
        for lens, r in reviews.items()
    ]
    columns = [{"label": "Lens"}, {"label": "Verdict"}, {"label": "In a sentence"}]
    tiles = [
        {"label": "disagreements", "text": fig("reviews.disagreement"), "tone": "warn"},
        {"label": "agreements", "text": fig("reviews.agreement")},
        {"label": "said by one", "text": fig("reviews.single")},
    ]
    sections: list[dict[str, Any]] = [
        {
            "title": "Verdicts",
            "id": "verdicts",
            "blocks": [{"type": "table", "columns": columns, "rows": verdicts}, {"type": "tiles", "items": tiles}],
        }
    ]
    for kind, title in (
        ("disagreement", "Where they disagree: to be decided"), ("agreement", "Where they agree"),
        ("single", "Said by one"),
    ):  # fmt: skip
        mine = sorted((m for m in matters if m["kind"] == kind), key=heavy)
        if mine:
            blocks = [block for matter in mine for block in shown(matter, known)]
            sections.append({"title": title, "id": kind, "blocks": blocks})
    sections.append({"title": "The document", "id": "document", "blocks": [passages(matters, known)]})
    lead = [
        verdict_line(reviews),
        f"They disagree about {fig('reviews.disagreement')} matters, which are to be decided, and agree about "
        f"{fig('reviews.agreement')}.",
    ]
    notes = [
        "Each reviewer read the document alone: no message reached any of them before all had handed in, which code "
        "read from the messages. No point was reworded or left out; every quote was found in the document by code."
    ]
    return {
        "title": f"Five reviews: {re.sub(r'[.](docx|pdf|md|txt)$', '', name)}", "lead": lead, "sections": sections,
        "kicker": f"[`{name}`]({url})" if url else "Independent reviews", "notes": notes,
    }  # fmt: skip


def shown(matter: dict[str, Any], known: list[Sentence]) -> list[dict[str, Any]]:
    """One matter: the passage, then what each says about it."""
    sides = [
        {
            "label": f"{p['lens'].capitalize()}: {SAYS[p['stance']]}",
            "text": f"`{words(p['point'])}` **Advice:** `{words(p['advice'])}`",
        }
        for p in matter["points"]
    ]
    made: list[dict[str, Any]] = [{"type": "text", "text": f"**{matter['title']}**"}] if matter["title"] else []
    return [*made, {"type": "quotes", "items": quote_of(matter, known)}, {"type": "sides", "items": sides}]


def words(text: str) -> str:
    """A reviewer's words as they go into a line of the page."""
    return " ".join(text.replace("`", "'").split())


def passages(matters: list[dict[str, Any]], known: list[Sentence]) -> dict[str, Any]:
    """The document sentence by sentence, with who spoke about it."""
    spoke: dict[int, list[str]] = defaultdict(list)
    for point in (p for m in matters for p in m["points"]):
        for number in point["at"]:
            spoke[number].append(point["lens"])
    items = [
        {"id": f"s{s.number}", "place": ", ".join(dict.fromkeys(spoke[s.number])), "text": s.text} for s in known
    ]
    return {"type": "passages", "items": items}


def summary(name: str, reviews: dict[str, Any], matters: list[dict[str, Any]]) -> str:
    """The reply: verdicts, then what has to be decided."""
    lines = [verdict_line(reviews)]
    lines.append(f"The reviewers disagree about {fig('reviews.disagreement')} matters; these are yours to decide:")
    for matter in sorted((m for m in matters if m["kind"] == "disagreement"), key=heavy)[:4]:
        sides: dict[str, list[str]] = defaultdict(list)
        for point in matter["points"]:
            sides[SAYS[point["stance"]]].append(point["lens"])
        told = "; ".join(f"{', '.join(dict.fromkeys(who))}: {says}" for says, who in sides.items())
        lines.append(f"• {matter['title'] or matter['heading'] or 'The beginning'}, {topic(matter)}. {told}")
    lines.append(
        f"They agree about {fig('reviews.agreement')} more; {fig('reviews.points')} points in all, each with its "
        "passage."
    )
    return "\n".join(lines)


def verdict_line(reviews: dict[str, Any]) -> str:
    """Who would go ahead and who would not, in one line."""
    by: dict[str, list[str]] = defaultdict(list)
    for lens, review in reviews.items():
        by[review["verdict"]].append(lens)
    words = "; ".join(f"{VERDICTS[v]}: {', '.join(by[v])}" for v in ("no", "changes", "go") if by[v])
    return f"{words[0].upper()}{words[1:]}."


def topic(matter: dict[str, Any]) -> str:
    """What a matter is about, in the words of its first reviewer, without numbers."""
    words = next((p["point"] for p in matter["points"] if not re.search(r"\d", p["point"])), "see the page")
    return words[0].lower() + words[1:].rstrip(".")


if __name__ == "__main__":
    main(work)
