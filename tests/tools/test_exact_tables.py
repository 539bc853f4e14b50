"""query_table and counted figures: no row is lost on the way in, and no digit on the way out."""

from __future__ import annotations

import asyncio

import pytest

from bot.tools.registry import Registry
from bot.tools.results import to_csv
from bot.tools.tables import counted, table_tools
from tests.tools.harness import context, store, use

TOOLS = Registry(table_tools())


@pytest.fixture
def ctx(tmp_path):
    with store(tmp_path) as db:
        yield context(db, tmp_path)


def asked(ctx, sql, text="", name="t.csv", **more):
    """What query_table says about one file, called t."""
    if text:
        ctx.workspace.write(name, text.encode())
    return asyncio.run(use(TOOLS, ctx, "query_table", sql=sql, tables={"t": name}, **more))


def rows(ctx, sql, text="", **more):
    outcome = asked(ctx, sql, text, **more)
    assert not outcome.is_error, outcome.content
    return outcome.content["rows"]


def test_a_column_of_names_with_semicolons_keeps_every_row(ctx):
    text = "vendor,amount\n" + "".join(f'"Smith; J{n}",1\n' for n in range(50))
    assert asked(ctx, "SELECT vendor FROM t", text, save_as="names.csv").content["rows_total"] == 50
    assert rows(ctx, "SELECT count(*) AS n FROM t", name="names.csv") == [{"n": 50}]
    query = ("names.csv", "SELECT count(*) FROM answers")
    assert asyncio.run(counted(ctx, [query])) == {query: "50"}


@pytest.mark.parametrize("note", ['a, "b"', 'say "x"', "two\nlines", "a;b"])
def test_a_cell_that_needs_quotes_late_in_a_file_is_read_as_it_was_written(ctx, note):
    kept = [{"id": f"r{n}", "note": "plain", "amount": "1.00"} for n in range(30_000)]
    text = to_csv([*kept, {"id": "last", "note": note, "amount": "5.00"}])
    assert rows(ctx, "SELECT note FROM t WHERE id = 'last'", text) == [{"note": note}]
    assert rows(ctx, "SELECT sum(amount) AS s, count(*) AS n FROM t") == [{"s": "30005.00", "n": 30_001}]


@pytest.mark.parametrize("name", ["a|b", "note; more", "x\ty"])
def test_a_header_with_the_signs_of_other_tables_stays_one_column(ctx, name):
    assert rows(ctx, "SELECT * FROM t", to_csv([{name: f"1{name[1:-1]}2"}, {name: "3"}]))[1] == {name: "3"}


def test_rows_that_begin_with_a_hash_are_rows(ctx):
    assert rows(ctx, "SELECT sum(amount) AS s FROM t", "id,amount\nA1,100\n#2,200\nA3,300\n") == [{"s": "600"}]


def test_tables_of_others_with_semicolons_tabs_and_lines_above_are_read(ctx):
    assert rows(ctx, "SELECT * FROM t", "a;b\n1,5;2\n3;4\n")[0] == {"a": "1,5", "b": "2"}
    assert rows(ctx, "SELECT * FROM t", "a\tb\n1\t2\n") == [{"a": "1", "b": "2"}]
    assert rows(ctx, "SELECT * FROM t", "Account 123\nPeriod\nid,amount\nx,1\ny,2\n")[1] == {"id": "y", "amount": "2"}


@pytest.mark.parametrize("text", ["item,amount\nDeposit\nx,1.00\ny,2.00\n", "a,b\n1,2\n3,4\n5\n", "a,b\n1\n2\n3,4\n"])
def test_a_table_that_would_lose_rows_or_its_header_is_refused_with_words(ctx, text):
    outcome = asked(ctx, "SELECT count(*) FROM t", text)
    assert outcome.is_error and "The table t cannot be read" in outcome.content["error"]


def test_a_file_that_is_not_utf8_is_refused_with_words(ctx):
    ctx.workspace.write("t.csv", "name\nMüller\n".encode("latin-1"))
    assert "not UTF-8" in asked(ctx, "SELECT * FROM t").content["error"]


def test_columns_of_one_name_are_told_apart(ctx):
    assert rows(ctx, "SELECT * FROM t", "a,a, A ,,\n1,2,3,4,5\n") == [
        {"a": "1", "a_1": "2", "A_2": "3", "column3": "4", "column4": "5"}
    ]


