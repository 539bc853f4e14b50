"""People use connected services as themselves: each signs in once, in private, and sees their own data alone."""

from __future__ import annotations

import http.cookiejar
import json
import re
import signal
import urllib.error
import urllib.request
from contextlib import ExitStack

import pytest

from loopback.model.scripted import call
from tests.scenarios.standins import Slack, cadre, environment, loopback, until
from tests.scenarios.test_server_questions import Thread, last
from tests.servers.desk import did
from tests.servers.running import child, free_port, model
from tests.team.fresh_eyes import with_fresh_eyes

pytestmark = pytest.mark.timeout(240)
BEFORE, DEALS = "mcp__crm__sign_in", "mcp__crm__deals"


def looks_at_deals(body):
    """Signs in where the tools are not known yet, looks at the deals and says what they are."""
    seen = json.dumps(body["messages"])
    if DEALS in {t["name"] for t in body["tools"]} and f'"name": "{DEALS}"' not in seen:
        return [call(DEALS, {})]
    if f'"name": "{BEFORE}"' not in seen and DEALS not in {t["name"] for t in body["tools"]}:
        return [call(BEFORE, {})]
    return [
        call("finish", {"status": "refused", "summary": last(body)[:300], "reply": f"It said: {last(body)[:300]}"})
    ]


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


def test_each_person_signs_in_once_in_private_and_sees_their_own_data_also_after_a_kill(tmp_path):
    with ExitStack() as stack:
        desk = tmp_path / "crm"
        port = stack.enter_context(child("tests.servers.accounts", desk, "--lifetime", "2"))
        url = stack.enter_context(model(with_fresh_eyes(looks_at_deals)))
        ready = stack.enter_context(loopback(tmp_path))
        servers = {"crm": {"url": f"http://127.0.0.1:{port}/mcp", "x-cadre": {"trust": True, "performer": "user"}}}
        env = environment(ready, tmp_path / "home", CADRE_MODEL=f"local:{url}", CADRE_MCP_SERVERS=json.dumps(servers))
        slack, here = Slack(ready), ["run", "--http", str(free_port())]
        with cadre(env, *here) as first:
            slack.connected()
            maya = Thread(slack, "what are my deals")
            maya.shown("crm needs your own account", "direct message")
            link = private(slack, "maya")
            assert not any("/oauth/" in json.dumps(m) for m in slack.thread(maya.ts))
            first.send_signal(signal.SIGKILL)
            first.wait(20)
        with cadre(env, *here):
            slack.connected()
            browser, thief = Browser(), Browser()
            (status, page, _), back = browser.sign_in(link, "maya")
            assert (status, "is connected" in page) == (200, True), page
            maya.shown("It said:", "Maya's deal with Ostrava")
            assert browser.get(back)[0] == 400  # once
            jonas = Thread(slack, "what are my deals", person="jonas")
            other = private(slack, "jonas")
            _, _, there = Browser().get(other, b"")
            _, _, asks = thief.get(there)
            _, _, back = thief.get(f"{asks}&as=jonas")
            assert thief.get(back)[0] == 403  # begun in another browser
            assert Browser().sign_in(other, "jonas")[0][0] == 200
            jonas.shown("It said:", "Jonas's deal with Basel")
        with cadre(env, *here):
            slack.connected()
            again = Thread(slack, "what are my deals")
            again.shown("It said:", "Maya's deal with Ostrava")
        lines = did(desk)
        assert [x for x in lines if x.startswith("signed")] == [
            "signed in maya",
            "signed in jonas",
            "signed in jonas",
        ]
        assert "refreshed maya" in lines
        for threads in (maya, again):
            assert "Basel" not in json.dumps(slack.thread(threads.ts))
        tokens = [line.split()[1].encode() for line in lines if line.startswith("token ")]
        kept = b"".join(p.read_bytes() for p in (tmp_path / "home").rglob("*") if p.is_file())
        assert tokens and not any(token in kept for token in tokens)
