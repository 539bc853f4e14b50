"""What connected servers ask waits in the thread, and what they work on long, while Cadre is killed and comes back."""

from __future__ import annotations

import json
import signal
from contextlib import ExitStack

import pytest

from loopback.model.scripted import call
from tests.scenarios.standins import Slack, cadre, environment, loopback, until
from tests.servers.desk import did
from tests.servers.running import child, model
from tests.team.fresh_eyes import with_fresh_eyes

pytestmark = pytest.mark.timeout(240)


def asks_the_desk(body):
    """Makes the one call that the request names, and ends with what came of it."""
    first = json.dumps(body["messages"][0])
    if sum(m["role"] == "assistant" for m in body["messages"]) == 0:
        for words, tool, args in (
            ("book the blue room", "mcp__desk__book", {"room": "blue"}),
            ("ship the parts", "mcp__desk__ship", {"parts": 12}),
            ("look at the red room", "mcp__old__look", {"room": "red"}),
            ("book the old room", "mcp__old__book", {"room": "old"}),
        ):
            if words in first:
                return [call(tool, args)]
    return [
        call("finish", {"status": "refused", "summary": last(body)[:300], "reply": f"It said: {last(body)[:300]}"})
    ]


def last(body):
    block = [b for b in body["messages"][-1]["content"] if b["type"] == "tool_result"][-1]
    return "".join(part.get("text", "") for part in block["content"])


def servers(port):
    ours = {"trust": True, "approval": {"allow": ["book", "ship"]}}
    url = f"http://127.0.0.1:{port}/mcp"
    return {
        "mcpServers": {
            "desk": {"url": url, "x-cadre": ours},
            "old": {"url": url, "x-cadre": {**ours, "mode": "legacy"}},
        }
    }


class Thread:
    """A request and what stands below it."""

    def __init__(self, slack, text, person="maya"):
        self.slack = slack
        self.ts = slack.act(**{"as": person}, do="post", channel="finance", text=f"@cadre {text}")["ts"]

    def shown(self, *words):
        """The newest message with all these words, once it is there."""

        def look():
            found = [
                m for m in self.slack.thread(self.ts) if all(w in m["text"] + str(m.get("blocks")) for w in words)
            ]
            return found[-1] if found else None

        return until(look)

    def says(self, text, person="maya"):
        self.slack.act(**{"as": person}, do="post", channel="finance", text=text, thread_ts=self.ts)

    def press(self, message, label, person="maya"):
        """Press the button with these words."""
        elements = [e for b in message["blocks"] if b["type"] == "actions" for e in b["elements"]]
        (chosen,) = [e for e in elements if e["text"]["text"] == label]
        self.slack.act(
            **{"as": person}, do="click", channel="finance", ts=message["ts"], action_id=chosen["action_id"]
        )


def test_questions_and_long_jobs_of_servers_outlive_a_kill_and_end_once_or_are_cancelled(tmp_path):
    with ExitStack() as stack:
        port = stack.enter_context(child("tests.servers.desk", tmp_path / "desk"))
        url = stack.enter_context(model(with_fresh_eyes(asks_the_desk)))
        ready = stack.enter_context(loopback(tmp_path))
        env = environment(
            ready, tmp_path / "home", CADRE_MODEL=f"local:{url}", CADRE_MCP_SERVERS=json.dumps(servers(port))
        )
        slack, desk = Slack(ready), tmp_path / "desk"
        with cadre(env, "run") as first:
            slack.connected()
            book, ship = Thread(slack, "book the blue room"), Thread(slack, "ship the parts")
            look, old = Thread(slack, "look at the red room"), Thread(slack, "book the old room")
            asked = book.shown("desk asks: How long is the stay?", "Nights")
            book.says("many")  # the schema wants a whole number
            book.shown("desk cannot use that", "Nights")
            for thread in (look, old):
                thread.shown("old asks: How long is the stay?")
            until(lambda: "looked at job-1" in did(desk))
            first.send_signal(signal.SIGKILL)
            first.wait(20)
        assert asked["ts"] and did(desk)[0] == "ship begun" and not any("booked" in line for line in did(desk))
        (desk / "shipped").write_text("")
        book.says("31")  # said while nobody listens: Slack keeps it
        with cadre(env, "run"):
            slack.connected()
            book.shown("desk cannot use that: 31 is greater than the maximum")
            book.says("3", person="jonas")  # what a server asks is for who sent it there
            book.says("2")
            book.press(book.shown("Breakfast?"), "Yes")
            for thread in (look, old):
                thread.says("4")
                thread.press(thread.shown("Breakfast?"), "No")
            book.shown("It said:", "booked blue for 2 nights")
            ship.shown("It said:", "shipped 12 parts")
            look.shown("It said:", "red is free for 4 nights")
            old.shown("did not outlive a restart")
            old.shown("It said:", "not made again")
            assert sorted(line for line in did(desk) if not line.startswith("looked at")) == [
                "booked blue for 2 with breakfast True", "looked for red", "ship begun",
            ]  # fmt: skip
            (desk / "shipped").unlink()
            looks = did(desk).count("looked at job-1")
            again = Thread(slack, "ship the parts")
            until(lambda: did(desk).count("looked at job-1") > looks)
            again.says("stop")
            again.shown("Okay, I stopped")
            until(lambda: "cancelled job-1" in did(desk))
            assert did(desk)[-1] == "cancelled job-1" and did(desk).count("cancelled job-1") == 1
