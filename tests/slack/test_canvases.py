"""A report that is asked for in a canvas is in one canvas, the newest alone; where there can be none it is posted."""

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from bot.coordinator import schedules
from bot.coordinator.recurring import parse
from bot.slack import canvas_text, canvases
from bot.store import schema as t
from bot.types import Request
from loopback.slack.methods import documents
from loopback.slack.seed import SMALL_WORKSPACE
from tests.slack.harness import local

ASKED = "@cadre digest this channel in a canvas"
WORDS = "every day at 9:00 digest this channel in a canvas"
REPORT = "*Two things happened.*\n\n# Berths\n• <https://local.example/archives/C1/p1|Berth 3> is free\n\n| Berth | State |\n|---|---|\n| 3 | free |"
ADMIN = {
    **SMALL_WORKSPACE,
    "users": [{**one, "is_admin": one["name"] == "jonas"} for one in SMALL_WORKSPACE["users"]],
}


def scene(tmp_path, play, **options):
    async def show():
        async with local(tmp_path, **options) as on:
            await play(on)

    asyncio.run(show())


async def ask(on):
    """One report is asked for; gives the run."""
    await on.act("maya", "post", channel="finance", text=ASKED)
    return (await on.run())["id"]


async def recurring(on):
    """A schedule of which the times are made by hand; gives what makes one, which gives its run."""
    request = Request("T0LOCAL", "CFINANCE", "1", "1", "mention", "UMAYA", WORDS, channel_name="finance")
    await on.db.write(lambda tx: schedules.add(tx, request, parse(WORDS), "Europe/Brussels"))
    automation = await on.db.read(lambda c: c.execute(select(t.automation.c.id)).scalar_one())
    runs = []

    async def fire():
        await on.db.write(lambda tx: schedules.fire_now(tx, automation))
        made = select(t.run.c.id).where(t.run.c.id.not_in(runs))
        runs.append(await on.until(lambda c: c.execute(made).scalar()))
        return runs[-1]

    return fire


async def done(on, run_id, summary=REPORT, finished_at=None):
    """The run ends with a report; gives the post that says so."""
    await on.change(run_id, status="done", summary=summary, finished_at=finished_at or on.db.now())
    posted = select(t.effect.c.result).where(
        t.effect.c.op_key == f"{run_id}/post/result", t.effect.c.status == "done"
    )
    result = await on.until(lambda c: c.execute(posted).scalar())
    return next(m for m in await on.said("finance") if m["ts"] == result["ts"])


async def look(on, path, **query):
    async with on.http.get(f"{on.slack.url}/_local/{path}", params=query) as reply:
        return await reply.json()


async def seen(on, person="jonas"):
    """The canvases of #finance as somebody in it sees them, with what they say."""
    shown = (await look(on, "view", channel="finance", **{"as": person}))["canvases"]
    return [{**one, **await look(on, "canvas", canvas=one["id"], **{"as": person})} for one in shown]


def test_a_report_asked_for_in_a_canvas_is_there_and_the_post_is_its_first_line_and_a_link(tmp_path):
    async def play(on):
        post = await done(on, await ask(on))
        (canvas,) = await seen(on)
        assert post["text"] == (
            f"*Two things happened.*\nThe whole report is in the canvas <{canvas['url']}|Digest this channel>."
        )
        assert canvas["url"] == f"{on.slack.url}/docs/T0LOCAL/{canvas['id']}"
        first, *rest = canvas["markdown"].split("\n\n")
        assert re.fullmatch(
            r"\*Made \w+ \d\d \w+ \d{4}, \d\d:\d\d \(UTC\) · offline playbook, no language model\*", first
        )
        assert rest == [
            "**Two things happened.**", "# Berths", "- [Berth 3](https://local.example/archives/C1/p1) is free",
            "| Berth | State |\n| --- | --- |\n| 3 | free |",
        ]  # fmt: skip
        assert (await on.run())["request"] == "digest this channel"
        assert "The report comes in a canvas" in str(on.calls("chat.postMessage")[0]["blocks"])
        outside = await look(on, "canvas", canvas=canvas["id"], **{"as": "priya"})
        assert outside["error"] == "canvas_not_found"

    scene(tmp_path, play)


def test_a_lost_answer_to_the_making_of_a_canvas_leaves_one_that_people_see(tmp_path):
    async def play(on):
        run_id = await ask(on)
        on.faults.add({"match": "canvases.create", "kind": "accept_then_drop"})
        await done(on, run_id)
        assert len((await look(on, "state"))["canvases"]) == 2  # one of them empty, and nobody's
        assert len(await seen(on)) == 1 and len(await seen(on, "maya")) == 1

    scene(tmp_path, play)


@pytest.mark.parametrize("method", ["canvases.edit", "canvases.access.set", "auth.test"])
@pytest.mark.parametrize("fault", ["accept_then_drop", "5xx"])
def test_what_is_unclear_about_a_canvas_is_done_again(tmp_path, method, fault):
    async def play(on):
        run_id = await ask(on)
        on.faults.add({"match": method, "kind": fault})
        post = await done(on, run_id)
        (canvas,) = await seen(on)
        assert canvas["url"] in post["text"] and "# Berths" in canvas["markdown"]
        assert len(on.calls("canvases.create")) == 1

    scene(tmp_path, play)


def test_each_report_of_a_schedule_takes_the_place_of_the_last(tmp_path):
    async def play(on):
        fire = await recurring(on)
        first = await done(on, await fire())
        second = await done(on, await fire(), "Nothing happened.")
        (canvas,) = await seen(on)
        assert canvas["title"] == "Digest this channel, every day at 9:00"
        made, *rest = canvas["markdown"].split("\n\n")
        assert "(Europe/Brussels) by the schedule “every day at 9:00” · offline" in made
        assert rest == ["Nothing happened."]
        assert first["text"].splitlines()[1] == second["text"].splitlines()[1]
        assert len(on.calls("canvases.access.set")) == 1

    scene(tmp_path, play)


