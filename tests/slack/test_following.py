"""What the surface does beside its events outlives every error; what Slack does not take at once is tried again."""

import asyncio
import contextlib

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from bot.policy.access import Access
from bot.slack import following, home, inbox, listeners, messages, scheduler
from bot.store import people
from tests.slack.test_access import card_of
from tests.slack.test_ways_in import MENTION, asked, scene, until_home


@contextlib.asynccontextmanager
async def broken(on, table):
    """The database refuses what needs this table, until it is mended; a log row has told of the error."""
    await on.db.write(lambda tx: tx.execute(text(f"ALTER TABLE {table} RENAME TO away")))
    with capture_logs() as told:
        yield
        while not any(row.get("exc_info") for row in told):
            await on.delivered()
    await on.db.write(lambda tx: tx.execute(text(f"ALTER TABLE away RENAME TO {table}")))


def test_what_is_held_is_taken_though_the_database_failed_meanwhile(tmp_path, monkeypatch):
    monkeypatch.setattr(following, "PAUSE_S", 0.05)
    monkeypatch.setattr(inbox, "AGAIN_S", 0.05)

    async def play(on):
        on.faults.add({"match": "users.info", "kind": "5xx"})  # it is held until it is known who she is
        async with broken(on, "inbox"):
            await on.act("maya", "post", **MENTION)
        assert (await on.run())["requester"] == "UMAYA"

    scene(tmp_path, play)


def test_homes_are_kept_current_though_the_database_failed_meanwhile(tmp_path, monkeypatch):
    monkeypatch.setattr(following, "PAUSE_S", 0.05)
    monkeypatch.setattr(home, "SETTLE_S", 0.05)

    async def play(on):
        await on.act("maya", "home")
        await on.until_called("views.publish")
        await asked(on)
        run = await on.run()
        async with broken(on, "visitor"):
            await on.change(run["id"], status="done", finished_at=on.db.now(), summary="All fine.")
        await until_home(on, "Done ·")

    scene(tmp_path, play)


@pytest.mark.parametrize(
    "trouble", [{"kind": "429", "retry_after_s": 1}, {"kind": "5xx"}, {"kind": "accept_then_drop"}]
)
def test_help_that_slack_does_not_take_at_once_is_given_once(tmp_path, monkeypatch, trouble):
    monkeypatch.setattr(listeners, "AGAIN_S", 0.05)
    monkeypatch.setattr(scheduler, "PATIENCE_S", 0.0)

    async def play(on):
        on.faults.add({"match": "chat.postMessage", **trouble})
        await on.act("maya", "post", channel="finance", text="@cadre help")
        if trouble["kind"] == "accept_then_drop":
            await on.until_called("conversations.replies")  # it was looked up, and found
        while not (said := await on.said("finance")):
            pass
        await on.surface.listeners.close()
        assert [m["text"] for m in said] == [messages.HELP] and len(await on.said("finance")) == 1

    scene(tmp_path, play)


def test_a_private_line_that_slack_does_not_take_at_once_is_said_again(tmp_path, monkeypatch):
    monkeypatch.setattr(listeners, "AGAIN_S", 0.05)

    async def play(on):
        on.faults.add({"match": "chat.postEphemeral", "kind": "5xx", "count": 2})
        await on.act("maya", "post", **MENTION)
        assert "let you look at my work" in (await on.whispered("finance", "maya"))[0]

    scene(tmp_path, play, access=Access(everyone="see"))


def test_a_home_that_slack_did_not_publish_is_published_later(tmp_path, monkeypatch):
    monkeypatch.setattr(home, "AGAIN_S", 0.05)
    monkeypatch.setattr(home, "SETTLE_S", 0.05)

    async def play(on):
        on.faults.add({"match": "views.publish", "kind": "5xx"})
        await on.act("maya", "home")
        await until_home(on, "Nothing is running")

    scene(tmp_path, play)


def test_who_opens_their_home_does_not_wait_for_those_who_opened_theirs_before(tmp_path):
    async def play(on):
        before = [f"U{n:02d}" for n in range(12)]
        for user in (*before, "UPRIYA"):
            await on.db.write(lambda tx, user=user: people.visit(tx, "T0LOCAL", user, opened_at=tx.now()))
        homes = home.Homes(on.db, on.scheduler, Access())
        following = asyncio.create_task(homes.follow())
        await on.until_called("views.publish")
        homes.opened("T0LOCAL", "UPRIYA")
        shown = [body["user_id"] for body in await on.until_called("views.publish", 13)]
        following.cancel()
        assert sorted(shown) == [*before, "UPRIYA"] and shown[-1] == before[-1]

    scene(tmp_path, play)


def test_with_rules_of_access_only_the_homes_of_those_concerned_are_drawn_anew(tmp_path):
    def concerned(on, access, run_id):
        return on.db.read(lambda c: {user for _, user in home._shown_to(c, {run_id}, access)})

    async def play(on):
        await asked(on, "jonas")
        run = await on.run()
        await card_of(on, run["id"], person="UJONAS")
        for person in ("maya", "jonas", "priya"):
            await on.act(person, "home")
        await on.until_called("views.publish", 3)
        assert await concerned(on, Access(people={"UMAYA": "administer"}), run["id"]) == {"UJONAS"}
        lower = Access(everyone="ask", people={"UMAYA": "administer"})
        assert await concerned(on, lower, run["id"]) == {"UMAYA", "UJONAS"}

    scene(tmp_path, play)
