"""The company's customer survey of two years, asked a little differently each time, and the truth about it.

Some groups are too small to be shown, and some answers say who wrote them; both follow from the seed.
"""

import csv
import io
import json
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

YEARS = ("2025", "2026")
FILES = {"2025": "Customer survey 2025.csv", "2026": "Customer survey 2026.sheet.json"}
SIZES = {"2025": 143, "2026": 168}
SMALL = {"2025": 46, "2026": 52}

PRODUCT = "Which of our products do you use most?"
SATISFIED = "How satisfied are you with it?"
SUPPORT = "How do you reach our support? (select all that apply)"
RECOMMEND = "How likely are you to recommend us? (0 to 10)"
KIND = "What kind of organisation are you?"
LOGGERS = "How many loggers do you have in use?"
BETTER = "What should we do better?"
STAND = "Did you visit our stand at Aquatech?"
DELTA = "Do you use the Delta web view?"
ELSE = "Is there anything else you want to tell us?"

PRODUCTS = ("Still 8", "Brook 2", "Estuary", "Reed kit")
LEVELS = ("Very dissatisfied", "Dissatisfied", "Neither", "Satisfied", "Very satisfied")
WAYS = ("Phone", "Mail", "Chat", "Field visit")
KINDS = ("Harbour office", "Water authority", "Fish farm", "University")
RARE_KIND = "Private boat owner"
WEIGHTS: dict[str, dict[str, tuple[int, ...]]] = {
    "2025": {PRODUCT: (42, 33, 15, 10), SATISFIED: (4, 11, 18, 45, 22), KIND: (44, 28, 16, 12)},
    "2026": {PRODUCT: (30, 46, 14, 10), SATISFIED: (3, 7, 14, 44, 32), KIND: (40, 32, 17, 11)},
}
TICKED = {"2025": (0.62, 0.55, 0.12, 0.2), "2026": (0.41, 0.52, 0.38, 0.19)}

# What people want, as begun and as gone on with; the themes are those of the truth.
WISHES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "answer time": (
        ("Answer faster", "We waited too long for an answer", "The hotline is slow", "Answers take days"),
        ("when a probe fails in the season", "in the weekend", "on simple questions", "once the ticket is open"),
    ),
    "battery": (
        ("The battery should last longer", "A battery that lasts the winter", "Battery life drops in the cold"),
        ("so that we need not go out in January", "at remote stations", "after the last firmware", "please"),
    ),
    "spare parts": (
        ("Spare parts must arrive sooner", "Keep spare membranes in stock", "Parts cost more than they should"),
        ("before the spring tide", "for the older loggers", "for us far from the depot", "every single year"),
    ),
    "manual": (
        ("The manual is hard to follow", "A shorter manual would help", "Write the manual for the quay"),
        ("and too long", "with pictures instead of paragraphs", "in large letters", "for people without training"),
    ),
    "export": (
        ("The export misses the last hour", "Let us export to a spreadsheet", "The export breaks with long periods"),
        ("which costs us an evening each month", "without asking support", "in our own time zone", "on the hour"),
    ),
}
IDENTIFYING = (
    "I am the only night warden of the Delfzijl lock, so call me before you change anything.",
    "Ask Bram Carlsen at our office, he knows the problem.",
    "Write to lock.keeper@galway-port.example about it.",
    "You can reach me on +353 91 555 0148 after six.",
)
PRAISE = (
    "Thank you, it simply works.", "Keep it as simple as it is.", "Your field people are the best part of it.",
    "We like the new light on the lid.", "Nothing to add, we are content.", "Easy to clean, which matters here.",
    "The training day was worth the trip.", "It survived the storm better than our boat did.",
)  # fmt: skip


@dataclass(frozen=True)
class Survey:
    """Drive files by name, and what a straightforward recount must come to."""

    files: dict[str, str]
    truth: dict[str, Any]


def survey(seed: int, *, small: bool = False) -> Survey:
    """Both years of a seed; `small` has fewer respondents."""
    rng = random.Random(f"survey {seed}")
    files: dict[str, str] = {}
    counts: dict[str, dict[str, dict[str, int]]] = {}
    identifying: list[str] = []
    for year in YEARS:
        people = [_person(rng, year) for _ in range((SMALL if small else SIZES)[year])]
        for person, text in zip(rng.sample(people, len(IDENTIFYING)), IDENTIFYING, strict=True):
            person[BETTER] = text
        for person in rng.sample(people, 2 + rng.randrange(2)):
            person[KIND] = RARE_KIND
        identifying += IDENTIFYING
        counts[year] = _counts(people, year)
        files[FILES[year]] = _csv(people) if year == "2025" else _sheet(people)
    return Survey(files, {"counts": counts, "identifying": sorted(set(identifying)), "rare": RARE_KIND})


