"""The ledger over MCP: figures equal the tables, answers keep their schemas, and errors are sentences."""

import asyncio
import csv
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from mcp import Client, StdioServerParameters

from connectors.ledger.books import Books
from connectors.ledger.server import Sources, build_server
from loopback.company import generate, write

TOOLS = {"periods", "chart_of_accounts", "trial_balance", "account_activity", "search_entries", "entry"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("company")
    write(generate(11, small=True), out)
    return out


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "ledger" / "entries.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "connectors.ledger", "--data", str(folder), "--http", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
        process.terminate()
        assert process.wait() == 0


def call(target: Any, tool: str, **arguments: Any) -> Any:
    """One tool call; the structured answer, or the sentence of an error."""

    async def once() -> Any:
        async with Client(target) as client:
            return await client.call_tool(tool, arguments)

    result = asyncio.run(once())
    return result.content[0].text if result.is_error else result.structured_content


def ledger(folder: Path) -> Any:
    """The server in this process."""
    return build_server(Books(folder), Sources("http://pages.example"))


def page(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(address.removesuffix("/mcp") + path) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def ask_everything(target: Any) -> dict[str, Any]:
    """List the tools, call each, and check each answer against its own output schema."""
    questions: dict[str, dict[str, Any]] = {
        "periods": {},
        "chart_of_accounts": {},
        "trial_balance": {"period": "2026-Q3"},
        "account_activity": {"account": "6200", "period_from": "2026-Q2", "period_to": "2026-Q3"},
        "search_entries": {"text": "payroll", "limit": 3},
        "entry": {"id": "JE-000009"},
    }
    async with Client(target) as client:
        tools = (await client.list_tools()).tools
        assert {tool.name for tool in tools} == TOOLS
        answers = {}
        for tool in tools:
            assert tool.annotations and tool.annotations.read_only_hint
            assert tool.output_schema is not None
            result = await client.call_tool(tool.name, questions[tool.name])
            assert not result.is_error
            jsonschema.validate(result.structured_content, tool.output_schema)
            assert json.loads(result.content[0].text) == result.structured_content
            answers[tool.name] = result.structured_content
        return answers


def test_tools_answer_by_their_schemas_over_stdio_and_http_alike(folder, address):
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "connectors.ledger", "--data", str(folder), "--web-base", address.removesuffix("/mcp")],
    )
    by_pipe = asyncio.run(ask_everything(command))
    by_http = asyncio.run(ask_everything(address))
    assert by_pipe == by_http


def test_the_trial_balance_equals_the_sums_of_the_entries_to_the_cent(folder, rows):
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in rows:
        if row["period"] == "2026-Q3":
            sums[row["account"], row["department"]] += Decimal(row["debit_base"]) - Decimal(row["credit_base"])
    answer = call(ledger(folder), "trial_balance", period="2026-Q3")
    moved = [x for x in answer["rows"] if x["entries"]]
    assert {(x["account"], x["department"]): Decimal(x["balance"]) for x in moved} == sums
    assert all(x["balance"] == "0.00" for x in answer["rows"] if not x["entries"])
    assert Decimal(answer["difference"]) == sum(sums.values())


def test_the_trial_balance_names_the_entry_that_does_not_balance(folder):
    imbalance = generate(11, small=True).truth["imbalance"]
    (found,) = call(ledger(folder), "trial_balance", period="2026-Q3")["imbalances"]
    assert (found["entry_id"], found["difference"]) == (imbalance["entry"], imbalance["amount"])
    assert call(ledger(folder), "trial_balance", period="2026-Q2")["imbalances"] == []


def test_activity_has_every_line_of_the_account_in_order(folder, rows):
    wanted = [r for r in rows if r["account"] == "6200" and r["department"] == "ENG" and r["period"] >= "2026-Q2"]
    answer = call(ledger(folder), "account_activity", account="6200", department="ENG", period_from="2026-Q2")
    assert [(x["entry_id"], x["line"]) for x in answer["rows"]] == [(r["entry_id"], r["line"]) for r in wanted]
    for got, row in zip(answer["rows"], wanted, strict=True):
        assert {name: got[name] for name in row if name != "rate"} == {n: v for n, v in row.items() if n != "rate"}
        assert Decimal(got["amount"]) == Decimal(row["debit_base"]) - Decimal(row["credit_base"])


