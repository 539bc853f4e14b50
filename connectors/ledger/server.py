"""The MCP server: six read-only questions, each answered with rows that name their source."""

import functools
from collections.abc import Callable, Iterable
from dataclasses import asdict, fields
from decimal import Decimal
from typing import Annotated
from urllib.parse import quote, urlencode

from mcp.server.mcpserver import MCPServer
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import BaseModel, Field

from connectors.ledger import answers as a
from connectors.ledger.books import NO_DEPARTMENT, ZERO, Books, Filter
from connectors.ledger.lines import LedgerError, Line

MOST_ROWS = 1000
LINE_FIELDS = tuple(field.name for field in fields(Line))
INSTRUCTIONS = (
    "Balances and journal entries of a ledger, read-only. Amounts are decimal strings in base currency unless a "
    "column says otherwise; a balance is debit less credit, so revenue is negative. Start with periods."
)

PeriodArgument = Annotated[str, Field(description="a quarter as periods names it, like 2026-Q3")]
AccountArgument = Annotated[str, Field(description="an account number of the chart")]
DepartmentArgument = Annotated[str | None, Field(description="a department; - for lines without one")]


class Sources:
    """References and page addresses of balances and entries."""

    def __init__(self, web_base: str) -> None:
        """Pages are below `web_base`; without one, addresses are empty."""
        self.web_base = web_base.rstrip("/")

    def _at(self, ref: str, path: str) -> dict[str, str]:
        return {"ref": f"ledger:{ref}", "url": f"{self.web_base}{path}" if self.web_base else ""}

    def entry(self, entry_id: str) -> dict[str, str]:
        """Where an entry is shown."""
        name = quote(entry_id, safe="")
        return self._at(f"entry/{name}", f"/entries/{name}")

    def balance(self, period: str, account: str, department: str) -> dict[str, str]:
        """Where a balance and its lines are shown."""
        shown = department or NO_DEPARTMENT
        ref = "/".join(quote(part, safe="") for part in (period, account, shown))
        query = urlencode({"period": period, "account": account, "department": shown})
        return self._at(f"balance/{ref}", f"/balances?{query}")

    def period(self, period: str) -> dict[str, str]:
        """Where the balances of a period are shown."""
        return self._at(f"period/{period}", f"/balances?{urlencode({'period': period})}")

    def account(self, account: str) -> dict[str, str]:
        """Where an account is shown over all periods."""
        return self._at(f"account/{quote(account, safe='')}", f"/balances?{urlencode({'account': account})}")


def money(value: Decimal) -> str:
    """A decimal as text without an exponent."""
    return format(value, "f")


def answer(make: Callable[[], BaseModel]) -> CallToolResult:
    """The structured result and the same as text; an error is one sentence."""
    try:
        made = make()
    except LedgerError as error:
        return CallToolResult(content=[TextContent(type="text", text=str(error))], is_error=True)
    return CallToolResult(
        content=[TextContent(type="text", text=made.model_dump_json(exclude_none=True))],
        structured_content=made.model_dump(mode="json", exclude_none=True),
    )


