"""Pages that show a balance or an entry to a person, so that a figure's link opens where it comes from."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from connectors.ledger.books import NO_DEPARTMENT, ZERO, Balance, Books
from connectors.ledger.lines import LedgerError, Line

NUMERIC = frozenset({"Debit", "Credit", "Balance", "Entries", "Quantity", "Unit price", "Amount", "Rate"})
WRAPPED = frozenset({"Description", "Counterparty"})
MOST_LINES = 2000
TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)


@dataclass(frozen=True)
class Cell:
    """Text of a cell and where it leads, if anywhere."""

    text: str
    href: str = ""


@dataclass(frozen=True)
class Table:
    """A table of a page; the total has one text for each column."""

    columns: tuple[str, ...]
    rows: list[list[Cell]]
    total: tuple[str, ...] = ()
    title: str = ""
    note: str = ""
    numeric: frozenset[str] = NUMERIC
    wrapped: frozenset[str] = WRAPPED


@dataclass(frozen=True)
class Page:
    """What a page shows."""

    title: str
    subtitle: str = ""
    trail: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    tables: list[Table] = field(default_factory=list)


def grouped(value: Decimal) -> str:
    """An amount for reading: two decimals and grouped thousands."""
    return f"{value:,.2f}"


def balances_path(period: str = "", account: str = "", department: str = "") -> str:
    """Address of a page of balances."""
    query = {"period": period, "account": account, "department": department}
    return "/balances?" + urlencode({name: value for name, value in query.items() if value})


def entry_path(entry_id: str) -> str:
    """Address of an entry's page."""
    return f"/entries/{quote(entry_id, safe='')}"


class Pages:
    """Makes the pages from the books."""

    def __init__(self, books: Books) -> None:
        """Show these books."""
        self.books = books

    def start(self) -> Page:
        """The quarters of the ledger."""
        rows = [
            [Cell(period, balances_path(period)), Cell(f"{len({line.entry_id for line in lines}):,}")]
            for period, lines in self.books.periods.items()
        ]
        warnings = [f"Not understood: {column}." for column in self.books.contents.unknown_columns]
        warnings += [f"Not read, or not right: {sentence}" for sentence in self.books.contents.not_entries]
        currency = self.books.base_currency
        subtitle = f"Amounts in {currency}" if currency else ""
        return Page("Quarters", subtitle, (), tuple(warnings), (), [Table(("Quarter", "Entries"), rows)])

    def balances(self, period: str, account: str, department: str) -> Page:
        """Balances of what is asked for, and the lines behind them once an account is named."""
        wanted = self.books.need_department(department) if department else None
        if account:
            lines = self.books.activity(account, department or None, period or None, period or None)
            balances = self.books.balances(lines)
        elif period:
            balances = [b for b in self.books.trial_balance(period) if wanted in (None, b.department)]
        else:
            balances = self.books.balances(x for x in self.books.contents.lines if wanted in (None, x.department))
        known = self.books.accounts[account].name if account else ""
        title = (
            " · ".join(part for part in (period, f"{account} {known}".strip(), department) if part) or "All quarters"
        )
        tables = [_balance_table(balances, period)]
        if account:
            tables.append(_lines_table(lines))
        warnings = [
            f"Entry {i.entry_id} does not balance: debit {grouped(i.debit)}, credit {grouped(i.credit)}."
            for i in (self.books.imbalances(period) if period and not account else [])
        ]
        trail = ((period, balances_path(period) if account else ""),) if period else ()
        subtitle = f"{self.books.base_currency} · debit and credit of the quarter; balance is debit less credit"
        return Page(title, subtitle.removeprefix(" · "), trail, tuple(warnings), (), tables)

    def entry(self, entry_id: str) -> Page:
        """An entry with all its lines."""
        lines = self.books.entry(entry_id)
        first = lines[0]
        service = " to ".join(part for part in (first.service_from, first.service_to) if part)
        facts = (
            ("Date", str(first.date or "")),
            ("Quarter", first.period),
            ("Entity", first.entity),
            ("Counterparty", first.counterparty),
            ("Description", first.description),
            ("Document", first.document),
            ("Service", service),
            ("Source", f"{first.source} to {lines[-1].source}" if len(lines) > 1 else first.source),
        )
        difference = sum((line.amount for line in lines), ZERO)
        unbalanced = difference and self.books.contents.entries_named
        warning = f"Debit and credit differ by {grouped(difference)} {self.books.base_currency}."
        return Page(
            f"Entry {entry_id}",
            f"Totals in {self.books.base_currency}" if self.books.base_currency else "",
            ((first.period, balances_path(first.period)), (entry_id, "")),
            (warning,) if unbalanced else (),
            tuple(fact for fact in facts if fact[1]),
            [_entry_table(lines, self.books)],
        )


