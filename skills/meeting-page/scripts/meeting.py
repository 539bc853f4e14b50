"""Results of a transcript as page data and counts: decisions on top, open questions, actions with owner and date."""

from __future__ import annotations

import datetime
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
    lines_of,
    link,
    main,
    passages,
    plain,
    stem,
    table,
    target,
    totals,
    write_json,
)  # fmt: skip
from minuteslib import MONTHS, PREFIX, Entry, counted, entries, held_on, said, speakers

LABELS = {
    "decisions": "decisions",
    "questions": "open questions",
    "actions": "actions",
    "open": "actions without a person or a date",
}
SHOWN = 4  # decisions and actions in the reply
FREE = re.compile(rf"(?i)\b\d{{1,2}} (?:{'|'.join(MONTHS)})\b|\b20\d\d\b")  # numbers that need no source


def work(args: Row) -> Row:
    """Arguments: results, texts, manifest (files of work_through), work, say."""
    rows, texts, items = lines_of(args["results"]), lines_of(args["texts"]), table(args["manifest"])
    if len(texts) != 1:
        reasons = "; ".join(f"{one['name']}: {one['reason']}" for one in items if one["status"] != "done")
        raise WrongInput(
            f"A page is made of one transcript that could be read, not of {len(texts)}. {reasons}".strip()
        )
    found = entries(rows, texts[0])
    counts = counted(found)
    figures = totals("meeting", LABELS, counts, address(rows, args["work"]))
    write_json("meeting.json", page_data(args, texts[0], items, found, counts))
    return {"files": ["meeting.json", "totals.csv"], "lines": lines(args, found, counts), "figures": figures}


# -- the thread ------------------------------------------------------------------------------------------------------


def lines(args: Row, found: list[Entry], counts: dict[str, int]) -> str:
    """The reply: how much, the first decisions and the first to act, and how much was read."""
    told = [
        "{{f:meeting.decisions}} decisions, {{f:meeting.questions}} open questions, {{f:meeting.actions}} actions."
    ]
    decisions = [one.what for one in found if one.kind == "decision"]
    told += _some("Decided", [clean(what) for what in decisions])
    actions = [one for one in found if one.kind == "action" and one.owner]
    acts = sorted(actions, key=lambda one: one.date or "9")
    told += _some(
        "To do", [f"{one.owner}{' by ' + day(one.date) if one.date else ''}: {clean(one.what)}" for one in acts]
    )
    if counts["open"]:
        told.append("{{f:meeting.open}} actions name no person or no date; the page marks them.")
    told.append(f"Transcript: {args['say']} The page below opens each of them at its minute.")
    return "\n".join(told)


def _some(label: str, texts: list[str]) -> list[str]:
    """A few lines without numbers of their own; the page has all."""
    kept = [text for text in texts if not re.search(r"\d", FREE.sub("", text))][:SHOWN]
    return [f"• {label}: {text[0].upper()}{text[1:]}" for text in kept]


def day(date: str) -> str:
    when = datetime.date.fromisoformat(date)
    return f"{when.day} {when:%B %Y}"


# -- the page --------------------------------------------------------------------------------------------------------


def page_data(args: Row, document: Row, items: list[Row], found: list[Entry], counts: dict[str, int]) -> Row:
    title, when = heading(document), held_on(document)
    people = speakers(document)
    tiles = [
        {"label": "decisions", "text": "{{f:meeting.decisions}}"},
        {"label": "open questions", "text": "{{f:meeting.questions}}", "tone": "warn" if counts["questions"] else ""},
        {"label": "actions", "text": "{{f:meeting.actions}}"},
        {
            "label": "of them without person or date",
            "text": "{{f:meeting.open}}",
            "tone": "bad" if counts["open"] else "good",
        },
    ]
    by = {kind: [one for one in found if one.kind == kind] for kind in ("decision", "question", "action")}
    sections: list[Row] = [{"title": "At a glance", "blocks": [{"type": "tiles", "items": tiles}]}]
    sections.append({"title": "Decisions", "id": "decisions", "blocks": [things(by["decision"], "Decided")]})
    sections.append({"title": "Open questions", "id": "questions", "blocks": [things(by["question"], "Open")]})
    sections.append({"title": "Actions", "id": "actions", "blocks": [actions(by["action"])]})
    sections.append(
        {"title": "What was read", "id": "coverage", "blocks": coverage(args["say"] + whole_of(document), items)}
    )
    whole = {
        "type": "details",
        "summary": "The whole transcript",
        "blocks": [{"type": "passages", "items": turns(document, found)}],
    }
    sections.append({"title": "Transcript", "id": "transcript", "blocks": [whole]})
    return {
        "title": title, "kicker": f"Meeting{' of ' + day(when.isoformat()) if when else ''}", "wide": True,
        "lead": [f"Present: {', '.join(clean(name) for name in people)}"] if people else [],
        "sections": sections,
        "notes": [
            "Every quote was looked up in the transcript by code and stands there word for word; its time opens it. "
            "Owners are people who speak in the transcript; dates are worked out by code from what was said.",
        ],
    }  # fmt: skip


