"""A real, unmodified Bolt app on the local Slack: one suite over both Socket Mode adapters and signed HTTP."""

import asyncio

import aiohttp
import pytest
from slack_harness import BOT_TOKEN, PATIENCE_S, connected, run
from slack_sdk.errors import SlackApiError

NOT_HEARD = {"aiohttp": "timeout", "websockets": "timeout", "http": "http_error"}  # Bolt answers 404 then


def hears_messages(app, stage):
    @app.event("message")
    async def message(event, body):
        stage.heard.put_nowait(("message", event, body))

    @app.event("app_mention")
    async def mention(event, body):
        stage.heard.put_nowait(("app_mention", event, body))


def answers_mentions(app, stage):
    @app.event("message")
    async def ignore():
        """Mentions come as messages too."""

    @app.event("app_mention")
    async def answer(event, say):
        said = await say(text="On it", thread_ts=event["ts"])
        stage.heard.put_nowait(said)


def test_a_mention_is_answered_in_its_thread(way):
    async def scenario(stage):
        asked = await stage.act("maya", "post", channel="finance", text="@cadre close Q3 in #finance")
        said = await stage.next()
        parent, reply = await stage.thread("finance", asked["ts"])
        assert parent["text"] == "<@UCADRE> close Q3 in <#CFINANCE|finance>"
        assert parent["reply_count"] == 1
        assert (reply["ts"], reply["text"], reply["user"]) == (said["ts"], "On it", "UCADRE")
        assert reply["thread_ts"] == asked["ts"]

    run(scenario, answers_mentions, way=way)


def test_a_mention_comes_as_slack_sends_it(way):
    async def scenario(stage):
        asked = await stage.act("maya", "post", channel="finance", text="hello @cadre")
        told = {kind: (event, body) for kind, event, body in [await stage.next(), await stage.next()]}
        event, body = told["app_mention"]
        assert (event["user"], event["channel"], event["ts"]) == ("UMAYA", "CFINANCE", asked["ts"])
        assert event["event_ts"] == event["ts"]
        assert body["authorizations"][0]["user_id"] == "UCADRE"
        assert body["event_id"].startswith("Ev")
        assert body["event_id"] != told["message"][1]["event_id"]
        assert told["message"][0]["channel_type"] == "channel"

    run(scenario, hears_messages, way=way)


def test_a_direct_message_needs_no_mention(way):
    async def scenario(stage):
        await stage.act("maya", "post", channel="cadre", text="hello")
        kind, event, _ = await stage.next()
        assert (kind, event["channel_type"], event["text"]) == ("message", "im", "hello")
        assert event["channel"].startswith("D")
        await stage.client.chat_postMessage(channel="UMAYA", text="hello yourself")
        said = await stage.look("messages", channel=event["channel"])
        assert [one["text"] for one in said["messages"]] == ["hello", "hello yourself"]

    run(scenario, hears_messages, way=way)


def test_nothing_of_a_channel_without_the_bot_reaches_the_app(way):
    async def scenario(stage):
        await stage.act("maya", "post", channel="ops", text="@cadre can you hear this?")
        await stage.act("maya", "post", channel="general", text="or this?")
        _, event, _ = await stage.next()
        assert event["channel"] == "CGENERAL"
        assert stage.heard.empty()

    run(scenario, hears_messages, way=way)


def test_edits_and_deletions_are_told_with_the_message_before(way):
    async def scenario(stage):
        asked = await stage.act("maya", "post", channel="general", text="one")
        await stage.next()
        await stage.act("maya", "edit", channel="general", ts=asked["ts"], text="two")
        _, changed, _ = await stage.next()
        assert changed["subtype"] == "message_changed"
        assert (changed["previous_message"]["text"], changed["message"]["text"]) == ("one", "two")
        assert changed["message"]["edited"]["user"] == "UMAYA"
        await stage.act("maya", "delete", channel="general", ts=asked["ts"])
        _, deleted, _ = await stage.next()
        assert (deleted["subtype"], deleted["deleted_ts"]) == ("message_deleted", asked["ts"])
        assert deleted["previous_message"]["text"] == "two"

    run(scenario, hears_messages, way=way)


