"""Answers of any length and shape arrive whole, with what Slack can draw drawn by Slack."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.slack.audit import text_of
from bot.slack import answers, canvas_text, charts
from loopback.slack.blocks import message_problems

LINES = st.one_of(
    st.text(alphabet="abc <>&*_`|#-", max_size=200),
    st.just("| a | b |\n|---|---|\n| 1 | <https://x.example/1|two> |"),
    st.just("a | b\n- | :-:\n1 | <https://x.example/1|two> | 3"),
    st.integers(1, 9_000).map(lambda size: f"| a | b |\n|-|-|\n| {'w&amp; ' * size} | <https://x.example/1|two> |"),
    st.just("```\ncode | here\n```"),
    st.just("````\n```\n````"),
    st.just("# A heading"),
)
TABLE = "| Account | Amount |\n|:---|---:|\n| 4000 Fees | <https://x.example/e1|1,234.50> |\n| 4100 | **7** |"


def kinds(text):
    return [block["type"] for part in answers.parts(text) for block in part.blocks]


@settings(max_examples=60, deadline=None)
@given(st.lists(LINES, min_size=1, max_size=60).map("\n".join))
def test_every_part_is_within_slacks_limits(text):
    for part in answers.parts(text):
        assert message_problems(part.blocks) == message_problems(answers.plainer(part.blocks)) == []


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 8_000))
def test_words_stay_whole_and_in_order_in_at_most_three_messages_or_the_file_has_them_all(count):
    words = [f"w{n}." for n in range(count)]
    text = " ".join(words) or "."
    made = answers.parts(text)
    assert len(made) <= 3
    shown = [word for word in text_of({"blocks": part.blocks} for part in made).split() if word in set(words)]
    whole = answers.whole(text).decode()
    assert shown == words if not whole else whole == text and shown == words[: len(shown)]


def test_a_table_is_a_table_and_its_links_open():
    (table,) = [b for b in answers.parts(f"Two accounts:\n{TABLE}\nThat is all.")[0].blocks if b["type"] == "table"]
    assert [cell["type"] for cell in table["rows"][1]] == ["raw_text", "rich_text"]
    assert "https://x.example/e1" in json.dumps(table) and table["rows"][2][1]["text"] == "7"
    assert kinds(f"Two accounts:\n{TABLE}\nThat is all.") == ["section", "table", "section"]


def test_two_tables_are_two_messages_for_slack_takes_one_in_each():
    assert len(answers.parts(f"{TABLE}\n\nand\n\n{TABLE}")) == 2


def table_of(rows, columns, cell="value {row}-{column}"):
    lines = [[cell.format(row=row, column=column) for column in range(columns)] for row in range(rows)]
    head = [f"c{column}" for column in range(columns)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * columns, *lines])


PIE = json.dumps({"type": "pie", "title": "Fees", "points": [["a", 1]]})


@pytest.mark.parametrize("piece", [TABLE, f"```chart\n{PIE}\n```"])
@pytest.mark.parametrize("count", range(1, 9))
def test_a_short_answer_that_is_cut_for_its_tables_or_charts_has_its_file(piece, count):
    text = "\n\n".join([f"Part {n}\n{piece}" for n in range(count)] + ["Conclusion: sell."])
    shown = text_of([{"blocks": part.blocks} for part in answers.parts(text)])
    whole = answers.whole(text).decode()
    assert ("Conclusion: sell." in shown) == (not whole) == ("answer.md" not in shown)
    assert not whole or whole.endswith("Conclusion: sell.")


def test_two_charts_are_in_one_message():
    assert len(answers.parts(f"```chart\n{PIE}\n```\n```chart\n{PIE}\n```")) == 1


def test_a_table_takes_the_room_of_its_words():
    text = f"Intro\n\n{table_of(60, 5)}\n\nMiddle\n\n{table_of(60, 5)}\n\nConclusion: sell."
    made = answers.parts(text)
    assert [[block["type"] for block in part.blocks] for part in made] == [
        ["section", "table", "section"], ["table", "section"],
    ]  # fmt: skip


def test_a_table_too_wide_for_slack_is_shown_as_it_was_written():
    row = "|" + "|".join(f" c{n} " for n in range(30)) + "|"
    text = f"{row}\n|{'---|' * 30}\n{row}"
    assert kinds(text) == ["rich_text"] and text in text_of([{"blocks": answers.parts(text)[0].blocks}])


@pytest.mark.parametrize(
    "written",
    [
        "| a | b |\n|:-|-:|\n| 1 | - |\n| - | - |",
        "|a|b|\n|-|-|\n|1|-|\n|-|-|",
        "a | b\n--- | ---:\n1 | -\n- | -",
        "| a | b\n|---|---\n| 1 | -\n| - | -",
    ],
)
def test_a_table_is_one_however_markdown_writes_it(written):
    first, table, last = answers.parts(f"Before\n{written}\n\nAfter a | b")[0].blocks
    assert [[cell["text"] for cell in row] for row in table["rows"]] == [["a", "b"], ["1", "-"], ["-", "-"]]
    assert (first["text"]["text"], last["text"]["text"]) == ("Before", "After a | b")


@pytest.mark.parametrize(
    "written",
    [
        "Choose a | b\n---\nand go on",
        "Choose a | b\n--- | --- | ---",
        "See <https://x.example|it>\n- | -",
        "a | b",
        "`a | b`\n--|--",
        "|\n|",
        "- | -",
    ],
)
def test_words_with_pipes_stay_words(written):
    assert kinds(written) == ["section"]


def test_a_long_cell_goes_on_in_the_row_below_and_nothing_of_it_is_lost():
    long = " ".join(f"w{n}" for n in range(400))
    link = "<https://x.example/" + "a" * 600 + "|here>"
    (table,) = answers.parts(f"| a | b |\n|---|---|\n| {long} | {link} |\n| 1 | 2 |")[0].blocks
    assert "".join(row[0]["text"] for row in table["rows"][1:-1]) == long and len(table["rows"]) == 6
    assert table["rows"][1][1]["elements"][0]["elements"][0]["text"] == "here"


def test_a_row_with_more_cells_than_the_head_has_them_in_columns_of_their_own():
    written = "| a | b |\n|---|---|\n| 1 | 2 | 3 |\n| `x|y` | <https://x.example|Doc> | |\n| 4 |"
    (table,) = answers.parts(written)[0].blocks
    shown = [text_of([{"blocks": [{"text": [cell, "/"]} for cell in row]}]) for row in table["rows"]]
    assert [line.replace("\n", "") for line in shown] == ["a/b/ /", "1/2/3/", "`x|y`/Doc/ /", "4/ / /"]
    assert canvas_text.markdown(written).startswith("| a | b |  |\n| --- | --- | --- |\n| 1 | 2 | 3 |")


def test_links_in_what_is_shown_as_text_open():
    row = "|" + " <https://x.example/1|one> |" * 21
    for text in (f"{row}\n|{'---|' * 21}\n{row}", "```\nsee <https://x.example/1|one>\n```"):
        (block,) = answers.parts(text)[0].blocks
        links = [one for one in block["elements"][0]["elements"] if one["type"] == "link"]
        assert links[0] == {"type": "link", "url": "https://x.example/1", "text": "one"}
        assert "&lt;" not in text_of([{"blocks": [block]}]) and "<" not in text_of([{"blocks": [block]}])


@pytest.mark.parametrize(
    ("rows", "columns", "cell"), [(98, 20, "{row:04}"), (99, 6, "{row}-{column} words"), (9, 2, "{row:0400}")]
)
def test_a_table_that_slack_refuses_is_whole_as_text(rows, columns, cell):
    blocks = [
        block for part in answers.parts(table_of(rows, columns, cell)) for block in answers.plainer(part.blocks)
    ]
    said = text_of([{"blocks": blocks}])
    assert all(cell.format(row=row, column=2).split()[0] in said for row in range(rows)) and "…" not in said
    assert answers.whole(table_of(rows, columns, cell)) == b""


@pytest.mark.parametrize(
    ("marks", "inside"), [("````", "```\ninner\n```"), ("~~~", "```\ninner"), ("```", "~~~\n x")]
)
def test_code_ends_where_its_own_fence_does(marks, inside):
    text = f"before\n{marks}python\n{inside}\n{marks}\nafter"
    assert kinds(text) == ["section", "rich_text", "section"]
    assert text_of([{"blocks": answers.parts(text)[0].blocks}]) == f"before\n{inside}\nafter"
    longer = "````" if "```" in inside else "```"
    assert canvas_text.markdown(text) == f"before\n\n{longer}\n{inside}\n{longer}\n\nafter"


class Lines(list[str]):
    """Lines that count how often one of them is read."""

    read = 0

    def __getitem__(self, at):
        self.read += 1
        return super().__getitem__(at)


def test_the_end_of_a_fence_that_nothing_closes_is_looked_for_once():
    lines, unclosed = Lines(["```python", "````text", "~~~sh"] * 200), {}
    assert not any(answers._end_of_code(lines, at, unclosed) for at in range(len(lines)))
    assert lines.read < 5 * len(lines)


def test_no_link_and_no_escape_is_cut_in_two():
    made = answers.parts("a&amp;" * 2_000)[0].blocks
    assert all(re.fullmatch("(?:a|&amp;)+", block["text"]["text"]) for block in made)
    link = "<https://x.example/" + "a" * 3_000 + "|here>"
    first, opened, last = answers.parts(f"hi {link} end")[0].blocks
    assert (first["text"]["text"], last["text"]["text"]) == ("hi ", " end")
    assert opened["elements"][0]["elements"][0]["text"] == "here"


def test_bold_headings_and_bullets_read_as_slack_writes_them():
    (block,) = answers.parts("## The point\n- **Fees** rose\n* by a third")[0].blocks
    assert block["text"]["text"] == "*The point*\n• *Fees* rose\n• by a third"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("2**3 and 4**5", "2**3 and 4**5"),
        ("`f(**kw, **more)`; growth is 2**3", "`f(**kw, **more)`; growth is 2**3"),
        ("``a ` **b** c`` **d**", "``a ` **b** c`` {0}d{0}"),
        ("f(**kw) and g(**kw)", "f(**kw) and g(**kw)"),
        ("x ** 2 and y ** 2", "x ** 2 and y ** 2"),
        ("**call `f(**kw)` now** and ***here***", "{0}call `f(**kw)` now{0} and {0}*here*{0}"),
        ("**Fees**, (**up**), _**both**_ and **`a**b`**", "{0}Fees{0}, ({0}up{0}), _{0}both{0}_ and {0}`a**b`{0}"),
    ],
)
def test_what_is_no_bold_keeps_its_stars(written, shown):
    (block,) = answers.parts(written)[0].blocks
    assert block["text"]["text"] == shown.format("*")
    (table,) = answers.parts(f"| formula |\n|---|\n| {written} |")[0].blocks
    assert table["rows"][1][0]["text"] == shown.format("")


def test_a_pie_is_a_table_of_two_columns_in_a_canvas():
    assert canvas_text.markdown(f"```chart\n{PIE}\n```") == "| Fees |  |\n| --- | --- |\n| a | 1 |"


def test_a_canvas_keeps_the_stars_of_formulas_and_code():
    told = canvas_text.markdown("growth is 2**3 then 4**5 `f(**kw)` and `g(**kw)`, **up**")
    assert told == "growth is 2\\*\\*3 then 4\\*\\*5 `f(**kw)` and `g(**kw)`, **up**"


def test_a_chart_is_drawn_by_slack_and_what_is_none_stays_readable():
    told = {"type": "bar", "title": "Fees", "series": [{"name": "2026", "points": [["Q1", 3], ["Q2", 4.5]]}]}
    text = f"```chart\n{json.dumps(told)}\n```"
    (block,) = answers.parts(text)[0].blocks
    assert block["type"] == "data_visualization" and block["chart"]["axis_config"]["categories"] == ["Q1", "Q2"]
    assert kinds("```chart\nnot a chart\n```") == ["rich_text"]
    assert charts.block(json.dumps({**told, "series": []})) is None


def test_a_chart_that_slack_would_refuse_stays_as_it_was_written():
    def drawn(**told):
        return charts.block(json.dumps({"title": "Fees", **told}))

    assert drawn(type="pie", points=[["A", 2], ["B", 1]])
    assert drawn(type="pie", points=[["A", 2], ["B", 0]]) is None
    assert drawn(type="pie", points=[[f"part {n}", 1] for n in range(13)]) is None
    alike = "Research and development in "
    two = [{"name": f"{alike}{where}", "points": [["Q1", 3]]} for where in ("Lisbon", "Oslo")]
    assert drawn(type="bar", series=two) is None
    assert drawn(type="line", series=[{"name": "A", "points": [["Q1", float("nan")]]}]) is None


@pytest.mark.parametrize(
    "told",
    [
        '{"type": "pie", "title": "Fees", "points": [["a", 1%s]]}' % ("0" * 400),
        "[" * 3_000,
        '{"type": "pie", "title": "\\ud83d", "points": [["a", 1]]}',
    ],
    ids=["a number beyond all bounds", "nested without end", "half a character"],
)
def test_a_chart_that_nothing_can_draw_is_shown_as_its_text(told):
    assert set(kinds(f"```chart\n{told}\n```")) == {"rich_text"}


def test_the_file_of_a_long_answer_reads_as_markdown():
    text = "A &lt; B <https://x.example|here>\n" + "word " * 9_000
    assert answers.whole(text).decode().startswith("A < B [here](https://x.example)")
    assert answers.whole("short") == b""


def test_a_workspace_that_draws_no_tables_and_charts_gets_their_words():
    told = {"type": "line", "title": "Fees", "series": [{"name": "2026", "points": [["Q1", 3], ["Q2", 4.5]]}]}
    pie = {"type": "pie", "title": "Share", "points": [["Fees", 60]]}
    text = f"{TABLE}\n```chart\n{json.dumps(told)}\n```\n\nand\n```chart\n{json.dumps(pie)}\n```"
    blocks = [block for part in answers.parts(text) for block in answers.plainer(part.blocks)]
    said = text_of([{"blocks": blocks}])
    assert {block["type"] for block in blocks} == {"rich_text", "section"} and message_problems(blocks) == []
    assert "4000 Fees | 1,234.50" in said and "Q2 | 4.5" in said and "Fees | 60" in said
