"""What every review does with the answer of work_through: read it, count it, cite it, and check a page against it."""

from __future__ import annotations

import csv
import html.parser
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Row = dict[str, Any]
PIECES = " <omitted> "
NEAR = 3  # passages shown around a quote where a text is not shown whole
ENDS = {"refused": "cannot be read", "failed": "failed", "person": "for a person to look at"}


class WrongInput(Exception):
    """The arguments or files cannot be used; the message is for whoever gave them."""


def main(work: Callable[[Row], Row]) -> None:
    """Arguments as JSON from stdin, the answer as JSON to stdout."""
    try:
        answer = {"ok": True, **work(json.load(sys.stdin))}
    except KeyError as error:
        answer = {"ok": False, "error": f"{error} is missing"}
    except (WrongInput, OSError, ValueError) as error:
        answer = {"ok": False, "error": str(error)}
    print(json.dumps(answer, ensure_ascii=False))


# -- files -----------------------------------------------------------------------------------------------------------


def lines_of(path: Path | str) -> list[Row]:
    """The objects of a JSON lines file."""
    with Path(path).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def table(path: Path | str) -> list[Row]:
    with Path(path).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def keep(name: str, columns: list[str], rows: list[Row]) -> None:
    with Path(name).open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def write_json(name: str, data: Row) -> None:
    Path(name).write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


# -- figures ---------------------------------------------------------------------------------------------------------


def address(rows: list[Row], work: str) -> str:
    """Where the list of all documents of this work is shown, or ""."""
    url = next((row["url"] for row in rows if "/items/" in (row.get("url") or "")), "")
    return f"{url.partition('/items/')[0]}/work/{work}" if url else ""


def figure(name: str, label: str, value: object, file: str, row: int, column: str, url: str) -> Row:
    """A count as a figure that cites its cell."""
    source = {"file": file, "row": row, "column": column}
    cell = {"as": "n", "kind": "count", "ref": f"{file} row {row} column {column}", "value": str(value), "url": url}
    inputs = [{**cell, "source": source}]
    return {"id": name, "label": label, "unit": "count", "value": str(value), "formula": "n", "inputs": inputs}


def totals(prefix: str, labels: dict[str, str], counts: dict[str, int], url: str) -> list[Row]:
    """Keep counts as totals.csv; returns them as figures `prefix.name`."""
    keep(
        "totals.csv",
        ["name", "label", "value"],
        [{"name": n, "label": labels[n], "value": v} for n, v in counts.items()],
    )
    return [
        figure(f"{prefix}.{name}", labels[name], value, "totals.csv", row, "value", url)
        for row, (name, value) in enumerate(counts.items(), 1)
    ]


# -- page data -------------------------------------------------------------------------------------------------------


def plain(text: str) -> str:
    return " ".join(text.split())


def short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def clean(text: str) -> str:
    """Words without what page data would take for markup."""
    bare = "".join(" " if ch in "[]{}`*\n\t" else ch for ch in text)
    return re.sub(" +", " ", bare).strip(" ")


def link(text: str, url: str) -> str:
    return f"[{clean(text) or '?'}]({url})"


def target(row: Row) -> str:
    """The passage of the page in which a quote begins."""
    return f"#{row['item']}-{row['at']}"


def place(row: Row) -> str:
    """Where a quote stands, as a link to it that stays on one line."""
    return link(row["place"].replace(" ", "\N{NO-BREAK SPACE}"), target(row))


def stem(name: str) -> str:
    """A document's name as people say it: without folders and ending."""
    return Path(name).stem.replace("_", " ").strip() or name


def passages(document: Row, cited: list[Row], whole: bool) -> list[Row]:
    """The passages of a document, or those around its quotes."""
    labels = [label for _, _, label, _ in document["passages"]]
    wanted = set(range(len(labels)))
    if not whole:
        hits = [labels.index(row["at"]) for row in cited]
        wanted = {near for hit in hits for near in range(hit - NEAR, hit + NEAR + 3)}
    cuts = sorted({span for row in cited for span in spans(row, document)})
    return [
        {
            "id": f"{document['item']}-{label}", "place": where, "text": document["text"][start:end],
            "marks": _merged([(max(a - start, 0), min(b, end) - start) for a, b in cuts if a < end and b > start]),
        }
        for at, (start, end, label, where) in enumerate(document["passages"])
        if at in wanted
    ]  # fmt: skip


