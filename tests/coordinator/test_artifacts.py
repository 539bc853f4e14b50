"""Artifacts that depend on each other, on a real store: what a new version makes stale, who is asked, who accepts."""

from __future__ import annotations

import hashlib

import pytest
from sqlalchemy import insert, select, update

from bot.coordinator import artifacts
from bot.coordinator.limits import QUOTED
from bot.store import journal, mail
from bot.store import schema as t
from bot.tools.team import open_agent
from bot.types import Request
from tests.migrated import database

RUN = "run-0123456789ab"


class Team:
    """Agents that send each other files, use them and declare what they made."""

    def __init__(self, home):
        self.db = database(home, lambda: 1000.0)
        self.calls = 0
        self.open(RUN)

    def open(self, run_id, **more):
        values = {
            "id": run_id, "team_id": "T", "requester": "maya", "credential_owner": "maya", "channel": "C",
            "thread": "1.0", "kind": "mention", "request": "launch", "skill": "product-launch", "status": "working",
            "model": "offline", "offline": True, "created_at": 1.0, "labels": {}, **more,
        }  # fmt: skip

        def make(tx):
            tx.execute(insert(t.run).values(values))
            open_agent(tx, run_id, "T", name="lead", role="lead")

        self.db.write_now(make)

    def add(self, *names):
        for name in names:
            self.db.write_now(lambda tx, n=name: open_agent(tx, RUN, "T", name=n, role=n, parent="lead", task_id=n))
            values = {"run_id": RUN, "id": name, "team_id": "T", "title": name, "owner": name, "criteria": ["it is"]}
            self.db.write_now(lambda tx, v=values: tx.execute(insert(t.task).values(v)))

    def call(self, agent, name, args, turn):
        self.calls += 1
        row = {
            "agent_id": f"{RUN}/{agent}", "id": f"call{self.calls}", "team_id": "T", "run_id": RUN, "turn": turn,
            "position": 0, "name": name, "args": args, "args_sha256": "", "effect": "team", "op_key": "",
            "decision_id": "", "status": "done", "epoch": 0,
        }  # fmt: skip
        self.db.write_now(lambda tx: tx.execute(insert(t.tool_call).values(row)))

    def makes(self, agent, file, text, uses=(), run_id=RUN, turn=None):
        """The agent uses files from its inbox, then finishes with one output; both are calls of a turn."""
        turn = turn or self.calls + 1
        self.call(agent, "run_script", {"files": list(uses)}, turn)
        self.call(agent, "finish", {"outputs": [file]}, turn + 1)

        def declare(tx):
            name, digest = f"{agent}/{file}", journal.put_blob(tx, "T", text.encode())
            last = tx.execute(
                select(t.artifact.c.version, t.artifact.c.sha256)
                .where(t.artifact.c.run_id == run_id, t.artifact.c.name == name)
                .order_by(t.artifact.c.version.desc())
            ).first()
            if last is None or last.sha256 != digest:
                values = {
                    "id": f"a{journal.next_id(tx, run_id, 'a')}", "team_id": "T", "run_id": run_id,
                    "agent_id": f"{run_id}/{agent}", "name": name, "version": (last.version if last else 0) + 1,
                    "path": file, "sha256": digest, "created_at": 1.0, "labels": {},
                }  # fmt: skip
                tx.execute(insert(t.artifact).values(values))
            tx.execute(update(t.agent).where(t.agent.c.id == f"{run_id}/{agent}").values(status="done"))

        self.db.write_now(declare)

    def sends(self, sender, to, file, text):
        """Hand a file over; returns where it lies in the recipient's workspace."""

        def send(tx):
            shared = mail.SharedFile(file, hashlib.sha256(text.encode()).hexdigest(), "call")
            return mail.send(tx, RUN, sender, to, "here", files=(shared,), data={"report": True})

        return f"inbox/{self.db.write_now(send)}/{file}"

    def stale(self, run_id=RUN):
        return [s.name for s in self.db.write_now(lambda tx: artifacts.refresh(tx, run_id))]

    def reopen(self, run_id=RUN):
        def again(tx):
            run = tx.execute(select(t.run).where(t.run.c.id == run_id)).mappings().one()
            artifacts.reopen(tx, run)

        self.db.write_now(again)

    def asked(self, run_id=RUN):
        query = select(t.mail.c.recipient).where(t.mail.c.run_id == run_id, t.mail.c.sender == "cadre")
        return [row.recipient for row in self.db.write_now(lambda tx: tx.execute(query.order_by(t.mail.c.seq)).all())]

    def statuses(self, run_id=RUN):
        query = select(t.artifact).where(t.artifact.c.run_id == run_id)
        rows = self.db.write_now(lambda tx: tx.execute(query).mappings().all())
        return {(r["name"], r["version"]): r["status"] for r in rows}


