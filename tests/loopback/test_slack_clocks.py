"""What the local Slack does by its clock: rate limits, streams, sessions, statuses."""

import pytest
from slack_harness import run
from slack_sdk.errors import SlackApiError

RECIPIENT = {"recipient_user_id": "UMAYA", "recipient_team_id": "T0LOCAL"}


async def refusal(call):
    with pytest.raises(SlackApiError) as refused:
        await call
    return refused.value.response


def test_a_method_has_its_tiers_calls_a_minute_and_then_says_how_long_to_wait():
    async def scenario(stage):
        said = await stage.client.chat_postMessage(channel="CFINANCE", text="plan")
        place = {"channel": "CFINANCE", "ts": said["ts"]}
        for number in range(50):
            await stage.client.chat_update(**place, text=f"step {number}")
        refused = await refusal(stage.client.chat_update(**place, text="one too many"))
        assert (refused.status_code, refused["error"]) == (429, "ratelimited")
        wait = int(refused.headers["Retry-After"])
        assert 50 <= wait <= 60
        await stage.client.conversations_info(channel="CFINANCE")  # another method has its own
        stage.clock.advance(wait)
        await stage.client.chat_update(**place, text="on time")

    run(scenario, rate_limits=True)


def test_a_channel_takes_one_post_a_second():
    async def scenario(stage):
        await stage.client.chat_postMessage(channel="CFINANCE", text="one")
        await stage.client.chat_postMessage(channel="CGENERAL", text="elsewhere")
        refused = await refusal(stage.client.chat_postMessage(channel="finance", text="two"))
        assert refused.headers["Retry-After"] == "1"
        stage.clock.advance(1)
        await stage.client.chat_postMessage(channel="CFINANCE", text="two")

    run(scenario, rate_limits=True)


def test_rate_limits_are_a_setting():
    async def scenario(stage):
        await stage.client.chat_postMessage(channel="CFINANCE", text="one")
        await stage.client.chat_postMessage(channel="CFINANCE", text="two")
        assert (await stage.set(rate_limits=True))["rate_limits"]
        await stage.client.chat_postMessage(channel="CFINANCE", text="three")
        assert (await refusal(stage.client.chat_postMessage(channel="CFINANCE", text="four"))).status_code == 429

    run(scenario)


async def streaming(stage):
    asked = await stage.act("maya", "post", channel="finance", text="go")
    said = await stage.client.chat_startStream(channel="CFINANCE", thread_ts=asked["ts"], **RECIPIENT)
    return asked["ts"], {"channel": "CFINANCE", "ts": said["ts"]}


def test_a_stream_ends_five_minutes_after_its_start_though_it_grows():
    async def scenario(stage):
        thread, place = await streaming(stage)
        stage.clock.advance(200)
        await stage.client.chat_appendStream(**place, markdown_text="half")
        stage.clock.advance(101)
        refused = await refusal(stage.client.chat_appendStream(**place, markdown_text="more"))
        assert refused["error"] == "message_not_in_streaming_state"
        said = (await stage.thread("finance", thread))[1]
        assert (said["text"], said.get("streaming_state")) == ("half", None)
        await stage.client.chat_update(**place, text="what was lost, as an update")

    run(scenario)


def test_a_stream_may_end_five_minutes_after_its_last_growth_instead():
    async def scenario(stage):
        await stage.set(stream_expiry="idle")
        thread, place = await streaming(stage)
        for _ in range(3):
            stage.clock.advance(200)
            await stage.client.chat_appendStream(**place, markdown_text="x")
        async with stage.feed() as feed:
            stage.clock.advance(301)
            await feed.until("message_changed")
        assert (await stage.thread("finance", thread))[1]["text"] == "xxx"

    run(scenario)


def test_a_session_stops_working_after_an_hour_and_the_page_is_told():
    async def scenario(stage):
        asked = await stage.act("maya", "post", channel="finance", text="go")
        place = {"channel_id": "CFINANCE", "thread_ts": asked["ts"]}
        await stage.client.api_call("agents.sessions.setStatus", json={**place, "status": "processing"})
        stage.clock.advance(3500)
        await stage.client.api_call("agents.sessions.setStatus", json={**place, "status": "processing"})
        stage.clock.advance(3500)
        assert (await stage.look("thread", channel="finance", ts=asked["ts"]))["session"]["status"] == "processing"
        async with stage.feed() as feed:
            stage.clock.advance(101)
            assert (await feed.until("session"))["session"]["status"] == "active"

    run(scenario)


def test_an_assistant_status_is_gone_after_two_minutes():
    async def scenario(stage):
        asked = await stage.act("maya", "post", channel="finance", text="go")
        await stage.client.assistant_threads_setStatus(
            channel_id="CFINANCE", thread_ts=asked["ts"], status="is reading"
        )
        async with stage.feed() as feed:
            stage.clock.advance(121)
            assert (await feed.until("status"))["status"] == ""

    run(scenario)


@pytest.mark.sends_wrong
def test_what_a_stream_refuses_leaves_nothing_behind():
    async def scenario(stage):
        thread, place = await streaming(stage)
        many = [{"type": "task_update", "id": str(n), "title": "Read", "status": "pending"} for n in range(51)]
        long = [{"type": "task_update", "id": "1", "title": "x" * 257, "status": "pending"}]
        for wrong in ({"markdown_text": "x" * 12_001}, {"chunks": many}, {"chunks": long}):
            assert (await refusal(stage.client.chat_appendStream(**place, **wrong)))["error"] in (
                "msg_too_long", "invalid_chunks",
            )  # fmt: skip
        blocks = [{"type": "divider"}] * 50
        await stage.client.chat_appendStream(**place, chunks=[{"type": "blocks", "blocks": blocks}])
        await stage.client.chat_stopStream(**place, markdown_text="whole", blocks=blocks)
        said = (await stage.thread("finance", thread))[1]
        assert (said["text"], len(said["blocks"])) == ("whole", 101)

    run(scenario)