def _balance_table(balances: list[Balance], period: str) -> Table:
    columns = ("Account", "Name", "Type", "Department", "Debit", "Credit", "Balance", "Entries")
    rows = []
    for b in balances:
        href = balances_path(period, b.account.account, b.department or NO_DEPARTMENT)
        texts = (b.account.name, b.account.type, b.department)
        amounts = (grouped(b.debit), grouped(b.credit), grouped(b.debit - b.credit), f"{b.entries:,}")
        rows.append([Cell(b.account.account, href), *map(Cell, (*texts, *amounts))])
    debit = sum((b.debit for b in balances), ZERO)
    credit = sum((b.credit for b in balances), ZERO)
    total = ("Total", "", "", "", grouped(debit), grouped(credit), grouped(debit - credit), "")
    return Table(columns, rows, total)


def _lines_table(lines: list[Line]) -> Table:
    columns = (
        "Entry",
        "Date",
        "Quarter",
        "Counterparty",
        "Description",
        "Service",
        "Quantity",
        "Unit price",
        "Amount",
    )
    rows = []
    for line in lines[:MOST_LINES]:
        service = "–".join(part for part in (line.service_from, line.service_to) if part)
        texts = (str(line.date or ""), line.period, line.counterparty, line.description, service)
        numbers = (line.quantity, line.unit_price, grouped(line.amount))
        rows.append([Cell(line.entry_id, entry_path(line.entry_id)), *map(Cell, (*texts, *numbers))])
    total = sum((line.amount for line in lines), ZERO)
    note = (
        f"The first {MOST_LINES:,} of {len(lines):,} lines; the total is of all." if len(lines) > MOST_LINES else ""
    )
    return Table(columns, rows, ("Total", *[""] * 7, grouped(total)), "Lines", note)


def _entry_table(lines: list[Line], books: Books) -> Table:
    rows = []
    own_currency = any(line.currency != books.base_currency for line in lines if line.currency)
    for line in lines:
        href = balances_path(line.period, line.account, line.department or NO_DEPARTMENT)
        texts = [line.account, books.accounts[line.account].name, line.department, line.product]
        numbers = [line.quantity, line.unit_price]
        if own_currency:
            own = f"{grouped(line.debit - line.credit)} {line.currency}"
            numbers += [own, line.rate]
        numbers += [grouped(line.debit_base), grouped(line.credit_base)]
        rows.append([Cell(texts[0], href), *map(Cell, (*texts[1:], *numbers))])
    own_columns = ("Amount", "Rate") if own_currency else ()
    columns = ("Account", "Name", "Department", "Product", "Quantity", "Unit price", *own_columns, "Debit", "Credit")
    debit = grouped(sum((line.debit_base for line in lines), ZERO))
    credit = grouped(sum((line.credit_base for line in lines), ZERO))
    return Table(columns, rows, ("Total", *[""] * (len(columns) - 3), debit, credit))


def page_routes(books: Books, root: str) -> list[Route]:
    """The pages and a health check; `root` is the path below which a proxy shows them."""
    pages = Pages(books)
    template = TEMPLATES.get_template("page.html")

    def shown(make: Callable[[], Page]) -> Response:
        status = 200
        try:
            page = make()
        except LedgerError as error:
            page, status = Page("Not found", warnings=(str(error),)), 404
        return HTMLResponse(template.render(root=root, **vars(page)), status_code=status)

    async def start(_: Request) -> Response:
        return shown(pages.start)

    async def balances(request: Request) -> Response:
        asked = [request.query_params.get(name, "") for name in ("period", "account", "department")]
        return shown(lambda: pages.balances(*asked))

    async def entry(request: Request) -> Response:
        return shown(lambda: pages.entry(request.path_params["entry_id"]))

    async def health(_: Request) -> Response:
        try:
            return JSONResponse({"ok": True, "periods": list(books.periods)})
        except LedgerError as error:
            return JSONResponse({"ok": True, "periods": [], "problem": str(error)})

    return [
        Route("/", start),
        Route("/balances", balances),
        Route("/entries/{entry_id:path}", entry),
        Route("/health", health),
    ]
