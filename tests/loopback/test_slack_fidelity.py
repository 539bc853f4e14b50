"""Every method and every event once, so that the comparison with Slack's own samples sees all of them.

The comparison itself runs in all tests (see `tests/conftest.py`); here is also what it must notice.
"""

import json

import pytest
from slack_harness import BOT_TOKEN, run
from slack_sdk.errors import SlackApiError

from loopback.slack.api import METHODS
from loopback.slack.fidelity import SAMPLES, VIOLATIONS
from loopback.slack.fidelity.calls import call_problems
from loopback.slack.fidelity.shape import strange
from loopback.slack.seed import CLIENT_ID, CLIENT_SECRET, AppDefinition
from tests.conftest import RECORDED

pytestmark = pytest.mark.skipif(not RECORDED.exists(), reason="Slack's JSON samples are not on this machine")
CLIENT = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
LINK = {"title": "Board", "type": "link", "link": "https://example.com"}
MARKDOWN = {"type": "markdown", "markdown": "# Plan\n\nFirst\n\n## Risks\n\nNone"}
MODAL = {
    "type": "modal",
    "title": {"type": "plain_text", "text": "T"},
    "submit": {"type": "plain_text", "text": "Go"},
    "blocks": [{"type": "divider"}],
    "notify_on_close": True,
}
BUTTON = {"type": "button", "action_id": "go", "value": "1", "text": {"type": "plain_text", "text": "Go"}}
MANIFEST = {"display_information": {"name": "another"}}
EVERYTHING = (
    *("app_mention", "message.channels", "message.groups", "message.im", "message.mpim", "reaction_added"),
    *("reaction_removed", "member_joined_channel", "member_left_channel", "app_home_opened", "file_shared"),
    *("agent_session_stopped", "agent_session_title_changed", "app_context_changed", "pin_added", "pin_removed"),
    *("channel_created", "channel_rename", "channel_archive", "channel_unarchive", "subteam_created"),
    *("subteam_updated", "tokens_revoked", "app_uninstalled"),
)


def test_the_comparison_sees_strange_keys_and_types():
    known = {"ok": True, "channel": {"id": "", "created": 1}}
    told = {"ok": True, "channel": {"id": 5, "created": 1, "invented": ""}}
    assert sorted(strange(told, known)) == [".channel.id is int, in the sample str", ".channel.invented is unknown"]