def test_numbers_with_zeros_in_front_are_codes(ctx):
    assert rows(ctx, "SELECT * FROM t", "code\n-007\n00.5\n") == [{"code": "-007"}, {"code": "00.5"}]


# --- exact numbers


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sum(a) / 1 AS x FROM t", "SELECT round(avg(a), 2) AS x FROM t",
        "SELECT CAST(round(avg(a), 2) AS DECIMAL(18, 2)) AS x FROM t", "SELECT CAST(a AS DOUBLE) AS x FROM t",
        "SELECT count(*) AS n FROM t WHERE a / 3 > 0.1", "SELECT CAST(a * 1e0 AS DECIMAL(9, 2)) AS x FROM t",
        "SELECT a // 2 AS x FROM t", "SELECT avg(a) OVER () AS x FROM t",
    ],
)  # fmt: skip
def test_a_floating_number_is_refused_with_words_that_say_how_to_write_it(ctx, sql):
    outcome = asked(ctx, sql, "a\n1.00\n1.01\n")
    assert outcome.is_error and "div(a, b, places)" in outcome.content["error"]


def test_a_floating_number_that_is_marked_is_given_and_said(ctx):
    outcome = asked(ctx, "SELECT stddev(a) AS spread_approx FROM t", "a\n1.00\n1.01\n")
    assert outcome.content["approximate"] == ["spread_approx"]


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("div(12345678901234567.89, 1, 2)", "12345678901234567.89"), ("mean(a, 2)", "1.01"), ("mean(a, 3)", "1.005"),
        ("div(2, 3, 4)", "0.6667"), ("div(-1, 8, 2)", "-0.13"), ("div(1, 8, 2)", "0.13"), ("div(1, 0, 2)", None),
        ("div(sum(a), count(*), 2)", "1.01"), ("div(-7, 2, 0)", "-4"), ("div(2, 3, 30)", "0.66666666667"),
        ("div(99999999999999.99, 99999999999999.98, 11)", "1.00000000000"),
        ("div(1, 99999999999.99, 11)", "0.00000000001"), ("sum(div(a, 4, 2))", "0.50"),
    ],
)  # fmt: skip
def test_div_and_mean_are_exact_and_round_half_up(ctx, sql, value):
    assert rows(ctx, f"SELECT {sql} AS x FROM t", "a\n1.00\n1.01\n")[0] == {"x": value}


def test_a_counted_figure_is_no_floating_number(ctx):
    ctx.workspace.write("t.csv", b"a\n1\n2\n")
    with pytest.raises(Exception, match="not exact"):
        asyncio.run(counted(ctx, [("t.csv", "SELECT avg(CAST(a AS INTEGER)) FROM answers")]))


AMOUNTS = 'name,amount\na,999\nb,"1,234"\nc,50\n'


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT max(amount) AS m FROM t", "SELECT name FROM t ORDER BY amount DESC LIMIT 1",
        "SELECT * FROM t ORDER BY 2", "SELECT name FROM t WHERE AMOUNT BETWEEN '10' AND '200'",
        "SELECT name FROM t WHERE amount > '60'",
    ],
)  # fmt: skip
def test_an_order_of_numbers_that_are_text_is_marked_with_its_column(ctx, sql):
    assert "are text; MIN, MAX, ORDER BY" in (note := asked(ctx, sql, AMOUNTS).content["note"])
    assert ": amount." in note
    assert ": amount." in asked(ctx, sql, "name,amount\na,9\nb,100\nc,n/a\n").content["note"]


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("SELECT max(amount) AS m FROM t", "name,amount\na,999\nb,1234\n"),
        ("SELECT name FROM t ORDER BY name", AMOUNTS), ("SELECT count(*) AS n FROM t GROUP BY amount", AMOUNTS),
        ("SELECT code FROM t ORDER BY code", "code\n007\n08\n9\n"),
        ("SELECT max(day) AS d FROM t", "day\n2026-01-31\n2026-02-28\n"), ("SELECT max(a) AS m FROM t", "a\nx\ny\n"),
    ],
)  # fmt: skip
def test_what_is_in_the_order_that_it_seems_bears_no_mark(ctx, sql, text):
    assert "note" not in asked(ctx, sql, text).content
