"""People in the local Slack: what they type, click and submit, what they see, and what an app may answer."""

import base64
import json
import zipfile

import pytest
from slack_harness import run
from slack_sdk.webhook.async_client import AsyncWebhookClient

from loopback.control import Clock
from loopback.slack.seed import SMALL_WORKSPACE, with_export
from loopback.slack.state import Workspace
from loopback.slack.typed import typed


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("@cadre close Q3", "<@UCADRE> close Q3"),
        ("hey @Maya, see #finance.", "hey <@UMAYA>, see <#CFINANCE|finance>."),
        ("<@UCADRE> a < b & c", "<@UCADRE> a &lt; b &amp; c"),
        ("mail a@cadre.example", "mail a@cadre.example"),
        ("see https://x.example/a?b=1&c=2, ok", "see <https://x.example/a?b=1&amp;c=2>, ok"),
        ("@nobody and #nowhere", "@nobody and #nowhere"),
        ("<https://x.example|there> &amp; back", "<https://x.example|there> &amp; back"),
        ("@here @channel", "<!here> <!channel>"),
    ],
)
def test_typed_text_is_kept_as_slack_keeps_it_and_twice_changes_nothing(written, kept):
    space = Workspace(SMALL_WORKSPACE, Clock("simulated"))
    assert typed(written, space) == kept
    assert typed(kept, space) == kept


def test_people_cannot_act_where_they_are_not():
    async def scenario(stage):
        assert (await stage.act("nobody", "post", channel="finance", text="x"))["error"] == "user_not_found"
        assert (await stage.act("maya", "dance"))["error"] == "unknown_act"
        assert (await stage.act("priya", "post", channel="finance", text="x"))["error"] == "not_in_channel"
        assert (await stage.act("jonas", "post", channel="board", text="x"))["error"] == "channel_not_found"
        assert (await stage.act("maya", "slash", channel="finance", command="/dance"))["error"] == "unknown_command"
        threaded = await stage.act("maya", "slash", channel="finance", command="/cadre", thread_ts="1.0")
        assert threaded["error"] == "slash_commands_not_supported_in_threads"
        asked = await stage.act("maya", "post", channel="finance", text="mine")
        assert (await stage.act("jonas", "edit", channel="finance", ts=asked["ts"], text="x"))["error"] == (
            "not_your_message"
        )

    run(scenario)


def gives_response_urls(app, stage):
    @app.command("/cadre")
    async def command(ack, body):
        await ack()
        stage.heard.put_nowait(body)

    @app.action("go")
    async def go(ack, body):
        await ack()
        stage.heard.put_nowait(body)


def test_a_response_url_works_five_times_within_half_an_hour():
    async def scenario(stage):
        async def address():
            await stage.act("maya", "slash", channel="finance", command="/cadre", text="x")
            return AsyncWebhookClient((await stage.next())["response_url"])

        first = await address()
        sent = [await first.send(text=f"answer {n}") for n in range(6)]
        assert [one.status_code for one in sent] == [200] * 5 + [404]
        assert "used_url" in sent[5].body
        whispered = (await stage.look("ephemeral", channel="finance", user="maya"))["messages"]
        assert len(whispered) == 5
        second = await address()
        stage.clock.advance(1801)
        late = await second.send(text="too late")
        assert (late.status_code, "expired_url" in late.body) == (404, True)

    run(scenario, gives_response_urls)


def test_a_response_url_replaces_and_deletes_what_was_clicked():
    def button(text):
        element = {"type": "button", "action_id": "go", "text": {"type": "plain_text", "text": text}}
        return [{"type": "actions", "elements": [element]}]

    async def scenario(stage):
        said = await stage.client.chat_postMessage(channel="CFINANCE", text="public", blocks=button("Go"))
        whisper = {"channel": "CFINANCE", "user": "UMAYA", "text": "private", "blocks": button("Go")}
        hidden = await stage.client.chat_postEphemeral(**whisper)
        await stage.act("maya", "click", channel="finance", ts=said["ts"], action_id="go")
        public = AsyncWebhookClient((await stage.next())["response_url"])
        await public.send(text="replaced", blocks=[], replace_original=True)
        (message,) = (await stage.look("messages", channel="finance"))["messages"]
        assert message["text"] == "replaced"
        await stage.act("maya", "click", channel="finance", ts=hidden["message_ts"], action_id="go")
        body = await stage.next()
        assert body["container"]["is_ephemeral"] is True
        await AsyncWebhookClient(body["response_url"]).send(delete_original=True)
        assert (await stage.look("ephemeral", channel="finance"))["messages"] == []
        await public.send(delete_original=True)
        assert (await stage.look("messages", channel="finance"))["messages"] == []

    run(scenario, gives_response_urls)


