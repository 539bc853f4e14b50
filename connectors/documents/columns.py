"""Understands a grid: which role each column plays, and its amounts as long rows with the cell of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path

from connectors.documents.tables import Grid, write_csv
from connectors.documents.words import NUMERIC_ROLES, decimal_mark, number_of, period_of, role_by_words

# headers that promise a number so plainly that a column of texts is an error and not another kind of column
PLAIN_NUMBER_WORDS = re.compile(r"(?i)\b(amount|debit|credit|quantity|units|unit[ _]price|price|value|balance)\b")
TOTAL_ROW = re.compile(r"(?i)^(grand |sub-?\s?|overall )?(totals?|sum)\b")
# what may follow the word in a row that says no more than that it is a total; a period may as well
OF_WHAT = re.compile(
    r"(?i)(?:(?:of|for|by|per|as of|at|in|to date|ytd|actuals?|all|net|gross|operating|other|current|non|long|short|"
    r"term|fixed|direct|indirect|and|amounts?|values?|balances?|budget(?:ed)?|forecast|plan(?:ned)?|costs?|revenues?|"
    r"expenses?|expenditures?|spend(?:ing)?|income|sales|assets|liabilities|equity|capital|debits?|credits?|due|"
    r"results?|profits?|loss(?:es)?|margins?|surplus|deficits?|cash|tax(?:es)?|variances?|differences?|"
    r"payables?|receivables?|sum|totals?|eur|usd|gbp|chf)\b[\s&/,.:()-]*)+"
)
CODE = re.compile(r"^[A-Za-z]{0,4}[-._]?\d[\w.-]*$")
LONG_ORDER = (
    "entry", "date", "period", "entity", "account", "name", "type", "department", "department_name", "fund",
    "fund_name", "category", "product", "counterparty", "description", "currency", "service_from",
    "service_to", "measure", "quantity", "unit_price", "debit", "credit", "amount",
)  # fmt: skip
MAX_PROBLEMS = 25


@dataclass(frozen=True)
class Understood:
    """What was understood of a grid; `unknown` columns are named to people, never guessed."""

    roles: dict[str, str]
    periods: dict[str, str]  # column -> period, for wide tables
    unknown: tuple[str, ...]
    problems: tuple[str, ...]
    columns: tuple[str, ...]  # of the long rows, without the places
    rows: tuple[dict[str, str], ...]  # each with `_row` and `_cell`, the place of its amount

    def described(self) -> list[dict[str, str]]:
        """Columns with their roles in source order, for a tool result."""
        return [
            {"name": column, "role": role} | ({"period": self.periods[column]} if column in self.periods else {})
            for column, role in self.roles.items()
        ]


@dataclass
class _Reading:
    """What is collected while one grid is read."""

    grid: Grid
    roles: dict[str, str] = field(default_factory=dict)
    periods: dict[str, str] = field(default_factory=dict)
    measures: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def index(self, column: str) -> int:
        return self._places[column]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {column: at for at, column in enumerate(self.grid.columns)}

    @cached_property
    def marks(self) -> list[str]:
        """The decimal mark of each column where its values decide it."""
        return [decimal_mark(row[at] for row in self.grid.rows) for at in range(len(self.grid.columns))]

    def number(self, row: int, column: int) -> Decimal | None:
        """The number in a cell, as its column writes numbers."""
        return number_of(self.grid.rows[row][column], self.marks[column])

    @cached_property
    def totals(self) -> frozenset[int]:
        """The rows that only add up others; a row that merely begins like one is kept and named."""
        found, doubtful = _totals(self.grid, self.marks)
        if doubtful:
            shown = ", ".join(
                f'{self.grid.row_numbers[at]} ("{_first(self.grid.rows[at])[:60]}")' for at in doubtful[:3]
            )
            more = f" and {len(doubtful) - 3} more" if len(doubtful) > 3 else ""
            self.problems.append(
                f"{self.grid.place}: row {shown}{more} begins like a total, which the rows above do not add up to; "
                "it was counted as a row."
            )
        return found

    def values(self, column: str) -> list[str]:
        """Filled cells of a column outside total rows."""
        at = self.index(column)
        return [row[at] for number, row in enumerate(self.grid.rows) if row[at] and number not in self.totals]


def understand(grid: Grid) -> Understood:
    """Roles by header words confirmed by value shapes, then the amounts as long rows."""
    reading = _Reading(grid)
    if not grid.columns or not grid.rows:
        if grid.columns or not grid.titles:  # a sheet of prose alone is no problem
            what = "has a header row and nothing below it" if grid.columns else "is empty"
            reading.problems.append(f"{grid.place} {what}.")
        return Understood({}, {}, (), tuple(reading.problems), (), ())
    for column in grid.columns:
        _assign(reading, column)
    _resolve_doubles(reading)
    rows = _long_rows(reading)
    _check_total(reading)
    used = {key for row in rows for key, value in row.items() if value}
    columns = tuple(role for role in LONG_ORDER if role in used)
    problems = reading.problems[:MAX_PROBLEMS]
    if len(reading.problems) > MAX_PROBLEMS:
        problems.append(f"{grid.place}: {len(reading.problems) - MAX_PROBLEMS} further problems of this kind.")
    return Understood(reading.roles, reading.periods, tuple(reading.unknown), tuple(problems), columns, tuple(rows))


def write_long(
    path: Path, grid: Grid, understood: Understood, source: str, address: Callable[[int, str], str]
) -> int:
    """Keeps long rows as CSV with `ref` and `url` of each amount.

    `source` is sheet:<id> or file:<id>; `address` gives the URL of a row and cell.
    """

    def place(row: dict[str, str]) -> tuple[str, str]:
        url = address(int(row["_row"]), row["_cell"])
        if source.startswith("sheet:"):
            return f"{source}/{grid.tab}!{row['_cell']}", url
        tab = f"{grid.tab}!" if grid.tab else ""
        return f"{source}#{tab}{row['_cell']}", url

    lines = (
        (row["_row"], row["_cell"], *(row.get(column, "") for column in understood.columns), *place(row))
        for row in understood.rows
    )
    return write_csv(path, ("_row", "_cell", *understood.columns, "ref", "url"), lines)


def _assign(reading: _Reading, column: str) -> None:
    values = reading.values(column)
    period, rest = split_period(column)
    role = role_by_words(rest) if rest else None
    mark = reading.marks[reading.index(column)]
    numbers = sum(1 for value in values if number_of(value, mark) is not None)
    if period is not None and (not rest or (role == "amount" and numbers)):
        reading.roles[column] = "period_amount"
        reading.periods[column] = period
        reading.measures[column] = rest
        return
    role = role_by_words(column)
    if (
        role in NUMERIC_ROLES
        and not PLAIN_NUMBER_WORDS.search(column.replace("_", " "))
        and numbers * 2 < len(values)
    ):
        role = None
    if role == "account" and not _mostly(values, lambda value: bool(CODE.match(value))):
        role = "name"
    if role == "period" and not _mostly(values, lambda value: period_of(value) is not None):
        role = "date" if _mostly(values, _is_date) else None
    if role is None and _mostly(values, lambda value: period_of(value) is not None and not value.isdigit()):
        role = "period"
    if role is not None:
        reading.roles[column] = role
    elif values:
        reading.unknown.append(column)


def _resolve_doubles(reading: _Reading) -> None:
    """Two columns of one role: the one of codes keeps it, the other holds its names; else it is unknown."""
    for role in {*reading.roles.values()} - {"amount", "period_amount"}:
        columns = [column for column, given in reading.roles.items() if given == role]
        if len(columns) < 2:
            continue
        coded = [c for c in columns if _mostly(reading.values(c), lambda value: bool(CODE.match(value)))]
        keep = coded[0] if coded else columns[0]
        for column in columns:
            if column == keep:
                continue
            names = f"{role}_name"
            if names in LONG_ORDER and names not in reading.roles.values():
                reading.roles[column] = names
            else:
                del reading.roles[column]
                reading.unknown.append(column)


def _long_rows(reading: _Reading) -> list[dict[str, str]]:
    grid, roles = reading.grid, reading.roles
    amounts = [c for c, role in roles.items() if role in ("amount", "period_amount")]
    single = len(amounts) == 1 and roles[amounts[0]] == "amount"
    numeric = [c for c, role in roles.items() if role in NUMERIC_ROLES]
    labels = [c for c, role in roles.items() if role not in NUMERIC_ROLES]
    if not numeric:
        return []
    rows: list[dict[str, str]] = []
    for at, cells in enumerate(grid.rows):
        if at in reading.totals:
            continue
        base = {roles[c]: _label(roles[c], cells[reading.index(c)]) for c in labels}
        numbers = {c: _number(reading, at, c) for c in numeric}
        filled = {c: value for c, value in numbers.items() if value is not None}
        base |= {roles[c]: format(value, "f") for c, value in filled.items() if c not in amounts}
        base["_row"] = str(grid.row_numbers[at])
        for column in amounts:
            if column not in filled:
                continue
            row = base | {
                "amount": format(filled[column], "f"),
                "_cell": grid.cell(at, reading.index(column)),
            }
            if not single:
                row["measure"] = reading.measures.get(column, column) or base.get("measure", "")
            if column in reading.periods:
                row["period"] = reading.periods[column]
            rows.append(row)
        if not amounts and filled:
            rows.append(base | {"_cell": grid.cell(at, reading.index(next(iter(filled))))})
    return rows


def _number(reading: _Reading, at: int, column: str) -> Decimal | None:
    text = reading.grid.rows[at][reading.index(column)]
    if not text or text in ("-", "–", "—"):
        return None
    number = reading.number(at, reading.index(column))
    if number is None:
        cell = reading.grid.cell(at, reading.index(column))
        shown = text if len(text) <= 60 else text[:57] + "…"
        reading.problems.append(
            f'{reading.grid.place}, cell {cell}: "{shown}" stands where a number belongs (column {column}).'
        )
    return number


def _check_total(reading: _Reading) -> None:
    """A single closing total row must equal the rows above it; a difference is told, not smoothed."""
    grid = reading.grid
    if reading.totals != {len(grid.rows) - 1}:
        return
    for column, role in reading.roles.items():
        if role not in ("amount", "period_amount", "debit", "credit"):
            continue
        at = reading.index(column)
        stated = reading.number(len(grid.rows) - 1, at)
        added = sum((reading.number(row, at) or Decimal(0) for row in range(len(grid.rows) - 1)), Decimal(0))
        if stated is not None and abs(stated - added) >= Decimal("0.005"):
            reading.problems.append(
                f"{grid.place}, cell {grid.cell(len(grid.rows) - 1, at)}: the total says {stated:f}, "
                f"the rows above it add up to {added:f} (column {column})."
            )


def split_period(label: str) -> tuple[str | None, str]:
    """A header such as `Forecast Q3 2026` as its period and the rest of its words."""
    whole = period_of(label)
    if whole is not None:
        return whole, ""
    words = label.split()
    for size in (3, 2, 1):
        for start in range(len(words) - size + 1):
            period = period_of(" ".join(words[start : start + size]).strip("()"))
            if period is not None:
                return period, " ".join(words[:start] + words[start + size :])
    return None, label


def _label(role: str, text: str) -> str:
    return (period_of(text) or text) if role == "period" else text


def _totals(grid: Grid, marks: Sequence[str]) -> tuple[frozenset[int], list[int]]:
    """The rows that are totals by their words, a label above or their sum; then those that only begin like one."""
    like = [at for at, row in enumerate(grid.rows) if TOTAL_ROW.match(_first(row))]
    plain = {at for at in like if _says_only_total(_first(grid.rows[at]))}
    if len(plain) == len(like):
        return frozenset(plain), []
    maybe, found, doubtful = set(like) - plain, set(plain), []
    labels = _label_columns(grid, like, marks)
    part, whole = _Added(marks), _Added(marks)
    for at, row in enumerate(grid.rows):
        if at in maybe:
            about = TOTAL_ROW.sub("", _first(row)).strip().casefold()
            bare = bool(labels) and not any(row[column] for column in labels)
            if bare or about in part.names or part.gives(row) or whole.gives(row):
                found.add(at)
            else:
                doubtful.append(at)
        if at in found:
            part = _Added(marks)
            continue
        part.add(row)
        whole.add(row)
    return frozenset(found), doubtful


def _label_columns(grid: Grid, like: Sequence[int], marks: Sequence[str]) -> list[int]:
    """The columns behind the first words in which the other rows say what they are about, and totals nothing."""
    totals = set(like)
    rows = [row for at, row in enumerate(grid.rows) if at not in totals]
    first = {row.index(_first(row)) for row in rows if _first(row)}

    def said(column: int) -> int:
        return sum(bool(row[column]) and number_of(row[column], marks[column]) is None for row in rows)

    return [at for at in range(len(grid.columns)) if at not in first and said(at) * 2 > len(rows)]


@dataclass
class _Added:
    """The sums of the numbers in some rows, column by column, and what else stands in them."""

    marks: Sequence[str]  # the decimal mark of each column
    rows: int = 0
    sums: dict[int, Decimal] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)

    def add(self, row: Sequence[str]) -> None:
        self.rows += 1
        for at, cell in enumerate(row):
            number = number_of(cell, self.marks[at]) if cell else None
            if number is not None:
                self.sums[at] = self.sums.get(at, Decimal(0)) + number
            elif cell:
                self.names.add(cell.casefold())

    def gives(self, row: Sequence[str]) -> bool:
        """Whether most numbers of a row are these sums; one row alone proves nothing."""
        numbers = {at: number_of(cell, self.marks[at]) for at, cell in enumerate(row) if cell}
        stated = {at: number for at, number in numbers.items() if number is not None}
        same = sum(abs(number - self.sums.get(at, Decimal(0))) < Decimal("0.005") for at, number in stated.items())
        return self.rows > 1 and same * 2 > len(stated)


def _says_only_total(label: str) -> bool:
    rest = TOTAL_ROW.sub("", label).strip(" .:=()-–—")
    return (
        not rest
        or re.match(r"(?i)(?:of|for|by|per)\b", rest) is not None
        or (OF_WHAT.fullmatch(split_period(rest)[1].strip(" .:()-–—") or "total") is not None)
    )


def _first(row: Sequence[str]) -> str:
    # only the first filled cell: a line may well be called "Sum insured" in a later column
    return next((cell for cell in row if cell), "")


def _is_date(text: str) -> bool:
    return bool(re.fullmatch(r"\d{4}-\d\d-\d\d([T ].*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}", text))


def _mostly(values: list[str], test: Callable[[str], bool]) -> bool:
    return bool(values) and sum(1 for value in values if test(value)) * 10 >= len(values) * 8
