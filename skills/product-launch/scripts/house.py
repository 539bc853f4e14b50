"""Builds the message house of a launch from its brand document, which is known by its content and not by its name."""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from launchlib import Fact, WrongInput, fact_dict, main

NEEDED = ("product", "company", "launch_date", "launch_page")


def work(args: dict[str, Any]) -> dict[str, Any]:
    """Arguments: product, documents [{file, url}], key_message (when it replaces the document's)."""
    for document in args["documents"]:
        sections = _sections(Path(document["file"]).read_text(encoding="utf-8"))
        facts = _facts(sections.get("facts", []))
        product = facts.get("product")
        if product is not None and product.text.lower() == args["product"].strip().lower():
            return _written(args, document, sections, facts)
    raise WrongInput(
        f"No shared document has a section Facts with {args['product']} as its product. Without a brand document "
        "nothing can be said about it."
    )


def _written(
    args: dict[str, Any], document: dict[str, str], sections: dict[str, list[str]], facts: dict[str, Fact]
) -> dict[str, Any]:
    missing = [name for name in NEEDED if name not in facts]
    message = " ".join(sections.get("key message", [])).strip()
    if missing or not message:
        named = ", ".join(missing or ["key message"]).replace("_", " ")
        raise WrongInput(f"The brand document of {args['product']} does not state: {named}.")
    asked = str(args.get("key_message") or "").strip().strip('"“”')
    house = {
        "key_message": asked or message,
        "replaced": [message] if asked and asked != message else [],
        "facts": [fact_dict(f) for f in facts.values()],
        "quote": " ".join(sections.get("what the spokesperson says", [])).strip().strip('"“”'),
        "proof": _bullets(sections.get("proof", [])),
        "avoid": _bullets(sections.get("never say", [])),
        "source": document,
    }
    Path("house.json").write_text(json.dumps(house, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return {
        "ok": True, "file": "house.json", "key_message": house["key_message"], "product": facts["product"].text,
        "figures": _figures(facts, document),
    }  # fmt: skip


def _sections(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    heading = ""
    for line in text.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ").strip().lower()
        elif line.strip():
            found.setdefault(heading, []).append(line.strip())
    return found


def _bullets(lines: list[str]) -> list[str]:
    return [line.lstrip("-*• ").strip() for line in lines]


def _facts(lines: list[str]) -> dict[str, Fact]:
    """The rows of the table: fact, kind, value, words that mean it."""
    found: dict[str, Fact] = {}
    for line in lines:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) < 3 or set(line) <= set("|-: ") or cells[1].lower() == "kind":
            continue
        label, kind, text = cells[0], cells[1].lower(), _plain(cells[2])
        name = re.sub(r"\W+", "_", label.lower()).strip("_")
        words = tuple(w.strip().lower() for w in (cells[3] if len(cells) > 3 else "").split(",") if w.strip())
        number, unit = _number(kind, text)
        found[name] = Fact(name, label, kind, text, number, unit, words)
    return found


def _plain(cell: str) -> str:
    linked = re.fullmatch(r"\[([^\]]*)\]\(([^)]*)\)|<([^>]*)>", cell)
    return (linked[2] or linked[3]) if linked else cell


def _number(kind: str, text: str) -> tuple[str, str]:
    found = re.search(r"\d[\d.,]*", text) if kind in ("money", "number") else None
    if found is None:
        return "", ""
    rest = (text[: found.start()] + text[found.end() :]).strip()
    return found[0].replace(",", ""), rest


def _figures(facts: dict[str, Fact], document: dict[str, str]) -> list[dict[str, Any]]:
    """Every number as a figure whose source is its row of facts.csv, which opens the document."""
    rows = [f for f in facts.values() if f.number]
    with Path("facts.csv").open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["fact", "number", "unit", "url"])
        writer.writerows([f.id, f.number, f.unit, document["url"]] for f in rows)
    return [
        {
            "id": f"launch.{fact.id}", "label": fact.label, "value": fact.number, "formula": "v",
            "unit": fact.unit if fact.kind == "money" else "",
            "inputs": [
                {
                    "as": "v", "kind": "document", "ref": f"brand:{fact.id}", "url": document["url"],
                    "value": fact.number, "source": {"file": "facts.csv", "row": number, "column": "number"},
                }
            ],
        }
        for number, fact in enumerate(rows, start=1)
    ]  # fmt: skip


if __name__ == "__main__":
    main(work)