def modal(title, *, callback="form"):
    return {
        "type": "modal",
        "callback_id": callback,
        "title": {"type": "plain_text", "text": title},
        "submit": {"type": "plain_text", "text": "Save"},
        "notify_on_close": True,
        "private_metadata": "run-7",
        "blocks": [
            {
                "type": "input",
                "block_id": "name",
                "label": {"type": "plain_text", "text": "Name"},
                "element": {"type": "plain_text_input", "action_id": "text"},
            },
            {
                "type": "input",
                "block_id": "size",
                "label": {"type": "plain_text", "text": "Size"},
                "element": {
                    "type": "static_select",
                    "action_id": "pick",
                    "options": [
                        {"text": {"type": "plain_text", "text": "Small"}, "value": "s"},
                        {"text": {"type": "plain_text", "text": "Large"}, "value": "l"},
                    ],
                },
            },
        ],
    }


def opens_modals(app, stage):
    @app.command("/cadre")
    async def command(ack, body, client):
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=modal("One"))
        stage.heard.put_nowait(body)

    @app.view("form")
    async def submitted(ack, view):
        values = view["state"]["values"]
        if not values["name"]["text"]["value"]:
            await ack(response_action="errors", errors={"name": "A name is needed"})
        elif values["name"]["text"]["value"] == "more":
            await ack(response_action="push", view=modal("Two", callback="second"))
        else:
            await ack()
        stage.heard.put_nowait(view)

    @app.view("second")
    async def second(ack):
        await ack(response_action="clear")

    @app.view_closed("form")
    async def closed(ack, body):
        await ack()
        stage.heard.put_nowait(body["type"])


def test_a_modal_is_opened_filled_refused_pushed_and_cleared():
    async def scenario(stage):
        await stage.act("maya", "slash", channel="finance", command="/cadre", text="form")
        await stage.next()
        shown = (await stage.look("view", channel="finance", **{"as": "maya"}))["views"]
        assert [one["title"]["text"] for one in shown] == ["One"]
        assert (await stage.look("view", channel="finance", **{"as": "jonas"}))["views"] == []
        refused = await stage.act("maya", "submit", values={})
        assert refused["errors"] == {"name": "A name is needed"}
        await stage.next()
        pushed = await stage.act("maya", "submit", view_id=shown[0]["id"], values={"text": "more", "pick": "l"})
        view = await stage.next()
        assert view["private_metadata"] == "run-7"
        assert view["state"]["values"]["size"]["pick"]["selected_option"]["value"] == "l"
        assert pushed["response_action"] == "push"
        assert pushed["view"]["previous_view_id"] == shown[0]["id"]
        await stage.act("maya", "submit", values={})
        assert (await stage.look("view", channel="finance", **{"as": "maya"}))["views"] == []

    run(scenario, opens_modals)


def test_closing_a_modal_is_told_and_a_trigger_opens_only_one_within_three_seconds():
    async def scenario(stage):
        await stage.act("maya", "slash", channel="finance", command="/cadre", text="form")
        used = (await stage.next())["trigger_id"]
        await stage.act("maya", "submit", cancel=True)
        assert await stage.next() == "view_closed"
        view = '{"type": "home", "blocks": [{"type": "divider"}]}'
        assert (await stage.raw("views.open", trigger_id=used, view=view))["error"] == "exchanged_trigger_id"

    run(scenario, opens_modals)


def keeps_home(app, stage):
    @app.event("app_home_opened")
    async def opened(event, client):
        blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": f"Hello {event['user']}"}}]
        await client.views_publish(user_id=event["user"], view={"type": "home", "blocks": blocks})
        stage.heard.put_nowait(event)


def test_opening_the_home_tab_lets_the_app_publish_it():
    async def scenario(stage):
        async with stage.feed() as feed:
            first = await stage.act("maya", "home")
            event = await stage.next()
            assert (event["tab"], first["view"]) == ("home", None)
            assert (await feed.until("home"))["user"] == "UMAYA"
        seen = await stage.look("view", channel=event["channel"], **{"as": "maya"})
        assert seen["home"]["blocks"][0]["text"]["text"] == "Hello UMAYA"
        assert seen["home"]["type"] == "home"

    run(scenario, keeps_home)


def hears_everything(app, stage):
    for name in (
        "agent_session_stopped",
        "reaction_added",
        "member_joined_channel",
        "member_left_channel",
        "message",
    ):

        @app.event(name)
        async def heard(event):
            stage.heard.put_nowait(event)


def test_stopping_reacting_joining_and_leaving_are_told():
    async def scenario(stage):
        asked = await stage.act("maya", "post", channel="general", text="start")
        assert (await stage.next())["type"] == "message"
        await stage.act("maya", "stop", channel="general", thread_ts=asked["ts"])
        stopped = await stage.next()
        assert stopped["type"] == "agent_session_stopped"
        assert (stopped["user"], stopped["thread_ts"], stopped["streaming_message_ts"]) == ("UMAYA", asked["ts"], [])
        await stage.act("maya", "react", channel="general", ts=asked["ts"], name="eyes")
        reaction = await stage.next()
        assert (reaction["reaction"], reaction["item"]["ts"], reaction["item_user"]) == ("eyes", asked["ts"], "UMAYA")
        await stage.act("priya", "leave", channel="general")
        assert (await stage.next())["type"] == "member_left_channel"
        await stage.act("priya", "join", channel="general")
        assert (await stage.next())["user"] == "UPRIYA"

    run(scenario, hears_everything)


