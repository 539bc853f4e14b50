"""Connected servers while Cadre is killed and comes back: what they ask waits in the thread, what they work on long
goes on, and people who were asked to sign in still can, each for themselves.

One workspace, one kill: the fixture tells what happens before it, each test what happens after.
"""

from __future__ import annotations

import http.cookiejar
import json
import re
import signal
import urllib.error
import urllib.request
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from loopback.model.scripted import call
from tests.scenarios.standins import Slack, cadre, environment, loopback, until
from tests.servers.desk import did
from tests.servers.running import child, free_port, model
from tests.team.fresh_eyes import with_fresh_eyes

pytestmark = pytest.mark.timeout(240)
SIGN_IN, DEALS = "mcp__crm__sign_in", "mcp__crm__deals"
CALLS = (
    ("book the blue room", "mcp__desk__book", {"room": "blue"}),
    ("ship the parts", "mcp__desk__ship", {"parts": 12}),
    ("look at the red room", "mcp__old__look", {"room": "red"}),
    ("book the old room", "mcp__old__book", {"room": "old"}),
)


def makes_the_call(body):
    """Makes the one call that the request names, and ends with what came of it."""
    first, seen = json.dumps(body["messages"][0]), json.dumps(body["messages"])
    offered = {tool["name"] for tool in body["tools"]}
    if "my deals" in first:
        for name, there in ((DEALS, DEALS in offered), (SIGN_IN, DEALS not in offered)):
            if there and f'"name": "{name}"' not in seen:
                return [call(name, {})]
    elif sum(m["role"] == "assistant" for m in body["messages"]) == 0:
        return [call(tool, args) for words, tool, args in CALLS if words in first]
    return [call("finish", {"status": "refused", "summary": last(body), "reply": f"It said: {last(body)}"})]


def last(body):
    block = [b for b in body["messages"][-1]["content"] if b["type"] == "tool_result"][-1]
    return "".join(part.get("text", "") for part in block["content"])[:300]


def servers(desk, crm):
    ours = {"trust": True, "approval": {"allow": ["book", "ship"]}}
    url = f"http://127.0.0.1:{desk}/mcp"
    return {
        "desk": {"url": url, "x-cadre": ours},
        "old": {"url": url, "x-cadre": {**ours, "mode": "legacy"}},
        "crm": {"url": f"http://127.0.0.1:{crm}/mcp", "x-cadre": {"trust": True, "performer": "user"}},
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


class Browser:
    """A person's browser, with cookies of its own."""

    def __init__(self):
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._open = urllib.request.build_opener(jar, Stays()).open

    def get(self, url, data=None):
        """Status, text and where it leads."""
        try:
            with self._open(url, data, timeout=20) as reply:
                return reply.status, reply.read().decode(), reply.headers.get("location", "")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), error.headers.get("location", "")

    def sign_in(self, link, person):
        """Follow a private link to its end; gives the last page."""
        status, page, _ = self.get(link)
        assert status == 200 and "127.0.0.1" in page and "Connect your account at crm" in page
        _, _, there = self.get(link, b"")
        _, _, asks = self.get(there)
        _, _, back = self.get(f"{asks}&as={person}")
        return self.get(back), back