def _person(rng: random.Random, year: str) -> dict[str, Any]:
    """One respondent; a question may be left out."""
    weights = WEIGHTS[year]
    ticked = [way for way, share in zip(WAYS, TICKED[year], strict=True) if rng.random() < share]
    theme = rng.choice(tuple(WISHES))
    begun, gone_on = WISHES[theme]
    wish = f"{rng.choice(begun)} {rng.choice(gone_on)}."
    answers: dict[str, Any] = {
        PRODUCT: rng.choices(PRODUCTS, weights[PRODUCT])[0],
        SATISFIED: rng.choices(LEVELS, weights[SATISFIED])[0],
        SUPPORT: ticked or ["Mail"],
        RECOMMEND: str(min(10, max(0, round(rng.gauss(7.2 if year == "2025" else 7.9, 1.9))))),
        KIND: rng.choices(KINDS, weights[KIND])[0],
        LOGGERS: str(rng.choice((1, 2, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 30, 41))),
        BETTER: wish if rng.random() < 0.72 else rng.choice(PRAISE) if rng.random() < 0.3 else "",
        STAND: rng.choices(("Yes", "No"), (31, 69))[0],
        DELTA: rng.choices(("Daily", "Sometimes", "Never"), (38, 37, 25))[0],
        ELSE: rng.choice(PRAISE) if rng.random() < 0.15 else "",
    }
    for question in (SATISFIED, RECOMMEND, KIND, LOGGERS):
        if rng.random() < 0.06:
            answers[question] = ""
    if rng.random() < 0.05:
        answers[SUPPORT] = []
    return answers


def _counts(people: list[dict[str, Any]], year: str) -> dict[str, dict[str, int]]:
    """Per question: each answer's count, and under "" how many answered."""
    asked = (PRODUCT, SATISFIED, RECOMMEND, KIND, STAND if year == "2025" else DELTA)
    made = {question: Counter(str(p[question]) for p in people if p[question]) for question in asked}
    made[SUPPORT] = Counter(way for p in people for way in p[SUPPORT])
    counts = {question: dict(sorted(found.items())) for question, found in made.items()}
    for question in counts:
        counts[question][""] = sum(1 for p in people if p[question])
    return counts


def _csv(people: list[dict[str, Any]]) -> str:
    """2025: an export with one column for each way to reach support."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";")
    ways = [f"{SUPPORT} [{way}]" for way in WAYS]
    writer.writerow(["Response", PRODUCT, SATISFIED, *ways, RECOMMEND, KIND, LOGGERS, BETTER, STAND])
    for number, p in enumerate(people, start=1):
        ticks = ["Yes" if way in p[SUPPORT] else "No" if p[SUPPORT] else "" for way in WAYS]
        row = [p[PRODUCT], p[SATISFIED], *ticks, p[RECOMMEND], p[KIND], p[LOGGERS], p[BETTER], p[STAND]]
        writer.writerow([f"R-{number:04d}", *row])
    return out.getvalue()


def _sheet(people: list[dict[str, Any]]) -> str:
    """2026: the form's own sheet, with all ways to reach support in one cell."""
    header = ["Response", PRODUCT, SATISFIED, SUPPORT, RECOMMEND, KIND, LOGGERS, BETTER, DELTA, ELSE]
    rows: list[list[Any]] = [list(header)]
    for number, p in enumerate(people, start=1):
        numbers = {q: int(p[q]) if p[q] else None for q in (RECOMMEND, LOGGERS)}
        cells = {**p, **numbers, SUPPORT: "; ".join(p[SUPPORT])}
        rows.append([f"S-{number:04d}", *(cells[q] or None if q not in numbers else cells[q] for q in header[1:])])
    tabs = [{"title": "Form responses", "rows": rows}]
    return json.dumps({"title": "Customer survey 2026", "tabs": tabs}, ensure_ascii=False, indent=1) + "\n"
