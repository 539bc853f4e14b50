"""The product launch through the real Slack path: pieces that agree, a contradiction caught, a changed key message."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys

import pytest

from bot.local import Options, stage

LAUNCH = "launch Brook 3"
MESSAGE = "Clean water, at a glance"
CHANGE = f"change the key message to: {MESSAGE}"
PIECES = {"press/press_release.md", "landing/landing_page.md", "emails/emails.md", "social/posts.md"}


async def conversation(seed, home, *texts):
    """Write one request after the other into one thread, each approved and worked to its end; the runs as JSON."""
    options = Options(seed=seed, channel="launch", user="elena", approve="all", timeout_s=60)
    runs, thread = [], {}
    async with stage(options, home) as here:
        for text in texts:
            request = {"as": "elena", "do": "post", "channel": "launch", "text": f"@cadre {text}", **thread}
            posted = await here.act(**request)
            thread = thread or {"thread_ts": posted["ts"]}
            run_id = await here.run_of(posted["ts"], 30)
            await here.follow(run_id, options)
            runs.append(await here.result(run_id))
    return runs


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    return asyncio.run(conversation(2, tmp_path_factory.mktemp("launch"), LAUNCH, CHANGE))


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    words = f"{CHANGE}, but keep the press release"
    return asyncio.run(conversation(3, tmp_path_factory.mktemp("kept"), LAUNCH, words))


def versions(run):
    """The newest version of each declared file."""
    files = [a for a in run["artifacts"] if "/" in a["name"]]
    return {a["name"]: a["version"] for a in sorted(files, key=lambda a: a["version"])}


def agents(run):
    return {a["name"] for a in run["agents"] if not a["name"].startswith("verifier")}


def planted(seed, home):
    """What contradicts what in the company of a seed."""
    command = [
        sys.executable,
        "-m",
        "loopback.company",
        "--seed",
        str(seed),
        "--small",
        "--out",
        str(home / "company"),
    ]
    subprocess.run([*command, "--truth", str(home / "truth.json")], check=True, capture_output=True)
    return json.loads((home / "truth.json").read_text())["launch"]


def test_the_launch_ends_done_with_four_approved_documents(launched):
    first, _ = launched
    assert (first["run"]["status"], first["run"]["error"]) == ("done", None)
    assert {t["owner"] for t in first["tasks"] if t["status"] == "done"} == agents(first) - {"lead"}
    titles = {a["name"] for a in first["artifacts"] if a["url"]}
    assert titles == {f"Brook 3 {kind}" for kind in ("press release", "landing page", "e-mails", "social posts")}


def test_a_contradiction_between_two_pieces_is_caught_before_delivery_and_named(launched, tmp_path):
    first, _ = launched
    truth = planted(2, tmp_path)
    refused = [c for c in first["tool_calls"] if c["name"] == "finish" and c["status"] == "failed"]
    assert [c["agent"] for c in refused] == ["emails"]
    assert versions(first)["emails/emails.md"] == 2
    assert truth["brand"] in first["summary"]["text"]
    assert truth["crm"] in first["summary"]["text"]


def test_a_changed_key_message_makes_exactly_the_dependents_again(launched):
    first, second = launched
    assert (second["run"]["status"], second["run"]["error"]) == ("done", None)
    before, after = versions(first), versions(second)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"brand/house.json", *PIECES}
    assert all(after[name] == before[name] + 1 for name in changed)
    assert agents(second) == {"lead", "brand", "press", "landing", "emails", "social"}


def test_each_dependent_is_made_again_once_and_after_its_sources(launched):
    _, second = launched
    asked = [m for m in second["messages"] if m["from"] == "cadre" and "Make it again" in m["text"]]
    assert sorted(m["to"] for m in asked) == ["emails", "landing", "press", "social"]
    order = [m["to"] for m in asked]
    assert order.index("press") < order.index("landing") < min(order.index("emails"), order.index("social"))


def test_the_new_documents_carry_the_new_key_message_and_nothing_else_changed(launched):
    first, second = launched

    def documents(run):
        shown = [change for a in run["approvals"] if a["kind"] == "changes" for change in a["preview"]["changes"]]
        return {re.sub(r" \(version \d\)", "", c["title"]): c["markdown"] for c in shown}

    old, new = documents(first), documents(second)
    assert set(old) == set(new)
    assert all(MESSAGE in text for text in new.values())
    for title, text in new.items():
        removed = set(old[title].splitlines()) - set(text.splitlines())
        assert 1 <= len(removed) <= 3


def test_a_piece_kept_by_name_stays_and_the_rest_is_made_again(kept):
    first, second = kept
    assert (second["run"]["status"], second["run"]["error"]) == ("done", None)
    before, after = versions(first), versions(second)
    assert after["press/press_release.md"] == before["press/press_release.md"]
    assert {n for n in after if after[n] != before[n]} == {"brand/house.json", *PIECES} - {"press/press_release.md"}
    assert "press" not in agents(second)


def test_without_a_finished_launch_in_the_thread_there_is_nothing_to_change(tmp_path):
    (run,) = asyncio.run(conversation(1, tmp_path, CHANGE))
    assert run["run"]["status"] == "failed"
    assert "no finished launch" in run["run"]["error"]["message"]