def test_a_report_that_was_done_earlier_does_not_take_the_place_of_a_later_one(tmp_path):
    async def play(on):
        fire = await recurring(on)
        slow, quick = await fire(), await fire()
        await done(on, quick, "The newest.", finished_at=on.db.now() + 1)
        late = await done(on, slow, "An older one.")
        (canvas,) = await seen(on)
        assert "The newest." in canvas["markdown"] and canvas["url"] in late["text"]

    scene(tmp_path, play)


def test_a_canvas_that_a_person_deletes_is_made_anew(tmp_path):
    async def play(on):
        fire = await recurring(on)
        await done(on, await fire())
        (old,) = await seen(on)
        token = {"Authorization": "Bearer xoxp-jonas"}
        url = f"{on.slack.url}/api/canvases.delete"
        async with on.http.post(url, json={"canvas_id": old["id"]}, headers=token) as reply:
            assert (await reply.json())["ok"]
        post = await done(on, await fire(), "Nothing happened.")
        (canvas,) = await seen(on)
        assert (
            canvas["id"] != old["id"] and canvas["url"] in post["text"] and "Nothing happened." in canvas["markdown"]
        )

    scene(tmp_path, play, workspace=ADMIN)


def told(post):
    return " ".join(e["text"] for b in post["blocks"] if b["type"] == "context" for e in b["elements"])


def test_on_a_free_plan_the_report_is_posted_and_says_why_there_is_no_canvas(tmp_path):
    async def play(on):
        post = await done(on, await ask(on))
        assert post["text"] == REPORT and any(b["type"] == "table" for b in post["blocks"])
        assert "There is no canvas for this report: this workspace is on Slack's free plan" in told(post)
        assert await seen(on) == []

    scene(tmp_path, play, workspace={**SMALL_WORKSPACE, "team": {**SMALL_WORKSPACE["team"], "plan": "free"}})


@pytest.mark.sends_wrong
def test_without_the_scope_the_report_is_posted_and_says_who_can_change_that(tmp_path):
    async def play(on):
        post = await done(on, await ask(on))
        assert post["text"] == REPORT and "I may not write any here; whoever runs Cadre" in told(post)

    scene(tmp_path, play, without=("canvases:write",))


def test_a_report_is_posted_when_slack_takes_no_canvas_for_long(tmp_path):
    async def play(on):
        run_id = await ask(on)
        on.faults.add({"match": "canvases.create", "kind": "5xx", "count": 1000})
        long_ago = on.db.now() - canvases.GIVE_UP_S
        post = await done(on, run_id, finished_at=long_ago)
        assert post["text"] == REPORT and "Slack did not take it in time" in told(post)

    scene(tmp_path, play)


def test_in_a_direct_conversation_the_requester_reads_the_canvas(tmp_path):
    async def play(on):
        await on.act("maya", "post", channel="cadre", text="digest this channel in a canvas")
        run_id = (await on.run())["id"]
        await on.change(run_id, status="done", summary=REPORT, finished_at=on.db.now())
        await on.settled("result")
        (canvas,) = (await look(on, "state"))["canvases"]
        assert canvas["access"] == {"UMAYA": "read"}

    scene(tmp_path, play)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("one\ntwo\n• three\n  • four\nfive", "one  \ntwo\n\n- three\n  - four\n\nfive"),
        ("##### Deep *down*", "### Deep **down**"),
        ("*bold* ~gone~ _soft_ `a*b` 2 * 3 * 4", "**bold** ~~gone~~ _soft_ `a*b` 2 \\* 3 \\* 4"),
        ("> said\nmore", "> said\n\nmore"),
        ("words\n===", "words  \n\\==="),
        ("<@U1> in <#C1>, <https://a.example/x(1)|the [page]>", "![](@U1) in ![](#C1), [the \\[page\\]](https://a.example/x%281%29)"),
        ("Open https://a.example/x_y now", "Open `https://a.example/x_y` now"),
        ("[x](https://evil.example) ![](@U1) &lt;@U2&gt; &amp;lt;", "\\[x\\](`https://evil.example)` !\\[\\](@U1) \\<@U2> \\&lt;"),
        ('```chart\n{"type": "pie", "title": "Fees", "points": [["A", 6]]}\n```', "| Fees |  |\n| --- | --- |\n| A | 6 |"),
        ("```\na < b\n\nc\n```", "```\na < b\n\nc\n```"),
    ],
)  # fmt: skip
def test_an_answer_becomes_the_markdown_of_canvases(said, shown):
    assert canvas_text.markdown(said) == shown


def test_a_table_of_too_many_cells_becomes_several_with_the_same_head():
    rows = ["| A | B | C |", "|---|---|---|", *(f"| {n} | x \\| y | <https://a.example|z> |" for n in range(150))]
    tables = canvas_text.markdown("\n".join(rows)).split("\n\n")
    assert [len(table.splitlines()) for table in tables] == [101, 53]
    assert {table.splitlines()[0] for table in tables} == {"| A | B | C |"}
    assert tables[0].splitlines()[2] == "| 0 | x \\| y | [z](https://a.example) |"


@given(st.text(alphabet="|-#*`~<>[]()!@U1C&lt;amp \nab", max_size=300))
def test_whatever_an_answer_says_a_canvas_takes_it(text):
    assert list(documents._problems(canvas_text.markdown(text))) == []
