"""Stand-ins in a process of their own, Cadre in others, connected by environment alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from bot.app import wait_ready

PATIENCE_S = 150


@contextmanager
def loopback(home: Path, *options: str):
    """`cadre loopback` as a tester starts it; gives what its ready file says."""
    ready = home / "ready.json"
    command = [
        sys.executable,
        "-m",
        "bot",
        "loopback",
        *options,
        "--ready-file",
        str(ready),
        "--home",
        str(home / "lb"),
    ]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield wait_ready(ready, child)
    finally:
        child.terminate()
        child.wait(20)


def environment(ready: dict, home: Path, **more: str) -> dict[str, str]:
    """The variables of the interface, and no key of this machine."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "VIRTUAL_ENV")}
    return {
        **kept,
        "CADRE_HOME": str(home),
        "CADRE_MODEL": "offline",
        "CADRE_CLOCK_URL": ready["clock"]["url"],
        "SLACK_API_URL": ready["slack"]["api_url"],
        "SLACK_BOT_TOKEN": ready["slack"]["bot_token"],
        "SLACK_APP_TOKEN": ready["slack"]["app_token"],
        "SLACK_SIGNING_SECRET": ready["slack"]["signing_secret"],
        "GOOGLE_API_BASE_URL": ready["google"]["base_url"],
        "ANTHROPIC_BASE_URL": ready["model"]["base_url"],
        **more,
    }


@contextmanager
def cadre(env: dict[str, str], *arguments: str):
    """A Cadre process; killed at the end if it still lives."""
    child = subprocess.Popen([sys.executable, "-m", "bot", *arguments], env=env, stdout=subprocess.DEVNULL)
    try:
        yield child
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


class Slack:
    """A person's hands and eyes on the local Slack."""

    def __init__(self, ready: dict) -> None:
        self.url = ready["slack"]["control_url"].rstrip("/")

    def act(self, **action):
        answer = call(f"{self.url}/_local/act", {"as": "maya", **action})
        assert answer["ok"], answer
        return answer

    def fault(self, **spec):
        call(f"{self.url}/_local/fault", spec)

    def thread(self, ts, channel="finance"):
        return call(f"{self.url}/_local/thread?channel={channel}&ts={ts}").get("messages", [])

    def direct(self, person):
        """What Cadre wrote to a person alone."""
        try:
            return call(f"{self.url}/_local/messages?channel=D{person.upper()}").get("messages", [])
        except urllib.error.HTTPError:
            return []  # nothing yet, so there is no such conversation

    def connected(self):
        until(lambda: call(f"{self.url}/_local/state").get("sockets"))

    def approve(self, ts, channel="finance"):
        """Click Approve once the card is there."""

        def card():
            for message in self.thread(ts, channel):
                if '"approve"' in json.dumps(message.get("blocks", [])):
                    return message
            return None

        self.act(do="click", channel=channel, ts=until(card)["ts"], action_id="approve")


def call(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


def until(holds, patience_s=PATIENCE_S):
    """The first true answer; the time limit ends what hangs."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        found = holds()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come to that in time")
