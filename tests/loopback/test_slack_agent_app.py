"""An agent written with Bolt, from mention to feedback, the same over every way it can be connected."""

import asyncio

from slack_harness import run
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler

from loopback.slack.seed import AppDefinition

FEEDBACK = {
    "type": "context_actions",
    "elements": [
        {
            "type": "feedback_buttons",
            "action_id": "feedback",
            "positive_button": {"text": {"type": "plain_text", "text": "Good"}, "value": "good"},
            "negative_button": {"text": {"type": "plain_text", "text": "Bad"}, "value": "bad"},
        }
    ],
}


def modal(**more):
    name = {"type": "plain_text_input", "action_id": "name"}
    label = {"type": "plain_text", "text": "Name"}
    return {
        "type": "modal",
        "callback_id": "form",
        "title": {"type": "plain_text", "text": "Form"},
        "submit": {"type": "plain_text", "text": "Send"},
        "blocks": [{"type": "input", "block_id": "who", "label": label, "element": name}],
        **more,
    }


def answers(app, stage):
    @app.event("app_mention")
    async def mention(event, set_status, say_stream):
        await set_status("is reading")
        stage.heard.put_nowait(stage.running)
        stream = await say_stream()
        await stream.append(chunks=[{"type": "plan_update", "title": "Reading"}])
        for status in ("in_progress", "complete"):
            task = {"type": "task_update", "id": "1", "title": "Read the ledger", "status": status}
            await stream.append(chunks=[task])
        await stream.append(markdown_text="The *answer*")
        await stream.stop(blocks=[FEEDBACK])
        stage.heard.put_nowait(stream.ts)

    @app.event("message")
    async def ignore():
        """Mentions come as messages too."""

    @app.action("feedback")
    async def feedback(ack, body):
        await ack()
        stage.heard.put_nowait(body["actions"][0]["value"])

    @app.event("agent_session_stopped")
    async def stopped(event):
        stage.heard.put_nowait(event["user"])


def test_a_mention_becomes_a_status_a_stream_with_its_plan_and_feedback(way):
    async def scenario(stage):
        asked = await stage.act("maya", "post", channel="finance", text="@cadre what is it?")
        place = {"channel": "finance", "ts": asked["ts"]}
        await stage.next()
        ts = await stage.next()
        seen = await stage.look("thread", **place)
        said = seen["messages"][1]
        assert (said["ts"], said["text"], seen["status"]) == (ts, "The *answer*", "")
        plan, answer, buttons = said["blocks"]
        assert [(one["title"], one["status"]) for one in plan["tasks"]] == [("Read the ledger", "complete")]
        assert (plan["title"], answer["text"], buttons["type"]) == ("Reading", "The *answer*", "context_actions")
        assert seen["session"]["status"] == "active"
        await stage.act("maya", "click", channel="finance", ts=ts, action_id="feedback", value="good")
        assert await stage.next() == "good"
        await stage.act("maya", "stop", **place)
        assert await stage.next() == "UMAYA"

    run(scenario, answers, way=way)


def forms(app, stage):
    @app.command("/cadre")
    async def command(ack, body, client):
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=modal(private_metadata=body["text"]))

    @app.view("form")
    async def submitted(ack, view):
        name = view["state"]["values"]["who"]["name"]["value"]
        if name == "nobody":
            await ack(response_action="errors", errors={"who": "Somebody, please"})
            return
        await ack()
        stage.heard.put_nowait((view["private_metadata"], name))

    @app.event("app_home_opened")
    async def home(event, client):
        view = {"type": "home", "blocks": [{"type": "divider"}]}
        await client.views_publish(user_id=event["user"], view=view)
        stage.heard.put_nowait("published")


def test_a_command_opens_a_form_that_says_what_is_wrong_and_then_closes(way):
    async def scenario(stage):
        await stage.act("maya", "slash", channel="finance", command="/cadre", text="q3")
        refused = await stage.act("maya", "submit", values={"name": "nobody"})
        assert refused == {"ok": True, "errors": {"who": "Somebody, please"}}
        sent = await stage.act("maya", "submit", values={"name": "Maya"})
        assert (sent["response_action"], await stage.next()) == ("close", ("q3", "Maya"))

    run(scenario, forms, way=way)


def test_opening_home_publishes_it(way):
    async def scenario(stage):
        assert (await stage.act("maya", "home"))["view"] is None
        assert await stage.next() == "published"
        assert (await stage.act("maya", "home"))["view"]["blocks"][0]["type"] == "divider"

    run(scenario, forms, way=way)


def works_lazily(app, stage):
    released = stage.released = asyncio.Event()

    async def acknowledge(ack):
        await ack("On it")

    async def work(respond, body):
        await released.wait()
        await respond(f"Done: {body['text']}")
        stage.heard.put_nowait("done")

    app.command("/cadre")(ack=acknowledge, lazy=[work])


def test_lazy_work_answers_after_the_acknowledgement(way):
    async def scenario(stage):
        told = await stage.act("maya", "slash", channel="ops", command="/cadre", text="count")
        assert told["ack"] == {"text": "On it"}
        stage.released.set()
        await stage.next()
        whispered = await stage.look("ephemeral", channel="ops", user="maya")
        assert [one["text"] for one in whispered["messages"]] == ["On it", "Done: count"]

    run(scenario, works_lazily, way=way)


def sends_files(app, stage):
    @app.event("message")
    async def message(event, client):
        if event.get("subtype") is None:
            report = {"filename": "report.csv", "content": "a,b\n1,2"}
            await client.files_upload_v2(channel=event["channel"], thread_ts=event["ts"], **report)
            stage.heard.put_nowait("sent")

    @app.event("file_shared")
    async def shared():
        """It was this app's."""


def test_a_file_is_uploaded_into_the_thread(way):
    async def scenario(stage):
        asked = await stage.act("maya", "post", channel="finance", text="the report, please")
        await stage.next()
        (file,) = (await stage.thread("finance", asked["ts"]))[1]["files"]
        url, token = file["url_private"], {"Authorization": f"Bearer {stage.client.token}"}
        assert await (await stage.http.get(url, headers=token)).text() == "a,b\n1,2"

    run(scenario, sends_files, way=way)


def posts_twice(app, stage):
    app.client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=2))

    @app.event("message")
    async def message(event, client):
        if event.get("bot_id") is None:
            for text in ("one", "two"):
                await client.chat_postMessage(channel="CGENERAL", text=text)
            stage.heard.put_nowait("posted")


def test_an_app_that_waits_as_told_gets_through_the_rate_limit(way):
    async def scenario(stage):
        await stage.act("maya", "post", channel="general", text="go")
        await stage.next()
        answered = [row["status"] for row in stage.logged("response", "chat.postMessage")]
        assert answered == [200, 429, 200]

    run(scenario, posts_twice, way=way, rate_limits=True, definition=AppDefinition())