def test_calls_that_slacks_sdk_would_not_make_are_seen():
    assert call_problems("chat.postMessage", {"channel": "C1", "text": "x", "thread": "1"}) == ["argument thread"]
    header = {"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}
    assert call_problems("chat.postMessage", {"channel": "C1", "blocks": [header]})
    assert call_problems("views.open", {"view": {**MODAL, "title": {"type": "plain_text", "text": "x" * 25}}})
    assert call_problems("chat.postMessage", {"channel": "C1", "blocks": [{"type": "divider"}]}) == []


def test_what_does_not_fit_is_written_down(tmp_path, monkeypatch):
    path = tmp_path / "violations.jsonl"
    monkeypatch.setenv(SAMPLES, str(RECORDED))
    monkeypatch.setenv(VIOLATIONS, str(path))

    async def scenario(stage):
        await stage.raw("chat.postMessage", channel="CFINANCE", text="x", colour="red")
        stage.log.append({"server": "slack", "kind": "response", "name": "auth.test", "body": {"ok": True, "x": 1}})

    run(scenario)
    call, reply = [json.loads(line) for line in path.read_text().splitlines()]
    assert call == {"kind": "call", "name": "chat.postMessage", "problems": ["argument colour"]}
    assert reply["problems"][:2] == [".x is unknown", "url is missing"]


async def messages(stage, bot, maya):
    asked = await stage.act("maya", "post", channel="finance", text="@cadre hello")
    said = await bot.chat_postMessage(channel="CFINANCE", text="hi", thread_ts=asked["ts"])
    place, item = {"channel": "CFINANCE", "ts": said["ts"]}, {"channel": "CFINANCE", "timestamp": said["ts"]}
    await bot.chat_update(**place, text="hello")
    await bot.chat_getPermalink(channel="CFINANCE", message_ts=said["ts"])
    await bot.chat_postEphemeral(channel="CFINANCE", user="UMAYA", text="x")
    await bot.chat_meMessage(channel="CFINANCE", text="waves")
    await bot.chat_unfurl(**place, unfurls={"https://example.com": {"text": "An example"}})
    for name in ("eyes", "tada"):
        await bot.reactions_add(**item, name=name)
    await bot.reactions_get(**item)
    await bot.reactions_list()
    await bot.reactions_remove(**item, name="eyes")
    await bot.pins_add(**item)
    await bot.pins_list(channel="CFINANCE")
    await bot.pins_remove(**item)
    at = int(stage.clock.now()) + 60
    planned = [await bot.chat_scheduleMessage(channel="CFINANCE", post_at=at, text="later") for _ in range(2)]
    await bot.chat_deleteScheduledMessage(channel="CFINANCE", scheduled_message_id=planned[1]["scheduled_message_id"])
    listed = await bot.chat_scheduledMessages_list()
    assert [one["id"] for one in listed["scheduled_messages"]] == [planned[0]["scheduled_message_id"]]
    stage.clock.advance(61)
    while (last := (await bot.conversations_history(channel="CFINANCE", limit=1))["messages"][0])["text"] != "later":
        pass
    assert last["user"] == "UCADRE"
    await bot.conversations_replies(channel="CFINANCE", ts=asked["ts"])
    to = {"channel": "CFINANCE", "thread_ts": asked["ts"]}
    await bot.chat_postMessage(**to, text="for all", reply_broadcast=True)
    stream = await bot.chat_startStream(**to, recipient_user_id="UMAYA", recipient_team_id="T0LOCAL")
    grown = {"channel": "CFINANCE", "ts": stream["ts"]}
    await bot.chat_appendStream(**grown, markdown_text="more")
    await bot.chat_stopStream(**grown)
    session = {"channel_id": "CFINANCE", "thread_ts": asked["ts"]}
    await bot.agents_sessions_setStatus(**session, status="processing", title="Hello")
    await bot.agents_sessions_rename(**session, title="Hello again")
    await bot.assistant_threads_setStatus(**session, status="is thinking")
    await bot.assistant_threads_setTitle(**session, title="Hello")
    prompts = [{"title": "Close", "message": "close Q3"}]
    await bot.assistant_threads_setSuggestedPrompts(**session, prompts=prompts)
    await stage.act("maya", "rename", channel="finance", ts=asked["ts"], title="Mine")
    await stage.act("maya", "stop", channel="finance", ts=asked["ts"])
    await bot.chat_delete(**place)


async def channels(stage, bot, maya):
    made = (await bot.conversations_create(name="launch"))["channel"]["id"]
    await bot.conversations_invite(channel=made, users="UMAYA,UPRIYA")
    await bot.conversations_kick(channel=made, user="UPRIYA")
    await bot.conversations_setTopic(channel=made, topic="Brook 3")
    await bot.conversations_setPurpose(channel=made, purpose="To launch")
    await bot.conversations_rename(channel=made, name="launch-brook")
    await bot.conversations_mark(channel=made, ts="1.0")
    await maya.conversations_leave(channel=made)
    await maya.conversations_join(channel=made)
    await maya.conversations_info(channel=made)
    for one in (bot, maya):
        await one.conversations_members(channel=made)
        await one.conversations_list(types="public_channel,private_channel,im,mpim")
        await one.users_conversations(types="public_channel,im")
    await bot.bookmarks_add(channel_id=made, **LINK)
    (bookmark,) = (await bot.bookmarks_list(channel_id=made))["bookmarks"]
    await bot.bookmarks_edit(channel_id=made, bookmark_id=bookmark["id"], title="The board")
    await bot.bookmarks_remove(channel_id=made, bookmark_id=bookmark["id"])
    await bot.conversations_canvases_create(channel_id=made, document_content=MARKDOWN)
    await bot.conversations_archive(channel=made)
    with pytest.raises(SlackApiError, match="is_archived"):
        await bot.chat_postMessage(channel=made, text="too late")
    await bot.conversations_unarchive(channel=made)
    group = (await bot.conversations_open(users="UMAYA,UJONAS"))["channel"]
    assert group["is_mpim"]
    await bot.chat_postMessage(channel=group["id"], text="the three of us")
    await bot.conversations_close(channel=group["id"])


async def documents(stage, bot, maya):
    canvas = (await bot.canvases_create(title="Plan", document_content=MARKDOWN))["canvas_id"]

    async def found(text):
        told = await bot.canvases_sections_lookup(canvas_id=canvas, criteria={"contains_text": text})
        return [one["id"] for one in told["sections"]]

    (risks,) = await found("Risks")
    text = {"type": "markdown", "markdown": "## Open risks"}
    await bot.canvases_edit(
        canvas_id=canvas, changes=[{"operation": "replace", "section_id": risks, "document_content": text}]
    )
    assert await found("## Risks") == []
    assert len(await found("Open risks")) == 1
    with pytest.raises(SlackApiError, match="canvas_not_found"):
        await maya.canvases_sections_lookup(canvas_id=canvas, criteria={"contains_text": "Plan"})
    await bot.canvases_access_set(canvas_id=canvas, access_level="read", user_ids=["UMAYA"])
    await maya.canvases_sections_lookup(canvas_id=canvas, criteria={"contains_text": "Plan"})
    await bot.canvases_access_delete(canvas_id=canvas, user_ids=["UMAYA"])
    await bot.canvases_delete(canvas_id=canvas)
    made = (await bot.slackLists_create(name="Tasks"))["list_id"]
    item = (await bot.slackLists_items_create(list_id=made))["item"]["id"]
    await bot.slackLists_items_update(list_id=made, cells=[{"row_id": item, "column_id": "Col1", "text": "x"}])
    assert (await bot.slackLists_items_list(list_id=made))["items"][0]["fields"][0]["text"] == "x"
    await bot.slackLists_items_delete(list_id=made, id=item)
    await bot.slackLists_update(id=made, name="To do")
    upload = await bot.files_getUploadURLExternal(filename="a.csv", length=3)
    await stage.http.post(upload["upload_url"], data=b"a,b")
    id = upload["file_id"]
    await bot.files_completeUploadExternal(files=[{"id": id, "title": "A"}], channel_id="CFINANCE")
    assert (await bot.files_info(file=id))["file"]["preview"] == "a,b"
    await bot.files_list(channel="CFINANCE")
    await maya.files_sharedPublicURL(file=id)
    await maya.files_revokePublicURL(file=id)
    await bot.files_delete(file=id)
    old = await stage.raw("files.upload", content="old way", filename="old.txt", channels="CFINANCE")
    assert old["file"]["preview"] == "old way"
    await bot.files_remote_add(external_id="r1", external_url="https://example.com/r", title="Remote")
    for call in (bot.files_remote_info, bot.files_remote_update):
        await call(external_id="r1")
    await bot.files_remote_list()
    await bot.files_remote_share(external_id="r1", channels="CFINANCE")
    await bot.files_remote_remove(external_id="r1")


async def team(stage, bot, maya):
    group = (await bot.usergroups_create(name="Launch team"))["usergroup"]["id"]
    await bot.usergroups_users_update(usergroup=group, users=["UMAYA", "UPRIYA"])
    assert (await bot.usergroups_users_list(usergroup=group))["users"] == ["UMAYA", "UPRIYA"]
    await bot.usergroups_update(usergroup=group, description="Who launches")
    await bot.usergroups_disable(usergroup=group)
    assert len((await bot.usergroups_list())["usergroups"]) == 1
    await bot.usergroups_enable(usergroup=group)
    await bot.usergroups_list(include_users=True)
    for call in (bot.team_info, bot.team_billing_info, bot.team_preferences_list, bot.team_profile_get):
        await call()
    for call in (
        bot.emoji_list,
        bot.users_list,
        bot.auth_test,
        bot.api_test,
        maya.users_identity,
        maya.dnd_endSnooze,
    ):
        await call()
    await bot.blocks_validate(blocks=[{"type": "divider"}])
    await bot.apps_connections_open(app_token="xapp-local-cadre")
    await bot.bots_info(bot="BCADRE")
    for call in (bot.users_info, bot.users_getPresence, bot.users_profile_get, bot.dnd_info):
        await call(user="UMAYA")
    await bot.users_lookupByEmail(email="maya@local.example")
    await maya.users_profile_set(profile={"title": "Head of finance"})
    await maya.users_setPresence(presence="away")
    await maya.users_setPhoto(image=__file__)
    await maya.dnd_setSnooze(num_minutes=10)
    assert (await bot.dnd_teamInfo(users=["UMAYA"]))["users"]["UMAYA"]["dnd_enabled"]
    reminder = (await maya.reminders_add(text="stretch", time="600"))["reminder"]["id"]
    await maya.reminders_list()
    for call in (maya.reminders_info, maya.reminders_complete, maya.reminders_delete):
        await call(reminder=reminder)
    call = (await bot.calls_add(external_unique_id="1", join_url="https://example.com/call"))["call"]["id"]
    someone = [{"external_id": "a", "display_name": "A"}]
    await bot.calls_participants_add(id=call, users=someone)
    await bot.calls_participants_remove(id=call, users=someone)
    await bot.calls_update(id=call, title="Stand-up")
    await bot.calls_info(id=call)
    await bot.calls_end(id=call)


def gives_triggers(app, stage):
    @app.shortcut("ask")
    async def ask(ack, shortcut):
        await ack()
        stage.heard.put_nowait(shortcut["trigger_id"])


async def trigger(stage):
    """What a person's use of a shortcut permits."""
    await stage.act("maya", "shortcut", callback_id="ask")
    return await stage.next()


async def views_and_apps(stage, bot, maya):
    await bot.views_publish(user_id="UMAYA", view={"type": "home", "blocks": [{"type": "divider"}]})
    opened = await bot.views_open(trigger_id=await trigger(stage), view=MODAL)
    await bot.views_push(trigger_id=await trigger(stage), view=MODAL)
    await bot.views_update(view_id=opened["view"]["id"], view=MODAL)
    await bot.functions_completeSuccess(function_execution_id="Fx1", outputs={})
    await bot.functions_completeError(function_execution_id="Fx1", error="none")
    await bot.api_call(
        "apps.event.authorizations.list",
        json={"event_context": "1"},
        headers={"Authorization": "Bearer xapp-local-cadre"},
    )
    await maya.apps_manifest_validate(manifest=MANIFEST)
    made = (await maya.apps_manifest_create(manifest=MANIFEST))["app_id"]
    await maya.apps_manifest_update(app_id=made, manifest=MANIFEST)
    assert (await maya.apps_manifest_export(app_id=made))["manifest"] == MANIFEST
    await maya.apps_manifest_delete(app_id=made)
    rotating = await stage.raw("oauth.v2.exchange", token=BOT_TOKEN, **CLIENT)
    fresh = rotating["refresh_token"]
    told = await stage.raw("oauth.v2.access", "", **CLIENT, grant_type="refresh_token", refresh_token=fresh)
    await stage.raw("auth.revoke", told["access_token"])
    await stage.raw("apps.uninstall", rotating["access_token"], **CLIENT)


def test_every_method_answers_as_slack_does():
    async def scenario(stage):
        bot, maya = stage.client, stage.person("maya")
        for part in (messages, channels, documents, team, views_and_apps):
            await part(stage, bot, maya)
        answered = {row["name"] for row in stage.log.since(0) if row["kind"] == "response" and row["body"]["ok"]}
        assert METHODS.keys() - answered == set()
        refused = [
            (row["name"], row["body"]["error"])
            for row in stage.log.since(0)
            if row["kind"] == "response" and not row["body"]["ok"]
        ]
        assert refused == [("chat.postMessage", "is_archived"), ("canvases.sections.lookup", "canvas_not_found")]

    run(scenario, gives_triggers)


def connects(app, stage):
    """Takes events; what matters is what Slack sends."""


def test_every_event_comes_as_slack_sends_it():
    async def scenario(stage):
        bot = stage.client
        asked = await stage.act("maya", "post", channel="general", text="@cadre hello")
        here = {"channel": "general", "ts": asked["ts"]}
        for remove in (False, True):
            await stage.act("maya", "react", **here, name="eyes", remove=remove)
        await stage.act("maya", "edit", **here, text="changed")
        await stage.act("maya", "post", channel="general", thread_ts=asked["ts"], text="reply")
        await stage.act("maya", "post", channel="general", thread_ts=asked["ts"], text="to all", broadcast=True)
        await stage.act("maya", "delete", **here)
        await stage.act("priya", "leave", channel="general")
        await stage.act("priya", "join", channel="general")
        await stage.act("maya", "upload", channel="general", filename="a.txt", content="x", text="see")
        await stage.act("maya", "home")
        await stage.act("maya", "look", channel="general")
        await stage.act("maya", "post", channel="cadre", text="in private")
        await stage.act("olga", "post", channel="partners", text="@cadre from elsewhere")
        said = await bot.chat_postMessage(channel="CGENERAL", text="mine")
        session = {"channel_id": "CGENERAL", "thread_ts": said["ts"]}
        await bot.agents_sessions_setStatus(**session, status="active", title="Hello")
        await stage.act("maya", "rename", channel="general", ts=said["ts"], title="Mine")
        await stage.act("maya", "stop", channel="general", ts=said["ts"])
        for call in (bot.pins_add, bot.pins_remove):
            await call(channel="CGENERAL", timestamp=said["ts"])
        made = (await bot.conversations_create(name="new"))["channel"]["id"]
        await bot.conversations_rename(channel=made, name="newer")
        await bot.conversations_archive(channel=made)
        await bot.conversations_unarchive(channel=made)
        group = (await bot.usergroups_create(name="Launch"))["usergroup"]["id"]
        await bot.usergroups_update(usergroup=group, name="Launches")
        await bot.chat_postMessage(channel="GBOARD", text="to the board")
        mpim = (await bot.conversations_open(users="UMAYA,UJONAS"))["channel"]["id"]
        await bot.chat_postMessage(channel=mpim, text="the three of us")
        await stage.raw("apps.uninstall", "xoxp-maya", **CLIENT)
        await stage.raw("auth.revoke")
        for name in EVERYTHING:
            await stage.until_logged("event", name.partition(".")[0], 1)

    run(scenario, connects, ack_s=0.2, definition=AppDefinition(events=frozenset(EVERYTHING)))