def test_an_upload_by_a_person_arrives_as_a_shared_file():
    async def scenario(stage):
        content = base64.b64encode(b"a;b\n").decode()
        sent = await stage.act(
            "maya", "upload", channel="general", filename="book.csv", content_b64=content, text="@cadre look"
        )
        event = await stage.next()
        assert (event["subtype"], event["text"]) == ("file_share", "<@UCADRE> look")
        assert event["files"][0]["id"] == sent["file"]["id"]
        assert event["files"][0]["mimetype"] == "text/csv"

    run(scenario, hears_everything)


def test_several_files_come_with_one_message():
    async def scenario(stage):
        two = [{"name": "a.csv", "content": "a"}, {"name": "b.csv", "content": "b"}]
        done = await stage.act("maya", "upload", channel="general", files=two, text="both")
        assert [file["name"] for file in done["files"]] == ["a.csv", "b.csv"]
        assert [file["name"] for file in (await stage.next())["files"]] == ["a.csv", "b.csv"]

    run(scenario, hears_everything)


def test_ephemeral_messages_are_seen_by_one_person_only():
    async def scenario(stage):
        await stage.client.chat_postEphemeral(channel="CFINANCE", user="UMAYA", text="psst")
        hers = await stage.look("view", channel="finance", **{"as": "maya"})
        his = await stage.look("view", channel="finance", **{"as": "jonas"})
        assert [one["text"] for one in hers["messages"]] == ["psst"]
        assert his["messages"] == []
        history = await stage.client.conversations_history(channel="CFINANCE")
        assert history["messages"] == []

    run(scenario)


def test_what_was_not_seen_is_counted_until_it_is():
    async def scenario(stage):
        await stage.look("view", channel="general", **{"as": "jonas"})
        for text in ("one", "two"):
            await stage.act("maya", "post", channel="general", text=text)
        assert (await stage.look("view", channel="general", **{"as": "jonas"}))["unread"] == 2
        assert (await stage.look("view", channel="general", **{"as": "jonas"}))["unread"] == 0

    run(scenario)


def test_the_feed_tells_each_change_and_a_reset_brings_the_seed_back():
    async def scenario(stage):
        async with stage.feed() as feed:
            asked = await stage.act("maya", "post", channel="finance", text="new")
            assert (await feed.until("message"))["message"]["ts"] == asked["ts"]
            await stage.act("maya", "edit", channel="finance", ts=asked["ts"], text="newer")
            assert (await feed.until("message_changed"))["message"]["text"] == "newer"
            await stage.act("maya", "react", channel="finance", ts=asked["ts"], name="eyes")
            assert (await feed.until("reaction"))["ts"] == asked["ts"]
            await stage.act("maya", "delete", channel="finance", ts=asked["ts"])
            assert (await feed.until("message_deleted"))["channel"] == "CFINANCE"
            await stage.act("priya", "join", channel="finance")
            await feed.until("member")
            await stage.http.post(f"{stage.running.url}/_local/reset")
            await feed.until("reset")
        state = await stage.look("state")
        finance = next(one for one in state["channels"] if one["name"] == "finance")
        assert (finance["messages"], "UPRIYA" in finance["members"]) == (0, False)
        general = await stage.look("messages", channel="general")
        assert [one["text"] for one in general["messages"]] == ["Good morning."]

    run(scenario)


def test_a_deleted_parent_leaves_a_tombstone_over_its_replies():
    async def scenario(stage):
        asked = await stage.act("maya", "post", channel="finance", text="start")
        await stage.act("jonas", "post", channel="finance", text="reply", thread_ts=asked["ts"])
        await stage.act("maya", "delete", channel="finance", ts=asked["ts"])
        parent, reply = await stage.thread("finance", asked["ts"])
        assert (parent["subtype"], reply["text"]) == ("tombstone", "reply")

    run(scenario)


def test_a_slack_export_adds_its_channels_people_and_messages(tmp_path):
    export = tmp_path / "export.zip"
    with zipfile.ZipFile(export, "w") as archive:
        archive.writestr("users.json", json.dumps([{"id": "U9", "name": "zoe", "profile": {"title": "Guest"}}]))
        archive.writestr("channels.json", json.dumps([{"id": "C9", "name": "talk", "members": ["U9"]}]))
        day = [
            {"type": "message", "user": "U9", "text": t, "ts": f"17000000{n}.000001"}
            for n, t in ((11, "b"), (10, "a"))
        ]
        archive.writestr("talk/2023-11-14.json", json.dumps(day))

    async def scenario(stage):
        history = await stage.client.conversations_history(channel="C9")
        assert [one["text"] for one in history["messages"]] == ["b", "a"]
        asked = await stage.act("maya", "post", channel="talk", text="summarise this")
        assert float(asked["ts"]) > 1_700_000_011
        assert (await stage.client.users_info(user="U9"))["user"]["profile"]["title"] == "Guest"

    run(scenario, workspace=with_export(SMALL_WORKSPACE, export))
