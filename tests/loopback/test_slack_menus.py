"""The same over every way to an app: shortcuts, suggestions, stacked modals, outsiders, and what a person looks at beside the agent."""

from slack_harness import run

LISTED = {"type": "plain_text", "text": "Which account?"}
PICK = {
    "type": "actions",
    "block_id": "pick",
    "elements": [{"type": "external_select", "action_id": "account", "placeholder": LISTED}],
}


def modal(title, **more):
    text = {"type": "plain_text", "text": title}
    return {"type": "modal", "title": text, "blocks": [{"type": "divider"}], "callback_id": title, **more}


def takes_shortcuts(app, stage):
    @app.shortcut("delegate")
    async def delegate(ack, shortcut):
        await ack()
        stage.heard.put_nowait(shortcut)

    @app.shortcut("ask")
    async def ask(ack, shortcut, client):
        await ack()
        await client.views_open(trigger_id=shortcut["trigger_id"], view=modal("Ask"))
        stage.heard.put_nowait(shortcut)

    @app.event("message")
    async def ignore():
        """People write too."""


def test_a_message_shortcut_carries_the_message_also_inside_a_thread(way):
    async def scenario(stage):
        asked = await stage.act("maya", "post", channel="finance", text="who looks into this?")
        reply = await stage.act("jonas", "post", channel="finance", text="not me", thread_ts=asked["ts"])
        told = await stage.act("maya", "shortcut", callback_id="delegate", channel="finance", ts=reply["ts"])
        assert told == {"ok": True}
        heard = await stage.next()
        assert (heard["type"], heard["message_ts"], heard["message"]["text"]) == (
            "message_action", reply["ts"], "not me",
        )  # fmt: skip
        assert heard["message"]["thread_ts"] == asked["ts"]
        await stage.http.post(heard["response_url"], json={"text": "On it"})
        whispered = await stage.look("ephemeral", channel="finance", user="maya")
        assert [one["text"] for one in whispered["messages"]] == ["On it"]

    run(scenario, takes_shortcuts, way=way)


def test_a_global_shortcut_opens_a_modal_and_unknown_ones_are_named(way):
    async def scenario(stage):
        await stage.act("maya", "shortcut", callback_id="ask")
        assert (await stage.next())["type"] == "shortcut"
        seen = await stage.look("view", channel="finance", **{"as": "maya"})
        assert [view["callback_id"] for view in seen["views"]] == ["Ask"]
        told = await stage.act("maya", "shortcut", callback_id="delegate")
        assert (told["error"], told["message"]) == ("unknown_shortcut", "global shortcuts here: ask.")

    run(scenario, takes_shortcuts, way=way)


def test_an_app_suggests_options_for_what_was_typed(way):
    def suggests(app, stage):
        @app.options("account")
        async def options(ack, payload):
            text = {"type": "plain_text", "text": f"{payload['value']} 4711"}
            await ack(options=[{"text": text, "value": "4711"}])

    async def scenario(stage):
        said = await stage.client.chat_postMessage(channel="CFINANCE", text="?", blocks=[PICK])
        told = await stage.act(
            "maya", "suggest", channel="finance", ts=said["ts"], action_id="account", value="Travel"
        )
        assert [one["text"]["text"] for one in told["options"]] == ["Travel 4711"]

    run(scenario, suggests, way=way)


def test_clearing_a_stack_of_modals_tells_the_app_of_those_below(way):
    def stacks(app, stage):
        @app.shortcut("ask")
        async def ask(ack, shortcut, client):
            await ack()
            first = modal("First", notify_on_close=True, submit={"type": "plain_text", "text": "Go"})
            await client.views_open(trigger_id=shortcut["trigger_id"], view=first)

        @app.view("First")
        async def push(ack):
            await ack(response_action="push", view=modal("Second", submit={"type": "plain_text", "text": "Go"}))

        @app.view("Second")
        async def clear(ack):
            await ack(response_action="clear")

        @app.view_closed("First")
        async def closed(ack, body):
            await ack()
            stage.heard.put_nowait(body["is_cleared"])

    async def scenario(stage):
        await stage.act("maya", "shortcut", callback_id="ask")
        pushed = await stage.act("maya", "submit")
        assert pushed["view"]["previous_view_id"] == pushed["view"]["root_view_id"]
        assert (await stage.act("maya", "submit"))["response_action"] == "clear"
        assert await stage.next() is True
        assert (await stage.look("view", channel="finance", **{"as": "maya"}))["views"] == []

    run(scenario, stacks, way=way)


def hears(app, stage):
    @app.middleware
    async def heard(body, next):
        stage.heard.put_nowait(body)
        await next()

    @app.event("message")
    async def message():
        """Heard already."""

    @app.event("app_context_changed")
    async def looked():
        """Heard already."""

    @app.event("agent_session_title_changed")
    async def retitled():
        """Heard already."""


def test_outsiders_and_guests_are_marked_wherever_they_appear(way):
    async def scenario(stage):
        await stage.act("olga", "post", channel="partners", text="hello")
        body = await stage.next()
        assert body["is_ext_shared_channel"]
        assert (body["event"]["user_team"], body["event"]["team"]) == ("T0OTHER", "T0OTHER")
        assert (await stage.client.users_info(user="UOLGA"))["user"]["is_stranger"]
        assert (await stage.client.users_info(user="UGUS"))["user"]["is_restricted"]
        assert (await stage.client.conversations_info(channel="CPARTNERS"))["channel"]["is_ext_shared"]
        assert (await stage.act("gus", "post", channel="general", text="?"))["error"] == "channel_not_found"
        assert [one["name"] for one in (await stage.person("gus").conversations_list())["channels"]] == ["partners"]

    run(scenario, hears, way=way)


def test_what_someone_looks_at_comes_with_their_next_message_to_the_agent(way):
    async def scenario(stage):
        await stage.act("maya", "look", channel="finance")
        looked = (await stage.next())["event"]
        assert (looked["type"], looked["user"]) == ("app_context_changed", "UMAYA")
        assert [one["value"] for one in looked["context"]["entities"]] == ["CFINANCE"]
        await stage.act("maya", "post", channel="cadre", text="summarise this channel")
        assert (await stage.next())["event"]["app_context"] == looked["context"]

    run(scenario, hears, way=way)


def test_a_person_renames_a_session(way):
    async def scenario(stage):
        asked = await stage.act("maya", "post", channel="finance", text="go")
        await stage.next()
        place = {"channel_id": "CFINANCE", "thread_ts": asked["ts"], "status": "active", "title": "Close"}
        await stage.client.api_call("agents.sessions.setStatus", json=place)
        await stage.act("maya", "rename", channel="finance", ts=asked["ts"], title="Close of Q3")
        event = (await stage.next())["event"]
        assert (event["title"], event["previous_title"]) == ("Close of Q3", "Close")
        assert (await stage.look("thread", channel="finance", ts=asked["ts"]))["session"]["title"] == "Close of Q3"

    run(scenario, hears, way=way)


def test_a_user_group_can_be_mentioned():
    async def scenario(stage):
        said = await stage.act("maya", "post", channel="general", text="@finance-team please look")
        assert said["text"] == "<!subteam^SFINANCE> please look"

    run(scenario)
