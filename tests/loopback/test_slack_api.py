"""The local Slack's Web API without an app: arguments, tokens, refusals, paging, files, streams and sessions."""

import json

import pytest
from slack_harness import BOT_TOKEN, run
from slack_sdk.errors import SlackApiError

from loopback.slack.seed import AppDefinition


async def refusal(call):
    with pytest.raises(SlackApiError) as refused:
        await call
    return refused.value.response["error"]


def test_the_app_knows_itself_by_user_and_bot_id():
    async def scenario(stage):
        me = await stage.client.auth_test()
        assert (me["user_id"], me["bot_id"], me["team_id"]) == ("UCADRE", "BCADRE", "T0LOCAL")
        person = await stage.person("maya").auth_test()
        assert person["user_id"] == "UMAYA"
        assert "bot_id" not in person

    run(scenario)


def test_arguments_come_as_json_form_query_or_nothing():
    async def scenario(stage):
        url, token = stage.api_url, {"Authorization": f"Bearer {BOT_TOKEN}"}
        empty = await stage.http.post(f"{url}auth.test", headers={**token, "Content-Type": "application/json"})
        assert (await empty.json())["ok"]
        query = await stage.http.get(f"{url}conversations.info", params={"channel": "CFINANCE", "token": BOT_TOKEN})
        assert (await query.json())["channel"]["name"] == "finance"
        blocks = json.dumps([{"type": "section", "text": {"type": "mrkdwn", "text": "*hi*"}}])
        form = await stage.raw("chat.postMessage", channel="#finance", text="hi", blocks=blocks)
        assert form["message"]["blocks"][0]["text"]["text"] == "*hi*"
        assert form["channel"] == "CFINANCE"
        token_in_body = await stage.http.post(f"{url}auth.test", data={"token": "xoxp-maya"})
        assert (await token_in_body.json())["user"] == "maya"

    run(scenario)


@pytest.mark.sends_wrong
@pytest.mark.parametrize(
    ("method", "arguments", "token", "error"),
    [
        ("chat.nonsense", {}, BOT_TOKEN, "unknown_method"),
        ("auth.test", {}, "", "not_authed"),
        ("auth.test", {}, "xoxb-somebody-else", "invalid_auth"),
        ("auth.test", {}, "xoxp-nobody", "invalid_auth"),
        ("chat.postMessage", {"text": "x"}, BOT_TOKEN, "channel_not_found"),
        ("chat.postMessage", {"channel": "C404", "text": "x"}, BOT_TOKEN, "channel_not_found"),
        ("chat.postMessage", {"channel": "COPS", "text": "x"}, BOT_TOKEN, "not_in_channel"),
        ("chat.postMessage", {"channel": "GBOARD", "text": "x"}, "xoxp-jonas", "channel_not_found"),
        ("chat.postMessage", {"channel": "CFINANCE"}, BOT_TOKEN, "no_text"),
        (
            "chat.postMessage",
            {"channel": "CFINANCE", "text": "x", "thread_ts": "1.000001"},
            BOT_TOKEN,
            "thread_not_found",
        ),
        (
            "chat.postMessage",
            {"channel": "CFINANCE", "text": "x", "markdown_text": "y"},
            BOT_TOKEN,
            "markdown_text_conflict",
        ),
        ("chat.update", {"channel": "CFINANCE", "ts": "1.000001", "text": "x"}, BOT_TOKEN, "message_not_found"),
        (
            "chat.update",
            {"channel": "CGENERAL", "ts": "1760000000.000100", "text": "x"},
            BOT_TOKEN,
            "cant_update_message",
        ),
        ("chat.delete", {"channel": "CGENERAL", "ts": "1760000000.000100"}, BOT_TOKEN, "cant_delete_message"),
        ("conversations.history", {}, BOT_TOKEN, "invalid_arguments"),
        ("conversations.history", {"channel": "COPS"}, BOT_TOKEN, "not_in_channel"),
        ("conversations.replies", {"channel": "CGENERAL", "ts": "1.000001"}, BOT_TOKEN, "thread_not_found"),
        ("conversations.list", {"cursor": "%%%"}, BOT_TOKEN, "invalid_cursor"),
        ("users.info", {"user": "U404"}, BOT_TOKEN, "user_not_found"),
        ("users.lookupByEmail", {"email": "x@y.example"}, BOT_TOKEN, "users_not_found"),
        ("views.open", {"trigger_id": "1.2.3", "view": "{}"}, BOT_TOKEN, "invalid_arguments"),
        (
            "chat.postEphemeral",
            {"channel": "CFINANCE", "user": "UPRIYA", "text": "x"},
            BOT_TOKEN,
            "user_not_in_channel",
        ),
        (
            "reactions.add",
            {"channel": "CGENERAL", "name": "eyes", "timestamp": "1.0"},
            BOT_TOKEN,
            "message_not_found",
        ),
    ],
)
def test_what_slack_refuses_is_refused_by_the_same_name(method, arguments, token, error):
    async def scenario(stage):
        told = await stage.raw(method, token=token, **arguments)
        assert (told["ok"], told["error"]) == (False, error)

    run(scenario)