def test_a_reply_sent_to_the_channel_too_carries_what_it_replies_to(way):
    async def scenario(stage):
        asked = await stage.act("maya", "post", channel="general", text="lunch?")
        await stage.next()
        where = {"channel": "general", "thread_ts": asked["ts"], "broadcast": True}
        await stage.act("jonas", "post", text="at noon", **where)
        _, event, _ = await stage.next()
        assert (event["subtype"], event["text"]) == ("thread_broadcast", "at noon")
        assert (event["root"]["ts"], event["root"]["text"]) == (asked["ts"], "lunch?")

    run(scenario, hears_messages, way=way)


def takes_commands(app, stage):
    @app.command("/cadre")
    async def command(ack, body, respond):
        await ack(text=f"Understood: {body['text']}")
        await respond(text="Working in the open", response_type="in_channel")
        stage.heard.put_nowait(body)


def test_a_slash_command_is_acknowledged_and_answered_later(way):
    async def scenario(stage):
        told = await stage.act("maya", "slash", channel="ops", command="/cadre", text="status")
        body = await stage.next()
        assert told["ack"] == {"text": "Understood: status"}
        assert (body["channel_id"], body["user_name"], body["is_enterprise_install"]) == ("COPS", "maya", "false")
        whispered = await stage.look("ephemeral", channel="ops", user="maya")
        assert [one["text"] for one in whispered["messages"]] == ["Understood: status"]
        said = (await stage.look("messages", channel="ops"))["messages"]
        assert [one["text"] for one in said] == ["Working in the open"]

    run(scenario, takes_commands, way=way)


BUTTONS = [
    {
        "type": "actions",
        "block_id": f"decision-{value}",
        "elements": [
            {
                "type": "button",
                "action_id": "approve",
                "value": value,
                "text": {"type": "plain_text", "text": f"Approve {value}"},
            }
        ],
    }
    for value in ("first", "second")
]


def decides(app, stage):
    @app.action("approve")
    async def approve(ack, body, client, respond):
        await ack()
        done = {"channel": body["channel"]["id"], "ts": body["message"]["ts"]}
        await client.chat_update(text=f"Approved {body['actions'][0]['value']}", blocks=[], **done)
        stage.heard.put_nowait(body)


def test_a_click_reaches_the_app_which_updates_the_message(way):
    async def scenario(stage):
        post = {"channel": "CFINANCE", "text": "Approve?", "blocks": BUTTONS}
        said = await stage.client.chat_postMessage(**post)
        clicked = await stage.act(
            "maya", "click", channel="finance", ts=said["ts"], action_id="approve", value="second"
        )
        assert clicked["ok"]
        body = await stage.next()
        assert body["actions"][0]["block_id"] == "decision-second"
        assert body["user"] == {"id": "UMAYA", "username": "maya", "name": "maya", "team_id": "T0LOCAL"}
        assert body["container"]["message_ts"] == said["ts"]
        assert body["channel"] == {"id": "CFINANCE", "name": "finance"}
        assert body["state"] == {"values": {}}
        assert body["message"]["blocks"] == BUTTONS
        (message,) = await stage.thread("finance", said["ts"])
        assert (message["text"], message["blocks"]) == ("Approved second", [])
        gone = await stage.act("maya", "click", channel="finance", ts=said["ts"], action_id="approve")
        assert gone == {"ok": False, "error": "action_not_found"}

    run(scenario, decides, way=way)


