"""The redline and the issues against their sources, from the declared outputs alone.

The Word files are read here by their XML: what is accepted and rejected is worked out again, by other means than
those that made them.
"""

from __future__ import annotations

import csv
import json
import re
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
Check = dict[str, Any]


def main() -> None:
    """Prints the checks."""
    try:
        answer = {"ok": True, "checks": [*quotes(), every_contract(), *redline()]}
    except (LookupError, OSError, ValueError, zipfile.BadZipFile, ElementTree.ParseError) as wrong:
        answer = {"ok": False, "error": f"The outputs cannot be judged: {wrong}", "checks": []}
    print(json.dumps(answer, ensure_ascii=False))


def one(pattern: str) -> Path:
    """The declared file of a name. Raises LookupError when it is there more or less than once."""
    found = sorted(Path().rglob(pattern))
    if len(found) != 1:
        raise LookupError(f"{pattern} is declared {len(found)} times")
    return found[0]


def check(name: str, wrong: list[str], right: str) -> Check:
    return {"name": name, "passed": not wrong, "detail": "; ".join(wrong[:6]) or right}


def results() -> list[dict[str, Any]]:
    lines = one("positions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def quotes() -> list[Check]:
    """Each issue rests on words that were found in its contract, or on a clause that is not there."""
    with one("issues.csv").open(encoding="utf-8", newline="") as lines:
        listed = list(csv.DictReader(lines))
    rows = results()
    known = {(r["name"], r["quote"]) for r in rows if r["found"]}
    invented = [
        f"{i['contract']}: {i['quote'][:80]}"
        for i in listed
        if i["quote"] and (i["contract"], i["quote"]) not in known
    ]
    bare = [f"{i['contract']}: {i['label']}" for i in listed if i["minded"] == "found" and not i["quote"]]
    page = squeezed(re.sub(r"<[^>]+>", " ", one("due_diligence.html").read_text(encoding="utf-8")))
    from html import unescape

    page = squeezed(unescape(page))
    hidden = [f"{i['contract']}: {i['label']}" for i in listed if squeezed(i["quote"]) not in page]
    return [
        check("issues_quoted", invented + bare, f"{len(listed)} quotes found in their contracts"),
        check("issues_on_the_page", hidden, "every issue stands on the page with its words"),
    ]


def every_contract() -> Check:
    """Each document of the manifest is on the page, read or named as not read."""
    from html import unescape

    page = squeezed(unescape(re.sub(r"<[^>]+>", " ", one("due_diligence.html").read_text(encoding="utf-8"))))
    names = {re.sub(r"\.(docx|md|txt|pdf)$", "", r["name"].rpartition("/")[2]) for r in results()}
    missing = sorted(name for name in names if squeezed(name) not in page)
    return check("every_contract_named", missing, f"{len(names)} documents")


def redline() -> list[Check]:
    """Accepted it is the proposed text, rejected the original file; each change has a reason and a position."""
    changes = json.loads(one("changes.json").read_text(encoding="utf-8"))
    found = sorted(Path().rglob("redline/*.docx"))
    if not changes and not found:
        return []
    if len(found) != 1:
        raise LookupError(f"the redline is declared {len(found)} times")
    place = found[0]
    original = place.with_name(f"{place.stem}.original.txt").read_text(encoding="utf-8")
    proposed = place.with_name(f"{place.stem}.proposed.txt").read_text(encoding="utf-8")
    source = sorted(Path().rglob("documents/*.docx"))
    before = text(source[0], drop="ins") if source else original
    rejected, accepted = text(place, drop="ins"), text(place, drop="del")
    wanted = squeezed(before)
    for change in changes:
        wanted = wanted.replace(squeezed(change["quote"]), squeezed(change["new"]), 1)
    with zipfile.ZipFile(place) as package:
        remarks = package.read("word/comments.xml").decode() if "word/comments.xml" in package.namelist() else ""
        authors = set(re.findall(r'w:author="([^"]*)"', package.read("word/document.xml").decode()))
    silent = [c["quote"][:60] for c in changes if not c["reason"] or c["reason"][:40] not in unescaped(remarks)]
    stranger = [a for a in authors if not a.startswith("Cadre for ")] if source and not has_changes(source[0]) else []
    return [
        check(
            "rejected_is_original",
            [] if squeezed(rejected) == squeezed(before) == squeezed(original) else ["the texts differ"],
            f"{len(before)} characters",
        ),
        check(
            "accepted_is_proposed",
            [] if squeezed(accepted) == squeezed(proposed) == squeezed(wanted) else ["the texts differ"],
            f"{len(changes)} changes",
        ),
        check("each_change_has_a_reason", silent, f"{len(changes)} comments"),
        check(
            "changes_signed", stranger or ([] if authors else ["no change is tracked"]), ", ".join(sorted(authors))
        ),
    ]


def text(place: Path, drop: str) -> str:
    """The words of a Word file without its insertions (`ins`) or without its deletions (`del`)."""
    with zipfile.ZipFile(place) as package:
        root = ElementTree.fromstring(package.read("word/document.xml"))
    lines: list[str] = []

    def walk(node: ElementTree.Element) -> str:
        if node.tag == W + drop and len(node):
            return ""
        if node.tag in (W + "t", W + "delText"):
            return node.text or ""
        if node.tag in (W + "tab", W + "br"):
            return " "
        return "".join(walk(child) for child in node)

    for paragraph in root.iter(W + "p"):
        lines.append(walk(paragraph))
    return "\n".join(lines)


def has_changes(place: Path) -> bool:
    with zipfile.ZipFile(place) as package:
        return b"<w:ins " in package.read("word/document.xml")


def unescaped(xml: str) -> str:
    from html import unescape

    return unescape(re.sub(r"<[^>]+>", "", xml))


def squeezed(words: str) -> str:
    """Words without blanks and the shape of quote marks."""
    spelt = words.translate(str.maketrans("“”„’‘\u00a0", '"""\'\' '))
    return re.sub(r"\s+", " ", spelt).strip()


if __name__ == "__main__":
    main()