@pytest.mark.sends_wrong
def test_a_scope_the_app_lacks_is_named():
    async def scenario(stage):
        told = await stage.raw("reactions.add", channel="CGENERAL", name="eyes", timestamp="1760000000.000100")
        assert told == {"ok": False, "error": "missing_scope", "needed": "reactions:write", "provided": "chat:write"}
        assert (
            await stage.person("maya").reactions_add(channel="CGENERAL", name="eyes", timestamp="1760000000.000100")
        )["ok"]

    run(scenario, definition=AppDefinition(scopes=frozenset({"chat:write"})))


def test_a_manifest_decides_scopes_events_and_commands(tmp_path):
    manifest = tmp_path / "manifest.yml"
    manifest.write_text(
        "oauth_config: {scopes: {bot: [chat:write], bot_optional: [files:read]}}\n"
        "settings: {event_subscriptions: {bot_events: [app_mention]}}\n"
        "features: {slash_commands: [{command: /close, description: Close}]}\n"
    )
    definition = AppDefinition.from_manifest(manifest)
    assert definition.scopes == {"chat:write", "files:read"}
    assert definition.events == {"app_mention"}
    assert definition.commands == (("/close", "Close"),)


def test_history_pages_backwards_and_leaves_replies_to_their_threads():
    async def scenario(stage):
        maya = stage.person("maya")
        said = [(await maya.chat_postMessage(channel="CFINANCE", text=str(n)))["ts"] for n in range(5)]
        await maya.chat_postMessage(channel="CFINANCE", text="reply", thread_ts=said[0])
        texts, cursor = [], None
        while cursor != "":
            page = await stage.client.conversations_history(channel="CFINANCE", limit=2, cursor=cursor)
            texts += [one["text"] for one in page["messages"]]
            cursor = (page.get("response_metadata") or {}).get("next_cursor", "")
            assert page["has_more"] == bool(cursor)
        assert texts == ["4", "3", "2", "1", "0"]
        between = await stage.client.conversations_history(channel="CFINANCE", oldest=said[1], latest=said[3])
        assert [one["text"] for one in between["messages"]] == ["2"]
        closed = await stage.client.conversations_history(
            channel="CFINANCE", oldest=said[1], latest=said[3], inclusive=True
        )
        assert [one["text"] for one in closed["messages"]] == ["3", "2", "1"]

    run(scenario)