def test_an_event_without_acknowledgement_comes_again_and_the_first_retry_is_immediate(way):
    def forgets_once(app, stage):
        @app.middleware
        async def fail_first(body, next):
            stage.heard.put_nowait(body)
            if stage.heard.qsize() == 1:
                return  # neither acknowledged nor handled
            await next()

        @app.event("message")
        async def message():
            stage.heard.put_nowait("handled")

    async def scenario(stage):
        await stage.act("maya", "post", channel="general", text="once")
        first, second = await stage.next(), None
        while second is None or second == "handled":
            second = await stage.next()
        assert first["event_id"] == second["event_id"]
        frames = [row["body"] for row in stage.logged("event", "message")]
        assert [(one["retry_attempt"], one["retry_reason"]) for one in frames] == [(0, ""), (1, NOT_HEARD[way])]
        assert frames[0]["envelope_id"] == frames[1]["envelope_id"]

    run(scenario, forgets_once, way=way, ack_s=0.3)


def test_later_retries_come_after_one_and_five_minutes_of_the_clock_and_then_stop(way):
    def deaf(app, stage):
        @app.middleware
        async def hear(body, next):
            stage.heard.put_nowait(stage.clock.now())

    async def scenario(stage):
        await stage.act("maya", "post", channel="general", text="anyone?")
        times = [await stage.next(), await stage.next()]
        for retry, pause in ((2, 60), (3, 300)):
            await stage.until_logged("event", "retry_due", retry)
            stage.clock.advance(pause + 1)
            times.append(await stage.next())
        assert times[1] - times[0] < 5
        assert 60 <= times[2] - times[1] < 70
        assert 300 <= times[3] - times[2] < 310
        frames = await stage.until_logged("event", "message", 4)
        assert [row["attempt"] for row in frames] == [0, 1, 2, 3]

    run(scenario, deaf, way=way, ack_s=0.1)


def test_a_duplicate_fault_delivers_one_event_twice_under_two_envelopes(way):
    async def scenario(stage):
        await stage.fault(match="app_mention", kind="duplicate")
        await stage.act("maya", "post", channel="finance", text="@cadre twice")
        heard = [await stage.next() for _ in range(3)]
        ids = [body["event_id"] for kind, _, body in heard if kind == "app_mention"]
        assert len(ids) == 2
        assert len(set(ids)) == 1
        envelopes = {row["body"]["envelope_id"] for row in stage.logged("event", "app_mention")}
        assert len(envelopes) == 2

    run(scenario, hears_messages, way=way)


def test_a_dropped_event_is_delivered_again(way):
    async def scenario(stage):
        await stage.fault(match="events_api:message", kind="drop")
        await stage.act("maya", "post", channel="general", text="lost at first")
        _, event, _ = await stage.next()
        assert event["text"] == "lost at first"
        (frame,) = [row["body"] for row in stage.logged("event", "message")]
        assert frame["retry_attempt"] == 1

    run(scenario, hears_messages, way=way)


def test_an_acknowledgement_that_is_lost_makes_slack_send_the_event_again(way):
    async def scenario(stage):
        await stage.fault(match="events_api:message", kind="accept_then_drop")
        await stage.act("maya", "post", channel="general", text="heard twice")
        bodies = [(await stage.next())[2] for _ in range(2)]
        assert bodies[0]["event_id"] == bodies[1]["event_id"]
        assert [row["attempt"] for row in stage.logged("event", "message")] == [0, 1]

    run(scenario, hears_messages, way=way)


def test_an_app_that_dies_before_acknowledging_gets_the_event_when_it_is_back():
    async def scenario(stage):
        opened = await stage.raw("apps.connections.open", token="xapp-local-cadre")
        async with stage.http.ws_connect(opened["url"]) as socket:
            await socket.receive_json()
            await stage.act("maya", "post", channel="general", text="in flight")
            envelope = await asyncio.wait_for(socket.receive_json(), PATIENCE_S)
            assert envelope["payload"]["event"]["text"] == "in flight"
        async with connected(stage, hears_messages):
            _, event, body = await stage.next()
        assert (event["text"], body["event_id"]) == ("in flight", envelope["payload"]["event_id"])
        again = stage.logged("event", "message")[1]["body"]
        assert (again["retry_attempt"], again["retry_reason"]) == (1, "connection_failed")

    run(scenario)


