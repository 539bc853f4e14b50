"""A digest that comes every morning in a canvas: two mornings, one canvas, the second digest in it."""

from __future__ import annotations

import sqlite3

from tests.scenarios.standins import Slack, cadre, call, environment, loopback, until

ASKED = "@cadre every day at 9:00 digest this channel in a canvas"


class Mornings(Slack):
    """What maya sees of #finance, and the clock."""

    def __init__(self, ready, home):
        super().__init__(ready)
        self.home = home

    def see(self, what="view", **query):
        words = "&".join(f"{key}={value}" for key, value in {"channel": "finance", "as": "maya", **query}.items())
        return call(f"{self.url}/_local/{what}?{words}")

    def canvases(self):
        return [self.see("canvas", canvas=one["id"]) for one in self.see()["canvases"]]

    def posts(self):
        return [m for m in self.see()["messages"] if "in the canvas <" in m["text"]]

    def comes(self, number):
        """Go on to the schedule's next time; gives the digest's post."""
        with sqlite3.connect(f"file:{self.home}/cadre.db?mode=ro", uri=True) as db:
            ((due,),) = db.execute("select next_at from automation")
        call(f"{self.url}/_local/clock", {"set": due + 0.5})
        return until(lambda: self.posts()[number - 1 :])[0]


def test_a_digest_every_morning_is_kept_in_one_canvas_through_a_lost_answer(tmp_path):
    home = tmp_path / "home"
    with loopback(tmp_path, "--clock", "simulated") as ready, cadre(environment(ready, home), "run"):
        day = Mornings(ready, home)
        day.connected()
        asked = day.act(do="post", channel="finance", text=ASKED)["ts"]
        said = until(lambda: [m["text"] for m in day.thread(asked) if "First time" in m["text"]])[0]
        assert "I will work on: digest this channel\n" in said and "kept in one canvas of this channel" in said

        day.fault(match="canvases.create", kind="accept_then_drop")
        first = day.comes(1)
        (canvas,) = day.canvases()
        assert canvas["title"] == "Digest this channel, every day at 9:00"
        assert "by the schedule “every day at 9:00” · offline playbook, no language model" in canvas["markdown"]
        assert "crane" not in canvas["markdown"] and canvas["url"] in first["text"]

        day.act(**{"as": "jonas"}, do="post", channel="finance", text="We decided to reopen the crane.")
        second = day.comes(2)
        (newest,) = day.canvases()
        assert newest["id"] == canvas["id"] and "reopen the crane" in newest["markdown"]
        assert len(second["text"].splitlines()) == 2 and newest["url"] in second["text"]
        assert len(day.see("state")["canvases"]) == 2  # the other is empty, and nobody sees it

        day.act(do="home")
        until(lambda: "· in a canvas" in str(day.see()["home"]))