def _merged(cuts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans that do not overlap."""
    told: list[tuple[int, int]] = []
    for start, end in cuts:
        if told and start <= told[-1][1]:
            told[-1] = (told[-1][0], max(end, told[-1][1]))
        else:
            told.append((start, end))
    return told


def coverage(say: str, items: list[Row]) -> list[Row]:
    """Blocks that say what was read, and by name and reason what was not."""
    told: list[Row] = [{"type": "text", "text": say}]
    unread = [one for one in items if one["status"] != "done"]
    if unread:
        rows = [
            [one["name"], {"text": ENDS.get(one["status"], one["status"]), "tone": "warn"}, one["reason"]]
            for one in unread
        ]
        columns = [
            {"label": "Not read", "verbatim": True},
            {"label": "How it ended"},
            {"label": "Why", "verbatim": True},
        ]
        told.append({"type": "table", "columns": columns, "rows": rows})
    partly = [one for one in items if one["status"] == "done" and one["reason"]]
    if partly:
        columns = [{"label": "Read in part", "verbatim": True}, {"label": "What is missing", "verbatim": True}]
        told.append({"type": "table", "columns": columns, "rows": [[one["name"], one["reason"]] for one in partly]})
    return told


# -- checks ----------------------------------------------------------------------------------------------------------


class Page(html.parser.HTMLParser):
    """What a reader sees of a page: rows of tables by section, links and the places they lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: dict[str, int] = {}
        self.links: set[str] = set()
        self.places: set[str] = set()
        self.outside: list[str] = []
        self.words: list[str] = []
        self._section, self._body = "", False
        self.feed(text)

    @property
    def text(self) -> str:
        return plain(" ".join(self.words))

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
        self.words.append(data)


def newest(*names: str) -> dict[str, Path | None]:
    """The first file of each name below the directory this runs in."""
    return {name: next(iter(sorted(Path().rglob(name), key=lambda p: (len(p.parts), p))), None) for name in names}


def misquoted(rows: list[Row], texts: list[Row]) -> list[str]:
    """Quotes that do not stand word for word where they are cited, each with its document."""
    read = {one["item"]: one for one in texts}
    quoted = [row for row in rows if row.get("quote")]
    return [
        f"{row['name']}: {short(plain(row['quote']), 60)}"
        for row in quoted
        if row["item"] not in read or not spans(row, read[row["item"]])
    ]


def spans(row: Row, document: Row) -> list[tuple[int, int]]:
    """Where the pieces of a quote stand in the text, from the passage it is cited at; [] when they do not."""
    place = next(((start, end) for start, end, label, _ in document["passages"] if label == row["at"]), None)
    if place is None:
        return []
    found: list[tuple[int, int]] = []
    at = place[0]
    for piece in row["quote"].split(PIECES):
        at = document["text"].find(piece, at)
        if at < 0 or (not found and at >= place[1]):
            return []
        found.append((at, at + len(piece)))
        at += len(piece)
    return found


def check(name: str, passed: bool, detail: str) -> Row:
    return {"name": name, "passed": passed, "detail": detail}


def named(name: str, wrong: list[str]) -> Row:
    """A check that passes when nothing is wrong, else names what is."""
    more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    return check(name, not wrong, "; ".join(wrong[:5]) + more if wrong else "none is missing or wrong")


def page_checks(page: Page, items: list[Row], rows: list[Row], texts: list[Row]) -> list[Row]:
    """What holds for every page: documents, quotes and links."""
    told = {row["item"] for row in rows}
    ended = ("done", *ENDS)
    seen = page.text
    return [
        named("every_document_reported", [one["name"] for one in items if one["item"] not in told]),
        named("every_document_ended", [one["name"] for one in items if one["status"] not in ended]),
        named(
            "what_was_not_read_is_named",
            [
                one["name"]
                for one in items
                if (one["status"] != "done" or one["reason"]) and plain(one["name"]) not in seen
            ],
        ),
        named("quotes_verbatim", misquoted(rows, texts)),
        named("links_lead_somewhere", sorted(page.links - page.places)),
        named("nothing_from_outside", page.outside),
    ]


def counts_check(counted: dict[str, int], shown: dict[str, tuple[int, int]]) -> Row:
    """totals.csv against a new count, and the rows of tables of the page: section -> (has, wanted)."""
    kept = newest("totals.csv")["totals.csv"]
    stated = {row["name"]: int(row["value"]) for row in table(kept)} if kept else {}
    wrong = [f"{n} is {v}, not {stated.get(n)}" for n, v in counted.items() if stated.get(n) != v]
    wrong += [f"{section} has {has} rows, not {wanted}" for section, (has, wanted) in shown.items() if has != wanted]
    return check("counts_from_rows", not wrong, "; ".join(wrong) or "counted again from the rows")