class Answers:
    """Turns what the books say into the rows of the tools."""

    def __init__(self, books: Books, sources: Sources) -> None:
        """Answer from these books, with these addresses."""
        self.books = books
        self.sources = sources

    def periods(self) -> a.Periods:
        """Quarters, base currency, and what was not understood."""
        rows = []
        for period, lines in self.books.periods.items():
            days = sorted(str(line.date) for line in lines if line.date)
            count = len({line.entry_id for line in lines})
            first, last = (days[0], days[-1]) if days else ("", "")
            place = self.sources.period(period)
            rows.append(a.Period(period=period, first_date=first, last_date=last, entries=count, **place))
        contents = self.books.contents
        return a.Periods(
            periods=rows,
            base_currency=self.books.base_currency,
            unknown_columns=list(contents.unknown_columns),
            not_entries=list(contents.not_entries),
        )

    def chart(self) -> a.Chart:
        """All accounts."""
        every = self.books.accounts.values()
        return a.Chart(
            accounts=[a.ChartAccount(**asdict(account), **self.sources.account(account.account)) for account in every]
        )

    def trial_balance(self, period: str) -> a.TrialBalance:
        """Movements of a period and the entries that do not balance."""
        balances = self.books.trial_balance(period)
        rows = [
            a.BalanceRow(
                account=b.account.account,
                name=b.account.name,
                type=b.account.type,
                department=b.department,
                debit=money(b.debit),
                credit=money(b.credit),
                balance=money(b.debit - b.credit),
                entries=b.entries,
                **self.sources.balance(period, b.account.account, b.department),
            )
            for b in balances
        ]
        debit = sum((b.debit for b in balances), ZERO)
        credit = sum((b.credit for b in balances), ZERO)
        return a.TrialBalance(
            period=period,
            rows=rows,
            total_debit=money(debit),
            total_credit=money(credit),
            difference=money(debit - credit),
            imbalances=[
                a.ImbalanceRow(
                    entry_id=i.entry_id,
                    date=i.date,
                    debit=money(i.debit),
                    credit=money(i.credit),
                    difference=money(i.debit - i.credit),
                    **self.sources.entry(i.entry_id),
                )
                for i in self.books.imbalances(period)
            ],
        )

    def rows(self, lines: Iterable[Line]) -> list[a.EntryRow]:
        """Lines as rows."""
        return [
            a.EntryRow(
                **{
                    name: money(value) if isinstance(value, Decimal) else str(value or "")
                    for name, value in ((name, getattr(line, name)) for name in LINE_FIELDS)
                },
                amount=money(line.amount),
                **self.sources.entry(line.entry_id),
            )
            for line in lines
        ]

    def search(self, wanted: Filter, limit: int, cursor: str | None) -> a.FoundRows:
        """A page of found lines."""
        if not 1 <= limit <= MOST_ROWS:
            raise LedgerError(f"A page has 1 to {MOST_ROWS} rows, not {limit}.")
        if cursor and not cursor.isdecimal():
            raise LedgerError(f"“{cursor}” is not a cursor that search_entries gave.")
        start = int(cursor or 0)
        lines = self.books.search(wanted)
        end = start + limit
        following = str(end) if end < len(lines) else None
        return a.FoundRows(rows=self.rows(lines[start:end]), rows_total=len(lines), next_cursor=following)

    def entry(self, entry_id: str) -> a.Entry:
        """An entry with its totals."""
        lines = self.books.entry(entry_id)
        debit = sum((line.debit_base for line in lines), ZERO)
        credit = sum((line.credit_base for line in lines), ZERO)
        return a.Entry(
            entry_id=entry_id,
            rows=self.rows(lines),
            total_debit=money(debit),
            total_credit=money(credit),
            difference=money(debit - credit),
        )


def _reading_tool(server: MCPServer[None], title: str) -> Callable[[Callable[..., object]], object]:
    """Register a tool that only reads."""
    reading = ToolAnnotations(
        title=title, read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    )
    return server.tool(title=title, annotations=reading)


def build_server(books: Books, sources: Sources) -> MCPServer[None]:
    """The server with its six tools."""
    server: MCPServer[None] = MCPServer("ledger", title="Ledger", instructions=INSTRUCTIONS, log_level="WARNING")
    ask = Answers(books, sources)

    tool = functools.partial(_reading_tool, server)

    @tool("Periods of the ledger")
    async def periods() -> Annotated[CallToolResult, a.Periods]:
        """List the quarters the ledger covers, its base currency, and columns that were not understood."""
        return answer(ask.periods)

    @tool("Chart of accounts")
    async def chart_of_accounts() -> Annotated[CallToolResult, a.Chart]:
        """List all accounts with name, type and normal side."""
        return answer(ask.chart)

    @tool("Trial balance")
    async def trial_balance(period: PeriodArgument) -> Annotated[CallToolResult, a.TrialBalance]:
        """Movements of one quarter by account and department, with totals and entries that do not balance.

        A line that moves in other quarters only is there with zeros.
        """
        return answer(lambda: ask.trial_balance(period))

    @tool("Activity of an account")
    async def account_activity(
        account: AccountArgument,
        department: DepartmentArgument = None,
        period_from: Annotated[str | None, Field(description="first quarter, included")] = None,
        period_to: Annotated[str | None, Field(description="last quarter, included")] = None,
    ) -> Annotated[CallToolResult, a.EntryRows]:
        """All entry lines of an account, in a department and a range of quarters if given."""
        return answer(lambda: a.EntryRows(rows=ask.rows(books.activity(account, department, period_from, period_to))))

    @tool("Search entries")
    async def search_entries(
        text: Annotated[str, Field(description="part of entry, counterparty, description, document or product")] = "",
        account: AccountArgument = "",
        department: DepartmentArgument = None,
        counterparty: Annotated[str, Field(description="full name of a vendor, customer or person")] = "",
        period: PeriodArgument = "",
        min_amount: Annotated[str, Field(description="least size of debit less credit, like 1500.00")] = "",
        limit: Annotated[int, Field(description=f"rows on a page, at most {MOST_ROWS}")] = 200,
        cursor: Annotated[str | None, Field(description="next_cursor of the page before")] = None,
    ) -> Annotated[CallToolResult, a.FoundRows]:
        """Find entry lines that fit all restrictions given."""
        wanted = Filter(text, account, department, counterparty, period, min_amount)
        return answer(lambda: ask.search(wanted, limit, cursor))

    @tool("One entry")
    async def entry(
        id: Annotated[str, Field(description="an entry's number, like JE-000123")],
    ) -> Annotated[CallToolResult, a.Entry]:
        """All lines of one entry with its totals."""
        return answer(lambda: ask.entry(id))

    return server