def test_a_thread_tells_its_parent_first_and_metadata_only_when_asked():
    async def scenario(stage):
        parent = (await stage.person("maya").chat_postMessage(channel="CFINANCE", text="start"))["ts"]
        key = {"event_type": "cadre", "event_payload": {"op": "k1"}}
        reply = {"channel": "CFINANCE", "thread_ts": parent, "text": "r", "metadata": key}
        await stage.client.chat_postMessage(**reply)
        bare = await stage.client.conversations_replies(channel="CFINANCE", ts=parent)
        assert [one["text"] for one in bare["messages"]] == ["start", "r"]
        assert "metadata" not in bare["messages"][1]
        assert bare["messages"][0]["reply_users"] == ["UCADRE"]
        full = await stage.client.conversations_replies(channel="CFINANCE", ts=parent, include_all_metadata=True)
        assert full["messages"][1]["metadata"] == key
        await stage.client.chat_update(channel="CFINANCE", ts=full["messages"][1]["ts"], text="changed")
        kept = await stage.client.conversations_replies(channel="CFINANCE", ts=parent, include_all_metadata=True)
        assert kept["messages"][1]["metadata"] == key

    run(scenario)


@pytest.mark.sends_wrong
def test_texts_have_slacks_lengths():
    async def scenario(stage):
        said = await stage.client.chat_postMessage(channel="CFINANCE", text="x" * 41_000)
        assert len(said["message"]["text"]) == 40_000
        update = stage.client.chat_update(channel="CFINANCE", ts=said["ts"], text="x" * 4_001)
        assert await refusal(update) == "msg_too_long"
        markdown = stage.client.chat_postMessage(channel="CFINANCE", markdown_text="x" * 12_001)
        assert await refusal(markdown) == "msg_too_long"

    run(scenario)


def test_blocks_stay_when_an_update_brings_only_text_and_go_with_an_empty_list():
    async def scenario(stage):
        block = {"type": "divider", "block_id": "d"}
        said = await stage.client.chat_postMessage(channel="CFINANCE", text="a", blocks=[block])
        kept = await stage.client.chat_update(channel="CFINANCE", ts=said["ts"], text="b")
        assert kept["message"]["blocks"] == [block]
        gone = await stage.client.chat_update(channel="CFINANCE", ts=said["ts"], text="c", blocks=[])
        assert gone["message"]["blocks"] == []

    run(scenario)


def test_membership_is_joined_left_and_invited():
    async def scenario(stage):
        await stage.client.conversations_join(channel="COPS")
        assert (await stage.client.chat_postMessage(channel="COPS", text="here now"))["ok"]
        assert "UCADRE" in (await stage.client.conversations_members(channel="COPS"))["members"]
        await stage.client.conversations_leave(channel="COPS")
        assert await refusal(stage.client.chat_postMessage(channel="COPS", text="x")) == "not_in_channel"
        await stage.person("maya").conversations_invite(channel="COPS", users="UCADRE")
        mine = await stage.client.users_conversations(types="public_channel,private_channel")
        assert [one["name"] for one in mine["channels"]] == [
            "general",
            "random",
            "finance",
            "ops",
            "partners",
            "board",
        ]
        hidden = await stage.person("jonas").conversations_list(types="public_channel,private_channel")
        assert "board" not in [one["name"] for one in hidden["channels"]]

    run(scenario)


def test_reactions_are_counted_once_per_person():
    async def scenario(stage):
        place = {"channel": "CGENERAL", "timestamp": "1760000000.000100"}
        await stage.client.reactions_add(name="eyes", **place)
        assert await refusal(stage.client.reactions_add(name="eyes", **place)) == "already_reacted"
        await stage.person("maya").reactions_add(name="eyes", **place)
        shown = (await stage.client.reactions_get(**place))["message"]["reactions"]
        assert shown == [{"name": "eyes", "users": ["UCADRE", "UMAYA"], "count": 2}]
        await stage.client.reactions_remove(name="eyes", **place)
        assert await refusal(stage.client.reactions_remove(name="eyes", **place)) == "no_reaction"

    run(scenario)


