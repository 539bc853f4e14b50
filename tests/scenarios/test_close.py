"""The quarterly close from a mention to a checked reply, through the real Slack path, for companies that differ."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from decimal import ROUND_HALF_UP, Decimal, getcontext
from pathlib import Path

import pytest

from bot.local import Options, ask_once, stage

REQUEST = "close Q3 2026"


@pytest.fixture(scope="session")
def closes(tmp_path_factory):
    """Each seed's close, approved, worked once for all tests: seed -> (the run as JSON, the planted truth)."""
    known = {}

    def close(seed):
        if seed not in known:
            place = tmp_path_factory.mktemp(f"seed-{seed}")
            command = [sys.executable, "-m", "loopback.company", "--seed", str(seed), "--out", str(place / "company")]
            subprocess.run([*command, "--truth", str(place / "truth.json")], check=True, capture_output=True)
            run = asyncio.run(ask_once(REQUEST, Options(seed=seed, approve="all", timeout_s=150)))
            known[seed] = run, json.loads((place / "truth.json").read_text())
        return known[seed]

    return close


def recomputed(figure, values):
    """A figure's formula over its evidence, by Python's own arithmetic."""
    getcontext().prec = 50

    def rounded(value, places):
        return Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)

    names = {e: Decimal(values[e]) for e in figure["inputs"]}
    functions = {"sum": lambda *items: sum(items, Decimal(0)), "abs": abs, "round": rounded}
    return eval(figure["formula"], {"__builtins__": {}}, {**names, **functions})


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_the_close_ends_done_and_every_figure_recomputes_from_its_inputs(closes, seed):
    run, _ = closes(seed)
    assert (run["run"]["status"], run["run"]["error"]) == ("done", None)
    values = {e["id"]: e["value"] for e in run["evidence"]}
    assert len(run["figures"]) > 10
    for figure in run["figures"]:
        assert recomputed(figure, values) == Decimal(figure["value"]), figure


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_every_planted_cause_is_found_with_its_entries_and_none_invented(closes, seed):
    run, truth = closes(seed)

    def key(cause):
        return (
            cause["kind"],
            cause["account"],
            cause["department"],
            Decimal(cause["amount"]),
            *sorted(cause["entries"]),
        )

    found = {key(f) for f in run["findings"] if f["kind"] != "imbalance"}
    assert found == {key(c) for c in truth["causes"] if c["kind"] != "imbalance"}
    (imbalance,) = [f for f in run["findings"] if f["kind"] == "imbalance"]
    assert imbalance["entries"] == [truth["imbalance"]["entry"]]
    assert abs(Decimal(imbalance["amount"])) == abs(Decimal(truth["imbalance"]["amount"]))


def test_cited_entries_reached_the_analyst_only_by_a_colleagues_message(closes):
    run, _ = closes(1)
    messages = {m["id"]: m for m in run["messages"]}
    entries = [e for e in run["evidence"] if e["ref"].startswith("ledger:entry/")]
    assert entries
    for item in entries:
        assert messages[item["via"]]["from"] == "actuals"
        assert messages[item["via"]]["to"] == "analyst"
    analyst = [c["name"] for c in run["tool_calls"] if c["agent"] == "analyst"]
    assert not [name for name in analyst if name.startswith(("mcp__", "google__"))]


def test_the_summary_has_at_most_twelve_lines_and_every_number_opens_its_source(closes):
    run, _ = closes(1)
    lines = [line for line in run["summary"]["lines"] if line.strip()]
    assert 3 <= len(lines) <= 12
    text = run["summary"]["text"]
    assert text.count("<http") >= 8
    bare = re.sub(r"<[^>]+>", "", text)
    bare = re.sub(r"\bQ[1-4]\b|\b20\d\d\b", "", bare)
    assert not re.findall(r"\d[\d,.]*\d{2}", bare), bare


def test_the_document_and_the_sheet_are_written_once_after_approval(closes):
    run, _ = closes(1)
    assert [a["status"] for a in run["approvals"]] == ["approved"]
    assert len(run["effects"]) == 2
    assert len({e["op_key"] for e in run["effects"]}) == 2
    assert sum(bool(a["url"]) for a in run["artifacts"]) == 2