class Stays(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def private(slack, person, number=0):
    """The link in a person's direct messages."""

    def look():
        texts = [m["text"] for m in slack.direct(person)]
        found = [link for text in texts for link in re.findall(r"<(http[^|>]+/oauth/mcp/start/[^|>]+)", text)]
        return found[number] if len(found) > number else None

    return until(look)


@pytest.fixture(scope="module")
def after(tmp_path_factory):
    """Everything running again after a kill, and the threads that were begun before it."""
    home = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:
        desk = stack.enter_context(child("tests.servers.desk", home / "desk"))
        crm = stack.enter_context(child("tests.servers.accounts", home / "crm", "--lifetime", "2"))
        url = stack.enter_context(model(with_fresh_eyes(makes_the_call)))
        ready = stack.enter_context(loopback(home))
        told = json.dumps(servers(desk, crm))
        env = environment(ready, home / "home", CADRE_MODEL=f"local:{url}", CADRE_MCP_SERVERS=told)
        slack, here = Slack(ready), ["run", "--http", str(free_port())]
        on = SimpleNamespace(slack=slack, desk=home / "desk", crm=home / "crm", home=home / "home")
        with cadre(env, *here) as first:
            slack.connected()
            on.book, on.ship = Thread(slack, "book the blue room"), Thread(slack, "ship the parts")
            on.look, on.old = Thread(slack, "look at the red room"), Thread(slack, "book the old room")
            on.maya = Thread(slack, "what are my deals")
            on.book.shown("desk asks: How long is the stay?", "Nights")
            on.book.says("many")  # the schema wants a whole number
            on.book.shown("desk cannot use that", "Nights")
            for thread in (on.look, on.old):
                thread.shown("old asks: How long is the stay?")
            until(lambda: "looked at job-1" in did(on.desk))
            on.maya.shown("crm needs your own account", "direct message")
            (status, page, _), on.back = Browser().sign_in(private(slack, "maya"), "maya")
            assert (status, "is connected" in page) == (200, True), page
            on.maya.shown("It said:", "Maya's deal with Ostrava")
            on.jonas = Thread(slack, "what are my deals", person="jonas")
            on.link = private(slack, "jonas")
            first.send_signal(signal.SIGKILL)
            first.wait(20)
        assert did(on.desk)[0] == "ship begun" and not any("booked" in line for line in did(on.desk))
        (on.desk / "shipped").write_text("")
        on.book.says("31")  # said while nobody listens: Slack keeps it
        with cadre(env, *here):
            slack.connected()
            yield on


def test_questions_and_long_jobs_of_servers_outlive_a_kill_and_end_once_or_are_cancelled(after):
    on, desk = after, after.desk
    on.book.shown("desk cannot use that: 31 is greater than the maximum")
    on.book.says("3", person="jonas")  # what a server asks is for who sent it there
    on.book.says("2")
    on.book.press(on.book.shown("Breakfast?"), "Yes")
    for thread in (on.look, on.old):
        thread.says("4")
        thread.press(thread.shown("Breakfast?"), "No")
    on.book.shown("It said:", "booked blue for 2 nights")
    on.ship.shown("It said:", "shipped 12 parts")
    on.look.shown("It said:", "red is free for 4 nights")
    on.old.shown("did not outlive a restart")
    on.old.shown("It said:", "not made again")
    assert sorted(line for line in did(desk) if not line.startswith("looked at")) == [
        "booked blue for 2 with breakfast True", "looked for red", "ship begun",
    ]  # fmt: skip
    (desk / "shipped").unlink()
    looks = did(desk).count("looked at job-1")
    again = Thread(on.slack, "ship the parts")
    until(lambda: did(desk).count("looked at job-1") > looks)
    again.says("stop")
    again.shown("Okay, I stopped")
    until(lambda: "cancelled job-1" in did(desk))
    assert did(desk)[-1] == "cancelled job-1" and did(desk).count("cancelled job-1") == 1


def test_each_person_signs_in_once_in_private_and_sees_their_own_data_alone(after):
    on, slack, thief = after, after.slack, Browser()
    assert Browser().get(on.back)[0] == 400  # a sign-in serves once
    again = Thread(slack, "what are my deals")
    again.shown("It said:", "Maya's deal with Ostrava")  # her token had run out: it was renewed without asking
    _, _, there = Browser().get(on.link, b"")
    _, _, asks = thief.get(there)
    _, _, back = thief.get(f"{asks}&as=jonas")
    assert thief.get(back)[0] == 403  # begun in another browser
    assert Browser().sign_in(on.link, "jonas")[0][0] == 200
    on.jonas.shown("It said:", "Jonas's deal with Basel")
    lines = did(on.crm)
    assert [x for x in lines if x.startswith("signed")] == ["signed in maya", "signed in jonas", "signed in jonas"]
    assert "refreshed maya" in lines
    for thread in (on.maya, again, on.jonas):
        assert "/oauth/" not in json.dumps(slack.thread(thread.ts))
    assert "Basel" not in json.dumps([slack.thread(t.ts) for t in (on.maya, again)])
    tokens = [line.split()[1].encode() for line in lines if line.startswith("token ")]
    kept = b"".join(p.read_bytes() for p in on.home.rglob("*") if p.is_file())
    assert tokens and not any(token in kept for token in tokens)