def test_a_file_goes_up_in_three_steps_and_comes_down_with_a_token():
    async def scenario(stage):
        done = await stage.client.files_upload_v2(
            channel="CFINANCE", filename="lines.csv", content="a,b\n1,2\n", initial_comment="the lines"
        )
        (message,) = (await stage.look("messages", channel="finance"))["messages"]
        assert (message["text"], message["subtype"]) == ("the lines", "file_share")
        assert message["files"][0]["id"] == done["file"]["id"]
        told = await stage.client.files_info(file=done["file"]["id"])
        assert (told["file"]["name"], told["file"]["size"], told["file"]["channels"]) == (
            "lines.csv",
            8,
            ["CFINANCE"],
        )
        url = told["file"]["url_private"]
        assert (await stage.http.get(url)).status == 403
        allowed = await stage.http.get(url, headers={"Authorization": f"Bearer {BOT_TOKEN}"})
        assert await allowed.text() == "a,b\n1,2\n"
        outsider = stage.person("priya").files_info(file=done["file"]["id"])
        assert await refusal(outsider) == "file_not_found"

    run(scenario)


def test_a_stream_grows_in_place_and_cannot_outlive_five_minutes():
    async def scenario(stage):
        asked = await stage.act("maya", "post", channel="finance", text="@cadre go")
        where = {"channel": "CFINANCE", "thread_ts": asked["ts"]}
        assert await refusal(stage.client.chat_startStream(**where)) == "missing_recipient_user_id"
        to = {"recipient_user_id": "UMAYA", "recipient_team_id": "T0LOCAL"}
        stream = await stage.client.chat_startStream(**where, **to)
        place = {"channel": "CFINANCE", "ts": stream["ts"]}
        task = {"type": "task_update", "id": "t1", "title": "Reading", "status": "in_progress", "details": "one "}
        await stage.client.chat_appendStream(**place, chunks=[task, {"type": "markdown_text", "text": "Half"}])
        await stage.client.chat_appendStream(**place, chunks=[{**task, "status": "complete", "details": "two"}])
        assert await refusal(stage.client.chat_update(**place, text="x")) == "streaming_state_conflict"
        await stage.client.chat_stopStream(**place, markdown_text=" done")
        message = (await stage.thread("finance", stream["ts"]))[1]
        plan, text = message["blocks"]
        assert (plan["tasks"][0]["status"], text["text"]) == ("complete", "Half done")
        assert plan["tasks"][0]["details"]["elements"][0]["elements"][0]["text"] == "one two"
        late = await stage.client.chat_startStream(**where, **to)
        stage.clock.advance(301)
        append = stage.client.chat_appendStream(channel="CFINANCE", ts=late["ts"], markdown_text="x")
        assert await refusal(append) == "message_not_in_streaming_state"

    run(scenario)


@pytest.mark.sends_wrong
def test_a_session_is_renamed_suspended_and_fades_when_it_is_not_renewed():
    async def scenario(stage):
        asked = await stage.act("maya", "post", channel="finance", text="@cadre go")
        where = {"channel_id": "CFINANCE", "thread_ts": asked["ts"]}
        await stage.client.agents_sessions_setStatus(**where, status="processing", title="Close Q3")
        await stage.client.agents_sessions_rename(**where, title="Close Q3 2026")
        thread = await stage.look("thread", channel="finance", ts=asked["ts"])
        assert (thread["session"]["status"], thread["session"]["title"]) == ("processing", "Close Q3 2026")
        stage.clock.advance(3601)
        assert (await stage.look("state"))["sessions"][0]["status"] == "active"
        bad = stage.client.agents_sessions_setStatus(**where, status="busy")
        assert await refusal(bad) == "invalid_arguments"

    run(scenario)


def test_an_assistant_status_ends_with_a_reply_or_after_two_minutes():
    async def scenario(stage):
        asked = await stage.act("maya", "post", channel="finance", text="@cadre go")
        where = {"channel_id": "CFINANCE", "thread_ts": asked["ts"]}

        async def shown():
            return (await stage.look("thread", channel="finance", ts=asked["ts"]))["status"]

        await stage.client.assistant_threads_setStatus(**where, status="is reading")
        assert await shown() == "is reading"
        await stage.client.chat_postMessage(channel="CFINANCE", thread_ts=asked["ts"], text="read")
        assert await shown() == ""
        await stage.client.assistant_threads_setStatus(**where, status="is writing")
        stage.clock.advance(121)
        assert await shown() == ""

    run(scenario)


