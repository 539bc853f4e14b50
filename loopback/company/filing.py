"""A yearly report of more than sixty pages, and the policy it must meet; what it fails, the seed decides."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import yaml

from loopback.company.paper import Paper

SOURCE = Path(__file__).parent / "filing.yml"
REPORT = "Filings/Annual report 2025.pdf"
POLICY = "Filings/Policy for yearly reports.pdf"
FAILED, SILENT = 3, 2  # requirements that the report does not meet, and that it does not speak of
RISKS, DAYS = 60, 30
SITES = ("Delft", "Brielle", "Portland")
LINES = ("Still 8", "Brook 2", "Estuary", "Reed kit", "Delta")


def filing(seed: int, *, small: bool = False) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Report and policy by path; and by requirement what the report says: ours, another variant's name, or silent."""
    source: dict[str, Any] = yaml.load(SOURCE.read_text(encoding="utf-8"), yaml.CSafeLoader)
    rng = random.Random(f"filing {seed}")
    asked = source["requirements"]
    able = [one["id"] for one in asked if "short" in one or "refused" in one]
    failed = set(rng.sample(able, FAILED))
    silent = set(rng.sample([one["id"] for one in asked if one["id"] not in failed], SILENT))
    planted: dict[str, str] = {}
    said: dict[int, list[str]] = {}
    policy = Paper(source["policy"]["title"])
    policy.heading(source["policy"]["title"].upper())
    policy.paragraph(source["policy"]["opening"])
    for one in asked:
        limit = rng.choice(one.get("limit", [""]))
        policy.paragraph(
            f"{one['id']}. {one['title']}. {one['must'].format(limit=limit)}. Telling words: {one['words']}."
        )
        other = "short" if "short" in one else "refused"
        planted[one["id"]] = "silent" if one["id"] in silent else other if one["id"] in failed else "ours"
        if planted[one["id"]] != "silent":
            numbers = {name: rng.choice(one[name]) for name in ("good", "bad") if name in one}
            said.setdefault(one["chapter"], []).append(one[planted[one["id"]]].format(**numbers))
    policy.paragraph(source["policy"]["closing"])
    report = _report(rng, source, said, small)
    scanned = len(report.pages) - 2
    files = {REPORT: report.pdf(blank=frozenset({scanned})), POLICY: policy.pdf()}
    return files, {"answers": planted, "pages": len(report.pages), "scanned": scanned}


def _report(rng: random.Random, source: Any, said: dict[int, list[str]], small: bool) -> Paper:
    report = Paper("Annual report 2025")
    report.heading("LARKMERE INSTRUMENTS B.V.: ANNUAL REPORT 2025")
    for number, title in enumerate(source["chapters"], start=1):
        if number > 1:
            report.turn()
        report.heading(f"{number} {title}")
        texts = rng.sample(source["prose"], 8) + said.get(number, [])
        rng.shuffle(texts)
        for text in texts:
            report.paragraph(text)
        if number == 5:
            _risks(rng, report, source, 12 if small else RISKS)
        elif not small:
            _tables(rng, report, title)
    return report


def _risks(rng: random.Random, report: Paper, source: Any, many: int) -> None:
    for number in range(1, many + 1):
        words = {name: rng.choice(options) for name, options in source["risks"].items()}
        report.paragraph(source["risk"].format(n=number, **words))


def _tables(rng: random.Random, report: Paper, title: str) -> None:
    """Rows of figures by site, line and week, as the registers behind a report hold them."""
    for site in SITES:
        for line in LINES:
            rows = [f"{title}: {line}, {site}, by week"]
            rows += [
                f"  week {week:02}    {rng.randrange(10, 400):>5} units    EUR {rng.randrange(1_000, 90_000):>8,}"
                for week in range(1, rng.randrange(14, DAYS))
            ]
            report.lines(rows)
