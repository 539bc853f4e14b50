"""Surveys as the scripts read them: questions behind columns, how an answer is told in SQL, and when it is shown."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

SMALLEST = 5  # a group of fewer people is not shown
MOST_OPTIONS = 60
SCALE = 11  # distinct numbers that are still answers to tick
LONG = 24  # average characters of free text
ROW = "_row"
MISSING = ("", "na")
TICKED = ("yes", "1", "true", "x", "checked", "ticked")
UNTICKED = ("no", "0", "false", "unchecked", "not ticked", "not selected")
LIME = re.compile(r"^(?P<code>[A-Za-z]\w*)(?:\[(?P<sub>[^\]]*)\])?\.\s*(?P<text>.*)$", re.DOTALL)
OPTION = re.compile(r"^(?P<text>.*?)\s*\[(?P<option>[^\[\]]*(?:\[[^\]]*\][^\[\]]*)*)\]\s*$", re.DOTALL)
NUMBER = re.compile(r"-?\d+(\.\d+)?")
LADDERS = (
    ("strongly disagree", "disagree", "neither agree or disagree", "neither agree nor disagree", "agree",
     "strongly agree"),
    ("very dissatisfied", "dissatisfied", "neither", "satisfied", "very satisfied"),
    ("never", "rarely", "sometimes", "often", "weekly", "daily", "always"),
    ("yes", "no"),
)  # fmt: skip


class WrongInput(Exception):
    """Input that cannot be used; the message names what and where."""


@dataclass(frozen=True)
class Column:
    """One column of a table; `option` is what a tick in it means."""

    name: str
    option: str = ""


@dataclass
class Question:
    """What was asked, and in which columns the answers stand.

    kind: single, multi (a column per option), cell (several options in one cell), number, text.
    """

    title: str
    kind: str
    columns: list[Column]
    code: str = ""
    options: list[str] = field(default_factory=list)

    @property
    def choice(self) -> bool:
        return self.kind in ("single", "multi", "cell")

    @property
    def key(self) -> str:
        return self.code.lower() or plain(self.title)


@dataclass(frozen=True)
class Table:
    """One year's answers as they stand in a file."""

    year: str
    file: str
    name: str
    url: str
    header: tuple[str, ...]
    rows: tuple[dict[str, str], ...]


def main(work: Callable[[dict[str, Any]], dict[str, Any]]) -> NoReturn:
    """Runs a script's work on the arguments from standard input and prints one JSON object."""
    try:
        answer = {"ok": True, "files": [], "figures": [], "findings": [], "checks": []}
        answer |= work(json.loads(sys.stdin.read() or "{}"))
    except WrongInput as wrong:
        answer = {"ok": False, "error": str(wrong)}
    print(json.dumps(answer, ensure_ascii=False))
    sys.exit(0)


def read_table(year: str, file: str, name: str = "", url: str = "") -> Table:
    """A CSV file of answers."""
    csv.field_size_limit(2**24)
    with open(file, encoding="utf-8-sig", newline="") as source:
        reader = csv.DictReader(source)
        rows = tuple({k: v or "" for k, v in row.items() if k is not None} for row in reader)
        return Table(year, file, name or Path(file).stem, url, tuple(reader.fieldnames or ()), rows)


def clean(text: str) -> str:
    """An answer as it is compared: as SQL's `told` does it."""
    return text.replace("\ufeff", "").replace("\u00a0", " ").strip(" ").lower()


def given(text: str) -> bool:
    return clean(text) not in MISSING


def plain(text: str) -> str:
    """A question's words without what differs between exports."""
    return re.sub(r"[^\w]+", " ", text.lower()).strip()


# --- what SQL says of an answer; the table is `answers`


def told(column: str) -> str:
    return f"lower(trim(replace(replace({quoted(column)}, chr(65279), ''), chr(160), ' ')))"


def quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def text_of(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def sql_base(question: Question) -> str:
    """How many answered."""
    if len(question.columns) == 1:
        return f"SELECT count(*) FROM answers WHERE {told(question.columns[0].name)} NOT IN ('', 'na')"
    cells = ", ".join(quoted(c.name) for c in question.columns)
    nothing = r"(na|[\s\x{FEFF}\x{A0}])*"
    return f"SELECT count(*) FROM answers WHERE NOT regexp_full_match(lower(concat_ws(' ', {cells})), '{nothing}')"


def sql_count(question: Question, option: str) -> str:
    """How many gave an answer. Raises KeyError when it could not be given."""
    if question.kind == "multi":
        column = next((c for c in question.columns if clean(c.option) == clean(option)), None)
        if column is None:
            raise KeyError(option)
        ticked = ", ".join(text_of(word) for word in dict.fromkeys((*TICKED, clean(option))))
        return f"SELECT count(*) FROM answers WHERE {told(column.name)} IN ({ticked})"
    cell = told(question.columns[0].name)
    if question.kind == "cell":
        parts = f"';' || regexp_replace({cell}, '\\s*;\\s*', ';', 'g') || ';'"
        return f"SELECT count(*) FROM answers WHERE contains({parts}, {text_of(f';{clean(option)};')})"
    return f"SELECT count(*) FROM answers WHERE {cell} = {text_of(clean(option))}"


def sql_sum(question: Question) -> str:
    cell = told(question.columns[0].name)
    return f"SELECT sum(CAST({cell} AS DECIMAL(38,6))) FROM answers WHERE {cell} NOT IN ('', 'na')"


# --- which questions a table asks


def questions(table: Table) -> tuple[list[Question], dict[str, str]]:
    """The questions of a table in their order, and the columns left out with the reason."""
    found: list[Question] = []
    left: dict[str, str] = {}
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for name in (c for c in table.header if c != ROW):
        code, text, option = _parts(name)
        groups.setdefault((code, text) if option else (name, ""), []).append((name, option))
    for (code, text), columns in groups.items():
        ticks = [c for c in columns if len(columns) > 1 and _ticks(table, *c)]
        if len(ticks) > 1:
            options = [option for _, option in ticks]
            found.append(Question(text or code, "multi", [Column(*c) for c in ticks], code, options))
        for name, _ in (c for c in columns if c not in (ticks if len(ticks) > 1 else [])):
            question, reason = _alone(table, name)
            if question is None:
                left[name] = reason
            else:
                found.append(question)
    order = {name: at for at, name in enumerate(table.header)}
    return sorted(found, key=lambda q: order[q.columns[0].name]), left


def _parts(name: str) -> tuple[str, str, str]:
    """Code, words and option of a column's name."""
    lime = LIME.match(name)
    code, text = (lime["code"], lime["text"]) if lime and lime["text"] else ("", name)
    option = OPTION.match(text)
    if option is None or not option["option"].strip():
        return code, (option["text"] if option else text).strip(), ""
    return code, option["text"].strip(), option["option"].strip()


def _ticks(table: Table, name: str, option: str) -> bool:
    """Whether a column only says ticked or not."""
    seen = {clean(row[name]) for row in table.rows}
    return seen <= {*MISSING, *TICKED, *UNTICKED, clean(option)}


def _alone(table: Table, name: str) -> tuple[Question | None, str]:
    """The question of a column of its own, or why it is left out."""
    code, text, option = _parts(name)
    lime = LIME.match(name)
    code = f"{code}[{lime['sub']}]" if lime and lime["sub"] and code else code
    title = " · ".join(part for part in (text, option) if part) or name
    values = [row[name].strip() for row in table.rows if given(row[name])]
    if not values:
        return None, "nobody answered"
    seen = Counter(clean(v) for v in values)
    columns = [Column(name)]
    if len(seen) == len(values) >= 10 and max(map(len, values)) <= 40 and not name.strip().endswith("?"):
        return None, "it tells respondents apart"
    cells = [part for v in values for part in v.split(";")]
    several = sum(";" in v for v in values)
    if several * 10 >= len(values) and len({clean(part) for part in cells}) <= MOST_OPTIONS:
        return Question(title, "cell", columns, code, _variants(part.strip() for part in cells if part.strip())), ""
    if all(NUMBER.fullmatch(clean(v)) for v in values) and len(seen) > SCALE:
        return Question(title, "number", columns, code), ""
    sentences = sum(v.endswith((".", "!", "?")) for v in values) * 2 > len(values)
    long = sum(map(len, values)) / len(values) >= LONG and (len(seen) * 4 > len(values) or sentences)
    if long or len(seen) > MOST_OPTIONS or (len(seen) > 20 and len(seen) * 2 > len(values)):
        return Question(title, "text", columns, code), ""
    return Question(title, "single", columns, code, _variants(values)), ""


def _variants(values: Iterable[str]) -> list[str]:
    """Each answer once, in its commonest spelling."""
    spelt: dict[str, Counter[str]] = {}
    for value in values:
        spelt.setdefault(clean(value), Counter())[value.replace("\ufeff", "").strip()] += 1
    return [c.most_common(1)[0][0] for c in spelt.values()]


def ladder(options: list[str], counts: dict[str, int]) -> list[str]:
    """Answers in their natural order: by number, by a usual scale, else the most given first."""
    known = [clean(o) for o in options]
    numbers = {o: found for o in options if (found := NUMBER.match(clean(o)))}
    if len(numbers) == len(options):
        return sorted(options, key=lambda o: float(numbers[o][0]))
    for steps in LADDERS:
        if set(known) <= set(steps):
            return sorted(options, key=lambda o: steps.index(clean(o)))
    return sorted(options, key=lambda o: (-counts.get(clean(o), 0), o.lower()))


def withheld(question: Question, counts: dict[str, int], base: int) -> dict[str, str]:
    """Which answers are not shown, and why: small groups, and one more where a small group could be worked out."""
    if base < SMALLEST:
        return dict.fromkeys(counts, "fewer answered")
    small = {option: "small" for option, n in counts.items() if 0 < n < SMALLEST}
    if question.kind == "single" and len(small) == 1:
        others = sorted((n, option) for option, n in counts.items() if n and option not in small)
        if others:
            small[others[0][1]] = "neighbour"
    return small