def test_the_thread_shows_acknowledgement_plan_approval_and_result(closes):
    run, _ = closes(1)
    texts = [m["text"] for m in run["thread"]]
    assert "close Q3 2026" in texts[1]
    kinds = {b["type"] for m in run["thread"] for b in m["blocks"]}
    assert "plan" in kinds
    assert "table" in kinds
    assert "offline" in json.dumps(run["thread"])


def test_nothing_is_written_before_approval():
    async def scenario(home: Path):
        async with stage(Options(seed=3), home) as here:
            run_id = await here.mention(REQUEST, Options(seed=3))
            status = await here.follow(run_id, Options(seed=3, timeout_s=120))
            run = await here.result(run_id)
            log = await here.log("google")
            return status, run, log

    import tempfile

    with tempfile.TemporaryDirectory() as home:
        status, run, log = asyncio.run(scenario(Path(home)))
    assert (status, run["run"]["error"]) == ("waiting", None)
    assert run["effects"] == []
    (card,) = run["approvals"]
    assert {c["kind"] for c in card["preview"]["changes"]} == {"docs_create", "sheets_write"}
    written = [row for row in log if row.get("kind") == "request" and row.get("method", "GET") != "GET"]
    assert written == []


def test_with_the_colleagues_message_dropped_the_verification_fails():
    async def scenario(home: Path):
        async with stage(Options(seed=2), home) as here:
            await here.fault(
                "model",
                {
                    "match": {"name": "send_message", "contains": "All entries of these lines"},
                    "kind": "drop",
                    "rate": 1.0,
                },
            )
            run_id = await here.mention(REQUEST, Options(seed=2))
            await here.follow(run_id, Options(seed=2, approve="all", timeout_s=120))
            return await here.result(run_id)

    import tempfile

    with tempfile.TemporaryDirectory() as home:
        run = asyncio.run(scenario(Path(home)))
    assert run["run"]["status"] == "failed"
    assert run["effects"] == []


@pytest.mark.parametrize(
    ("request_text", "words"),
    [("close Q1 2031", "2031-Q1"), ("write me a poem about spring", "offline")],
)
def test_a_request_that_cannot_be_worked_gets_one_clear_message(request_text, words):
    run = asyncio.run(ask_once(request_text, Options(seed=1, timeout_s=90)))
    assert run["run"]["status"] in ("failed", "stopped")
    assert words in run["thread"][-1]["text"]


def test_a_capable_but_untidy_model_comes_to_the_same_figures(closes, monkeypatch):
    from aiohttp import web

    from loopback import control
    from loopback.model import scripted
    from tests.scenarios.untidy import untidy

    async def scenario(home: Path):
        parts = {"log": control.CallLog(), "faults": control.Faults(), "clock": control.Clock()}
        runner = web.AppRunner(
            scripted.build(untidy, model_id="untidy-1", **parts), access_log=None, shutdown_timeout=0.5
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        monkeypatch.setenv("CADRE_MODEL", "local:http://{}:{}".format(*runner.addresses[0]))
        options = Options(seed=1, approve="all", timeout_s=150)
        async with stage(options, home) as here:
            run_id = await here.mention(REQUEST, options)
            assert await here.follow(run_id, options) == "waiting"  # the needless question
            run = await here.result(run_id)
            await here.act(
                **{"as": "maya"}, do="post", channel="finance", thread_ts=run["run"]["thread_ts"], text="Tables"
            )
            await here.answered(run_id)
            await here.follow(run_id, options)
            result = await here.result(run_id)
        await runner.cleanup()
        return result

    import tempfile

    tidy, _ = closes(1)
    with tempfile.TemporaryDirectory() as home:
        run = asyncio.run(scenario(Path(home)))
    assert run["run"]["error"] is None, run["run"]["error"]
    assert run["run"]["status"] == "done"
    assert not run["run"]["offline"]

    def figures(one):
        return {(f["id"], f["value"], f["unit"]) for f in one["figures"]}

    assert figures(run) == figures(tidy)
    refused = [c for c in run["tool_calls"] if c["name"] == "finish" and c["status"] == "failed"]
    assert [c["agent"] for c in refused] == ["lead", "lead"]  # too early, and without the sources of the analysis
