"""Replies and events of the local Slack have no key and no type that Slack's own samples do not have."""

import json
import zipfile
from pathlib import Path

import pytest
from slack_harness import run

SAMPLES = Path(__file__).parents[3] / "shared" / "data" / "slack-payloads" / "slack-json-samples.zip"
pytestmark = pytest.mark.skipif(not SAMPLES.exists(), reason="Slack's JSON samples are not on this machine")

# Free forms, and keys that are newer than the samples.
FREE = ("blocks", "metadata", "args", "shares", "files", "state")
NEWER = {
    "event": {"app_id"},
    "message": {"app_id"},
    "previous_message": {"reply_users"},
    "": {"context_team_id", "context_enterprise_id"},
    "icon": {"image_default"},
    "channel": {"num_members"},
}


def sample(path):
    with zipfile.ZipFile(SAMPLES) as archive:
        return json.loads(archive.read(path))


def strange(told, known, at=""):
    """Where `told` has a key that the sample does not know, or another JSON type."""
    name = at.rpartition(".")[2]
    if isinstance(told, dict) and isinstance(known, dict):
        for key, value in told.items():
            if key in FREE or key in NEWER.get(name, ()) or value is None:
                continue
            if key not in known:
                yield f"{at}.{key} is unknown"
            else:
                yield from strange(value, known[key], f"{at}.{key}")
    elif isinstance(told, list) and isinstance(known, list):
        for value in told if known else []:
            yield from strange(value, known[0], at)
    elif type(told) is not type(known) and not {type(told), type(known)} <= {int, float}:
        yield f"{at} is {type(told).__name__}, in the sample {type(known).__name__}"


def test_the_comparison_sees_strange_keys_and_types():
    known = {"ok": True, "channel": {"id": "", "created": 1}}
    told = {"ok": True, "channel": {"id": 5, "created": 1, "invented": ""}}
    assert sorted(strange(told, known)) == [".channel.id is int, in the sample str", ".channel.invented is unknown"]


def test_replies_look_like_slacks():
    async def scenario(stage):
        client = stage.client
        asked = await stage.act("maya", "post", channel="finance", text="@cadre hello")
        said = await client.chat_postMessage(channel="CFINANCE", text="hi", thread_ts=asked["ts"])
        place = {"channel": "CFINANCE", "ts": said["ts"]}
        upload = await client.files_getUploadURLExternal(filename="a.csv", length=3)
        await stage.http.post(upload["upload_url"], data=b"a,b")
        calls = {
            "api.test": await client.api_test(foo="bar"),
            "auth.test": await client.auth_test(),
            "apps.connections.open": await client.apps_connections_open(app_token="xapp-local-cadre"),
            "chat.getPermalink": await client.chat_getPermalink(channel="CFINANCE", message_ts=said["ts"]),
            "chat.postEphemeral": await client.chat_postEphemeral(channel="CFINANCE", user="UMAYA", text="x"),
            "conversations.info": await client.conversations_info(channel="CFINANCE"),
            "conversations.list": await client.conversations_list(),
            "conversations.join": await client.conversations_join(channel="CGENERAL"),
            "conversations.members": await client.conversations_members(channel="CFINANCE"),
            "users.conversations": await client.users_conversations(types="im,public_channel"),
            "users.info": await client.users_info(user="UMAYA"),
            "users.list": await client.users_list(),
            "users.lookupByEmail": await client.users_lookupByEmail(email="maya@local.example"),
            "team.info": await client.team_info(),
            "bots.info": await client.bots_info(bot="BCADRE"),
            "reactions.add": await client.reactions_add(channel="CFINANCE", name="eyes", timestamp=said["ts"]),
            "reactions.remove": await client.reactions_remove(channel="CFINANCE", name="eyes", timestamp=said["ts"]),
            "views.publish": await client.views_publish(user_id="UMAYA", view={"type": "home", "blocks": []}),
            "files.getUploadURLExternal": upload,
            "files.completeUploadExternal": await client.files_completeUploadExternal(
                files=[{"id": upload["file_id"], "title": "A"}], channel_id="CFINANCE"
            ),
            "files.info": await client.files_info(file=upload["file_id"]),
            "chat.delete": await client.chat_delete(**place),
        }
        found = {}
        for method, told in calls.items():
            problems = list(strange(told.data, sample(f"api/{method}.json")))
            if problems:
                found[method] = problems
        assert found == {}

    run(scenario)


EVENTS = {
    "app_mention": "AppMention",
    "member_joined_channel": "MemberJoinedChannel",
    "member_left_channel": "MemberLeftChannel",
    "reaction_added": "ReactionAdded",
    "reaction_removed": "ReactionRemoved",
    "app_home_opened": "AppHomeOpened",
    "message": "Message",
    "message_changed": "MessageChanged",
    "message_deleted": "MessageDeleted",
    "file_share": "MessageFileShare",
}
MORE = {
    "file_share": {"client_msg_id", "team"},
    "app_mention": {"client_msg_id"},
}


def test_events_look_like_slacks():
    async def scenario(stage):
        asked = await stage.act("maya", "post", channel="general", text="@cadre hello")
        here = {"channel": "general", "ts": asked["ts"]}
        await stage.act("maya", "react", **here, name="eyes")
        await stage.act("maya", "react", **here, name="eyes", remove=True)
        await stage.act("maya", "edit", **here, text="changed")
        await stage.act("maya", "post", channel="general", thread_ts=asked["ts"], text="reply")
        await stage.act("maya", "delete", **here)
        await stage.act("priya", "leave", channel="general")
        await stage.act("priya", "join", channel="general")
        await stage.act("maya", "upload", channel="general", filename="a.txt", content="x", text="see")
        await stage.act("maya", "home")
        await stage.client.chat_postMessage(channel="CGENERAL", text="mine")
        found, seen = {}, set()
        while len(seen) < len(EVENTS):
            body = await stage.next()
            kind = body["event"].get("subtype") or body["event"]["type"]
            seen.add(kind)
            known = sample(f"events/{EVENTS[kind]}Payload.json")
            problems = [
                one
                for one in strange(body, known)
                if one.removeprefix(".event.").removesuffix(" is unknown") not in MORE.get(kind, ())
            ]
            if problems:
                found[kind] = problems
        assert found == {}

    def register(app, stage):
        @app.middleware
        async def heard(body, next):
            stage.heard.put_nowait(body)
            await next()

    run(scenario, register, ack_s=0.1)


def test_interactions_look_like_slacks():
    def register(app, stage):
        @app.action("go")
        async def go(ack, body):
            await ack()
            stage.heard.put_nowait(body)

        @app.command("/cadre")
        async def command(ack, body):
            await ack()
            stage.heard.put_nowait(body)

    async def scenario(stage):
        element = {"type": "button", "action_id": "go", "value": "1", "text": {"type": "plain_text", "text": "Go"}}
        blocks = [{"type": "actions", "elements": [element]}]
        said = await stage.client.chat_postMessage(channel="CFINANCE", text="?", blocks=blocks)
        await stage.act("maya", "click", channel="finance", ts=said["ts"], action_id="go")
        body = await stage.next()
        clicked = sample("app-backend/interactive-components/BlockActionPayload.json")
        assert list(strange(body, clicked)) == []
        await stage.act("maya", "slash", channel="finance", command="/cadre", text="x")
        told = {key: value for key, value in (await stage.next()).items() if key != "is_enterprise_install"}
        assert list(strange(told, sample("app-backend/slash-commands/SlashCommandPayload.json"))) == []

    run(scenario, register)
