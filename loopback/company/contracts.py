"""Contracts with suppliers as PDF files: most terms are the company's own; which ones deviate, the seed decides."""

from __future__ import annotations

import datetime
import random
from pathlib import Path
from typing import Any

import yaml

from loopback.company.launch import long_date
from loopback.company.paper import Paper

SOURCE = Path(__file__).parent / "contracts.yml"
FOLDER = "Supplier contracts"
ANNEX_ROWS = 14
MOST = 3  # deviations of one contract
SMALL = 3  # contracts of the small company


def contracts(seed: int, *, small: bool = False) -> tuple[dict[str, bytes], dict[str, dict[str, str]]]:
    """The files by path, and by file name the deviations that were planted: clause -> name of the deviation."""
    source: dict[str, Any] = yaml.load(SOURCE.read_text(encoding="utf-8"), yaml.CSafeLoader)
    rng = random.Random(f"contracts {seed}")
    files: dict[str, bytes] = {}
    planted: dict[str, dict[str, str]] = {}
    suppliers = source["suppliers"][:SMALL] if small else source["suppliers"]
    able = [clause for clause in source["clauses"] if len(set(clause) - {"id", "title"}) > 1]
    for number, supplier in enumerate(suppliers):
        many = 0 if number % 4 == 1 else rng.randint(1, MOST)
        chosen = {
            clause["id"]: rng.choice(sorted(set(clause) - {"id", "title", "ours"}))
            for clause in rng.sample(able, many)
        }
        planted[f"{supplier['file']}.pdf"] = chosen
        files[f"{FOLDER}/{supplier['file']}.pdf"] = _paper(rng, source, supplier, chosen).pdf()
    if not small:
        first = f"{FOLDER}/{suppliers[0]['file']}.pdf"
        files[first.replace(".pdf", "_copy.pdf")] = files[first]
        scan = _paper(rng, source, {**suppliers[4], "what": "storage of goods"}, {})
        files[f"{FOLDER}/Meridian Freight - storage addendum (scan).pdf"] = scan.pdf(blank=_all(scan))
    return files, planted


def _all(paper: Paper) -> frozenset[int]:
    return frozenset(range(1, len(paper.pages) + 1))


def _paper(rng: random.Random, source: Any, supplier: Any, chosen: dict[str, str]) -> Paper:
    start = datetime.date(2024, 1, 1) + datetime.timedelta(days=rng.randrange(0, 700))
    paper = Paper(supplier["file"])
    paper.heading(supplier["file"].replace(" - ", ": ").upper())
    paper.paragraph(source["opening"].format(**supplier, start=long_date(start)))
    number = 0
    law = rng.choice(source["laws"])
    for clause in source["clauses"]:
        text = clause.get(chosen.get(clause["id"], "ours"), "")
        if text:
            number += 1
            paper.paragraph(f"{number}. {clause['title']}. {text.format(law=law)}")
    paper.paragraph("Signed for the Customer by Adele Castellan, managing director, and for the Supplier.")
    paper.turn()
    paper.heading("ANNEX A AND B: WHAT IS SUPPLIED, AND PRICES")
    rows = [
        f"Item {place:02}    order code LM-{rng.randrange(1000, 9999)}    EUR {rng.randrange(20, 900)}.50"
        for place in range(1, ANNEX_ROWS + 1)
    ]
    paper.lines(rows)
    return paper