def whole_of(document: Row) -> str:
    """From where to where the transcript was read."""
    spoken = [(label, place_of(place)) for _, _, label, place in document["passages"] if place.startswith("turn ")]
    if not spoken:
        return ""
    first, last = (link(place, f"#{document['item']}-{label}") for label, place in (spoken[0], spoken[-1]))
    return f" The whole transcript, from {first} to {last}."


def heading(document: Row) -> str:
    """The title of the meeting: the line before its first turn, without the day, or the name of the file."""
    start, end, _, place = document["passages"][0]
    first = stem(document["name"]) if place.startswith("turn ") else plain(document["text"][start:end])
    first = re.sub(r",?\s*(?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day,?\s+)?\d.*$", "", first) or "Meeting"
    return clean(first)[:120]


def things(found: list[Entry], label: str) -> Row:
    if not found:
        return {"type": "text", "text": "None was found in the transcript."}
    rows: list[list[Any]] = [
        [{"text": _upper(one.what), "verbatim": True}, {"text": said(one.first), "verbatim": True}, _at(one)]
        for one in found
    ]
    columns = [{"label": label}, {"label": "In these words"}, {"label": "Said by and when"}]
    return {"type": "table", "columns": columns, "rows": rows}


def actions(found: list[Entry]) -> Row:
    if not found:
        return {"type": "text", "text": "None was found in the transcript."}
    rows: list[list[Any]] = []
    for one in sorted(found, key=lambda one: (one.date or "9", one.owner)):
        due = {
            "text": one.date.replace("-", "\N{NON-BREAKING HYPHEN}") or one.due or "no date",
            "verbatim": True,
            "tone": "" if one.date else "warn",
        }
        owner = {"text": one.owner or "nobody named", "verbatim": True, "tone": "" if one.owner else "warn"}
        rows.append(
            [
                {"text": _upper(one.what), "verbatim": True},
                owner,
                due,
                {"text": said(one.first), "verbatim": True},
                _at(one),
            ]
        )
    columns = [{"label": head} for head in ("To do", "Who", "By", "In these words", "Said by and when")]
    return {"type": "table", "sort": True, "columns": columns, "rows": rows}


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _at(one: Entry) -> str:
    """Who said it and when, each place a link to its turn."""
    return "; ".join(link(place_of(row["place"]), target(row)) for row in one.rows)


def place_of(place: str) -> str:
    """ "turn 17, Ann Lee, 00:12:31" as people read it: 00:12:31 Ann Lee."""
    parts = place.split(", ")
    return f"{parts[2]} {parts[1]}" if len(parts) == 3 else place


def turns(document: Row, found: list[Entry]) -> list[Row]:
    """The transcript turn by turn, without the time and name that stand beside it."""
    cited = [row for one in found for row in one.rows]
    told = []
    for one in passages(document, cited, True):
        text = PREFIX.sub("", one["text"], count=1)
        cut = len(one["text"]) - len(text)
        marks = [(max(0, start - cut), end - cut) for start, end in one["marks"] if end > cut]
        told.append({**one, "place": place_of(one["place"]), "text": text, "marks": marks})
    return told


if __name__ == "__main__":
    main(work)