@pytest.fixture
def team(tmp_path):
    """House -> press -> landing, house -> landing, and an audience that depends on nothing."""
    made = Team(tmp_path)
    made.add("house", "press", "landing", "audience")
    made.makes("house", "house.json", "one")
    made.makes("audience", "audience.csv", "people")
    to_press = made.sends("house", "press", "house.json", "one")
    made.makes("press", "press_release.md", "press one", [to_press])
    to_landing = [
        made.sends("house", "landing", "house.json", "one"),
        made.sends("press", "landing", "press_release.md", "press one"),
    ]
    made.makes("landing", "landing_page.md", "page one", to_landing)
    yield made
    made.db.close()


def test_nothing_is_stale_while_no_source_changed(team):
    assert team.stale() == []
    assert set(team.statuses().values()) == {"current"}


def test_a_new_version_makes_exactly_those_stale_that_were_made_from_it(team):
    team.makes("house", "house.json", "two")
    assert team.stale() == ["landing/landing_page.md", "press/press_release.md"]
    assert team.statuses()["house/house.json", 1] == "replaced"
    assert team.statuses()["audience/audience.csv", 1] == "current"


def test_a_file_that_was_received_but_never_used_makes_nothing_stale(team):
    team.sends("audience", "press", "audience.csv", "people")
    team.makes("audience", "audience.csv", "more people")
    assert team.stale() == []


def test_the_same_content_declared_again_is_no_change(team):
    team.makes("house", "house.json", "one")
    assert team.stale() == []


def test_sources_are_made_again_before_what_is_made_from_them(team):
    team.makes("house", "house.json", "two")
    team.reopen()
    assert team.asked() == ["press"]
    team.makes("press", "press_release.md", "press two", [_inbox(team, "press", "house.json")])
    team.reopen()
    assert team.asked() == ["press", "landing"]
    received = [_inbox(team, "landing", name) for name in ("house.json", "press_release.md")]
    team.makes("landing", "landing_page.md", "page two", received)
    team.reopen()
    assert team.asked() == ["press", "landing"]
    assert team.stale() == []


def test_a_piece_that_comes_out_the_same_stops_the_chain(team):
    team.makes("press", "press_release.md", "press two", [])
    assert team.stale() == ["landing/landing_page.md"]
    team.reopen()
    received = [_inbox(team, "landing", name) for name in ("house.json", "press_release.md")]
    team.makes("landing", "landing_page.md", "page one", received)
    assert team.stale() == []
    assert team.statuses()["landing/landing_page.md", 1] == "current"


def test_an_owner_that_does_not_use_the_new_source_is_asked_twice_and_the_piece_stays_stale(team):
    team.makes("press", "press_release.md", "press two", [])
    for _ in range(4):
        team.reopen()
        team.makes("landing", "landing_page.md", "page one", [])
    assert team.asked() == ["landing", "landing"]
    assert team.stale() == ["landing/landing_page.md"]


def test_a_person_accepts_by_name_and_only_until_the_next_version(team):
    team.makes("house", "house.json", "two")
    words = "keep the press release as it is, the rest may change"
    accepted = team.db.write_now(lambda tx: artifacts.accept_named(tx, RUN, words, "maya"))
    assert accepted == ["press/press_release.md"]
    assert team.stale() == ["landing/landing_page.md"]
    assert team.statuses()["press/press_release.md", 1] == "accepted"
    team.makes("house", "house.json", "three")
    assert team.stale() == ["landing/landing_page.md", "press/press_release.md"]


def test_words_that_accept_nothing_accept_nothing(team):
    team.makes("house", "house.json", "two")
    words = "change the press release and the landing page"
    assert team.db.write_now(lambda tx: artifacts.accept_named(tx, RUN, words, "maya")) == []


def test_what_a_forwarded_message_says_accepts_nothing(team):
    team.makes("house", "house.json", "two")
    words = f"what does she mean?\n\n{QUOTED} (Ann):\n> keep the press release as it is"
    assert team.db.write_now(lambda tx: artifacts.accept_named(tx, RUN, words, "maya")) == []


def test_a_later_run_of_the_thread_carries_the_pieces_and_opens_the_owners_anew(team):
    later = "run-ba9876543210"
    team.db.write_now(lambda tx: tx.execute(update(t.run).values(status="done")))
    team.open(later)
    request = Request(team="T", channel="C", thread="1.0", key="2.0", kind="mention", user="U", text="change it")
    assert team.db.write_now(lambda tx: artifacts.go_on(tx, request, later, "product-launch"))["earlier"] == RUN
    assert team.stale(later) == []
    team.makes("house", "house.json", "two", run_id=later)
    assert team.stale(later) == ["landing/landing_page.md", "press/press_release.md"]
    team.reopen(later)
    assert team.asked(later) == ["press"]
    task = select(t.task.c.status, t.task.c.owner).where(t.task.c.run_id == later, t.task.c.id == "press")
    assert tuple(team.db.write_now(lambda tx: tx.execute(task).one())) == ("working", "press")
    assert team.stale() == []


def _inbox(team, agent, file):
    """Where the newest copy of a file lies in an agent's workspace."""
    rows = team.db.write_now(lambda tx: mail.undelivered(tx.connection, RUN, agent, 0))
    found = [r["id"].rsplit("/", 1)[-1] for r in rows for f in r["files"] if f["name"].endswith(file)]
    return f"inbox/{found[-1]}/{file}"