def test_reordered_events_overtake_each_other(way):
    async def scenario(stage):
        await stage.fault(match={"name": "message", "contains": "first"}, kind="reorder")
        await stage.act("maya", "post", channel="general", text="first")
        await stage.act("maya", "post", channel="general", text="second")
        texts = [(await stage.next())[1]["text"] for _ in range(2)]
        assert texts == ["second", "first"]

    run(scenario, hears_messages, way=way)


def test_after_a_disconnect_the_app_returns_and_misses_nothing():
    async def scenario(stage):
        await stage.fault(match="events_api:message", kind="disconnect")
        await stage.act("maya", "post", channel="general", text="across a reconnect")
        _, event, _ = await stage.next()
        assert event["text"] == "across a reconnect"
        assert len(stage.logged("request", "apps.connections.open")) == 2

    run(scenario, hears_messages)


def test_what_is_said_while_no_app_is_connected_waits_for_it(way):
    async def scenario(stage):
        await stage.act("maya", "post", channel="general", text="anybody home?")
        slash = await stage.act("maya", "slash", channel="general", command="/cadre", text="x")
        assert slash["error"] == "dispatch_failed"
        async with connected(stage, hears_messages, way):
            _, event, _ = await stage.next()
        assert event["text"] == "anybody home?"

    run(scenario)


def test_each_envelope_goes_to_one_of_several_sockets():
    async def scenario(stage):
        async with connected(stage, hears_messages):
            for text in ("a", "b", "c", "d"):
                await stage.act("maya", "post", channel="general", text=text)
            heard = {(await stage.next())[1]["text"] for _ in range(4)}
        assert heard == {"a", "b", "c", "d"}
        assert stage.heard.empty()

    run(scenario, hears_messages)


def test_accept_then_drop_leaves_one_message_though_the_caller_saw_an_error():
    async def scenario(stage):
        await stage.fault(match="chat.postMessage", kind="accept_then_drop")
        # The SDK itself repeats a call once after a broken connection: that is how duplicates are made.
        stage.client.retry_handlers.clear()
        with pytest.raises(aiohttp.ClientError):
            await stage.client.chat_postMessage(channel="CFINANCE", text="just once")
        said = (await stage.look("messages", channel="finance"))["messages"]
        assert [one["text"] for one in said] == ["just once"]

    run(scenario)


def test_a_rate_limit_says_how_long_to_wait():
    async def scenario(stage):
        await stage.fault(match="chat.postMessage", kind="429", retry_after_s=30)
        with pytest.raises(SlackApiError) as refused:
            await stage.client.chat_postMessage(channel="CFINANCE", text="too fast")
        response = refused.value.response
        assert (response.status_code, response.headers["Retry-After"]) == (429, "30")
        assert response["error"] == "ratelimited"

    run(scenario)


@pytest.mark.sends_wrong
def test_pings_are_answered_with_their_own_payload():
    async def scenario(stage):
        opened = await stage.raw("apps.connections.open", token="xapp-local-cadre")
        async with stage.http.ws_connect(opened["url"], autoping=False) as socket:
            hello = await asyncio.wait_for(socket.receive_json(), PATIENCE_S)
            assert (hello["type"], hello["num_connections"]) == ("hello", 1)
            await socket.ping(b"sdk-ping-pong:123.4")
            pong = await asyncio.wait_for(socket.receive(), PATIENCE_S)
            assert pong.data == b"sdk-ping-pong:123.4"
        again = await stage.http.get(opened["url"].replace("ws:", "http:"))
        assert again.status == 403  # a ticket is good once
        refused = await stage.raw("apps.connections.open", token=BOT_TOKEN)
        assert refused["error"] == "not_allowed_token_type"

    run(scenario)