def test_a_line_that_did_not_move_is_in_the_trial_balance_with_zeros(folder, rows):
    known = {(r["account"], r["department"]) for r in rows}
    for period in ("2026-Q1", "2026-Q2", "2026-Q3"):
        answer = call(ledger(folder), "trial_balance", period=period)
        assert {(x["account"], x["department"]) for x in answer["rows"]} == known


def test_a_dash_asks_for_lines_without_a_department(folder):
    answer = call(ledger(folder), "account_activity", account="1000", department="-", period_from="2026-Q3")
    assert answer["rows"] and all(row["department"] == "" for row in answer["rows"])


def test_search_pages_through_all_lines_without_gap_or_double(folder, rows):
    server = ledger(folder)
    cursor, seen = None, []
    while True:
        answer = call(server, "search_entries", period="2026-Q3", min_amount="1000", limit=70, cursor=cursor)
        seen += [(x["entry_id"], x["line"]) for x in answer["rows"]]
        cursor = answer.get("next_cursor")
        if cursor is None:
            break
    large = [
        (r["entry_id"], r["line"])
        for r in rows
        if r["period"] == "2026-Q3" and abs(Decimal(r["debit_base"]) - Decimal(r["credit_base"])) >= 1000
    ]
    assert seen == large and answer["rows_total"] == len(large)


def test_search_finds_a_counterparty_whatever_its_case(folder, rows):
    answer = call(ledger(folder), "search_entries", counterparty="forgeline", limit=1000)
    assert len(answer["rows"]) == sum(1 for r in rows if r["counterparty"] == "Forgeline")


def test_references_and_addresses_lead_to_pages(folder, address):
    answer = call(address, "trial_balance", period="2026-Q3")
    row = next(x for x in answer["rows"] if x["account"] == "6300" and x["department"] == "SALES")
    assert row["ref"] == "ledger:balance/2026-Q3/6300/SALES"
    status, text = page(address, row["url"].removeprefix(address.removesuffix("/mcp")))
    assert status == 200 and f"{Decimal(row['balance']):,.2f}" in text and "/entries/JE-" in text


def test_the_page_of_an_entry_shows_lines_totals_and_source(folder, address):
    imbalance = generate(11, small=True).truth["imbalance"]
    status, text = page(address, f"/entries/{imbalance['entry']}")
    assert status == 200 and "entries.csv, line" in text
    assert f"{Decimal(imbalance['amount']):,.2f}" in text and "differ by" in text


def test_pages_escape_what_they_show_and_say_what_is_missing(address):
    status, text = page(address, "/balances?period=%3Cscript%3Ealert(1)%3C/script%3E")
    assert status == 404 and "<script" not in text and "2026-Q3" in text
    assert page(address, "/entries/JE-999999")[0] == 404
    assert page(address, "/")[0] == 200
    assert json.loads(page(address, "/health")[1])["ok"]


@pytest.mark.parametrize(
    ("tool", "arguments", "named"),
    [
        ("trial_balance", {"period": "2031-Q1"}, ("2031-Q1", "2026-Q1, 2026-Q2, 2026-Q3")),
        ("account_activity", {"account": "6201"}, ("6201", "6200")),
        ("account_activity", {"account": "6200", "department": "LEGAL"}, ("LEGAL", "ENG")),
        (
            "account_activity",
            {"account": "6200", "period_from": "2026-Q3", "period_to": "2026-Q1"},
            ("2026-Q3 to 2026-Q1",),
        ),
        ("search_entries", {"counterparty": "Forgelime"}, ("Forgelime", "Forgeline")),
        ("search_entries", {"min_amount": "much"}, ("much",)),
        ("search_entries", {"cursor": "next"}, ("next",)),
        ("search_entries", {"limit": 0}, ("1 to 1000",)),
        ("entry", {"id": "JE-9"}, ("JE-9", "JE-000001")),
    ],
)
def test_what_is_unknown_is_named_with_what_exists(folder, tool, arguments, named):
    sentence = call(ledger(folder), tool, **arguments)
    assert isinstance(sentence, str) and all(part in sentence for part in named)


def test_a_port_in_use_is_one_sentence(folder, address):
    port = address.split(":")[2].split("/")[0]
    command = [sys.executable, "-m", "connectors.ledger", "--data", str(folder), "--http", port]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and f"Port {port} cannot be used" in done.stderr
