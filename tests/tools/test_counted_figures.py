"""Figures that rest on SQL: code asks the table again, and only what it answers counts."""

from __future__ import annotations

import asyncio

import pytest

from bot.errors import ModelMustRetry
from bot.tools import figures
from bot.tools.tables import counted
from tests.tools.harness import context, store

YES = "SELECT count(*) FROM answers WHERE lower(trim(\"Like it?\")) = 'yes'"


@pytest.fixture
def ctx(tmp_path):
    with store(tmp_path) as db:
        made = context(db, tmp_path)
        made.workspace.write("t.csv", b"_row,Like it?,Code\n2,Yes,007\n3, yes,08\n4,No,9\n5,,10\n")
        yield made


def checked(ctx, value, sql=YES, file="t.csv"):
    """The claims of a script that says this query comes to this value."""
    told = {"as": "n", "kind": "query", "value": value, "source": {"file": file, "sql": sql}}
    answer = {"figures": [{"id": "f", "label": "x", "value": value, "formula": "n", "inputs": [told]}]}
    counts = asyncio.run(counted(ctx, figures.queries(answer)))
    return figures.checked(ctx, answer, figures.Sources(ctx, {}, counts))


def test_a_count_that_the_table_gives_is_kept_with_its_query(ctx):
    (figure,) = checked(ctx, "2").figures
    (told,) = figure["inputs"]
    assert told["ref"] == f"t.csv: {YES}"


def test_a_count_that_the_table_does_not_give_is_refused(ctx):
    with pytest.raises(ModelMustRetry, match=r"says 3; t\.csv when counted again says 2"):
        checked(ctx, "3")


def test_cells_are_texts_as_they_stand(ctx):
    assert checked(ctx, "1", "SELECT count(*) FROM answers WHERE \"Code\" = '007'").figures


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM answers", "SELECT count(*) FROM nothing", "DROP TABLE answers", "SELECT 1; SELECT 1",
        "SELECT count(*) FROM read_csv('/etc/passwd')", "SELECT count(*) FROM 't.csv'", "SELECT NULL", "nonsense",
    ],
)  # fmt: skip
def test_a_query_that_gives_no_one_value_of_the_table_is_refused(ctx, sql):
    with pytest.raises(ModelMustRetry, match=r"t\.csv cannot be asked"):
        checked(ctx, "1", sql)


def test_a_table_that_is_not_there_is_named(ctx):
    with pytest.raises(ModelMustRetry, match=r"no file 'u\.csv'"):
        checked(ctx, "1", file="u.csv")


def cell(row, value, column="Code", name="a"):
    return {"as": name, "ref": "x", "kind": "cell", "value": value,
            "source": {"file": "t.csv", "row": row, "column": column}}  # fmt: skip


def figured(ctx, formula, value, inputs):
    answer = {"figures": [{"id": "f", "label": "x", "value": value, "formula": formula, "inputs": inputs}]}
    return figures.checked(ctx, answer, figures.Sources(ctx, {})).figures


def test_an_empty_cell_is_no_evidence_of_a_zero(ctx):
    with pytest.raises(ModelMustRetry, match=r"says 0; t\.csv row 4 says nothing"):
        figured(ctx, "a", "0", [cell(4, "0", "Like it?")])


def test_a_figure_rests_on_an_input_unless_it_is_a_sum_of_nothing(ctx):
    assert figured(ctx, "0", "0", []) and figured(ctx, "a * 2", "18", [cell(3, "9")])
    for inputs in ([], [cell(3, "9")]):
        with pytest.raises(ModelMustRetry, match="rests on no input"):
            figured(ctx, "42 * 1000000", "42000000", inputs)


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("+".join(["a"] * 5000), "too long"), ("-" * 50_000 + "a", "cannot be recomputed"),
        ("a\0", "is not a formula"), ("a / 0", "cannot be computed: DivisionByZero"),
    ],
)  # fmt: skip
def test_a_formula_that_cannot_be_computed_is_told_shortly(ctx, formula, words):
    with pytest.raises(ModelMustRetry, match=words) as told:
        figured(ctx, formula, "1", [cell(3, "9")])
    assert len(str(told.value)) < 400