def test_permalinks_open_the_page_with_the_thread():
    async def scenario(stage):
        parent = await stage.act("maya", "post", channel="finance", text="start")
        reply = await stage.act("maya", "post", channel="finance", text="reply", thread_ts=parent["ts"])
        link = (await stage.client.chat_getPermalink(channel="CFINANCE", message_ts=reply["ts"]))["permalink"]
        assert link == reply["permalink"]
        assert f"/archives/CFINANCE/p{reply['ts'].replace('.', '')}?thread_ts={parent['ts']}" in link
        page = await stage.http.get(link)
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]
        assert (await stage.http.get(f"{stage.running.url}/web/../server.py")).status == 404

    run(scenario)


def test_a_canvas_is_seen_by_its_maker_until_a_channel_is_given_it_and_then_by_whoever_is_in_there():
    async def scenario(stage):
        bot = stage.client
        canvas = (await bot.canvases_create(title="Berths"))["canvas_id"]
        text = {"type": "markdown", "markdown": "# Berths\n\nAll are free."}
        await bot.canvases_edit(canvas_id=canvas, changes=[{"operation": "replace", "document_content": text}])

        async def reads(person):
            return (await stage.look("canvas", canvas=canvas, **{"as": person})).get("markdown")

        assert await reads("cadre") == text["markdown"] and await reads("maya") is None
        async with stage.feed() as feed:
            await bot.canvases_access_set(canvas_id=canvas, access_level="read", channel_ids=["CFINANCE"])
            assert (await feed.until("canvas"))["canvas"] == canvas
        (shown,) = (await stage.look("view", channel="finance", **{"as": "maya"}))["canvases"]
        assert shown["url"] == f"{stage.running.url}/docs/T0LOCAL/{canvas}"
        assert (await stage.http.get(shown["url"])).status == 200
        assert await reads("maya") == text["markdown"] and await reads("priya") is None
        await stage.act("priya", "join", channel="finance")
        assert await reads("priya") == text["markdown"]
        change = [{"operation": "replace", "document_content": text}]
        assert await refusal(stage.person("maya").canvases_edit(canvas_id=canvas, changes=change)) == "access_denied"

    run(scenario)


@pytest.mark.parametrize(
    ("markdown", "detail"),
    [
        ("#### Deep", "Unsupported heading depth (4)"),
        ("| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 150, "more than 300 cells"),
    ],
)
def test_a_canvas_takes_no_deeper_headings_and_no_larger_tables(markdown, detail):
    async def scenario(stage):
        with pytest.raises(SlackApiError) as refused:
            await stage.client.canvases_create(document_content={"type": "markdown", "markdown": markdown})
        assert refused.value.response["error"] == "canvas_creation_failed"
        assert detail in refused.value.response["detail"]

    run(scenario)


def test_access_to_a_canvas_is_given_to_channels_or_to_people():
    async def scenario(stage):
        bot = stage.client
        canvas = (await bot.canvases_create(title="Berths"))["canvas_id"]
        direct = (await bot.conversations_open(users="UMAYA"))["channel"]["id"]
        given = {"canvas_id": canvas, "access_level": "read"}
        both = bot.canvases_access_set(**given, channel_ids=["CFINANCE"], user_ids=["UMAYA"])
        assert await refusal(both) == "invalid_parameters"
        assert await refusal(bot.canvases_access_set(**given, channel_ids=[direct])) == "channel_not_found"
        await stage.set(plan="free")
        free = await refusal(bot.canvases_create(title="Another"))
        assert free == "free_teams_cannot_create_non_tabbed_canvases"

    run(scenario)
