"""web_fetch: a page becomes text and a file, labelled as others' words; what nobody asked for is not fetched."""

from __future__ import annotations

import asyncio

import pytest

from bot.errors import OperatorMustFix
from bot.policy.gate import Call, Effect, Verdict, decide
from bot.settings import load
from bot.tools.web import web_tools
from tests.connectors.web.server import Stage
from tests.tools.harness import context, run_row, store


def fetched(tmp_path, url, hosts=()):
    """The outcome of a call in a run whose request names one address."""

    async def scenario():
        with store(tmp_path) as db:
            run_row(db, "run-a", request="Compare http://shop.example.com/prices?year=2026 with ours.")
            async with Stage() as stage:
                (tool,) = web_tools(stage.web(), hosts)
                ctx = context(db, tmp_path, "run-a")
                return await tool.run(ctx, tool.parse({"url": url})), ctx.workspace.names(), stage

    return asyncio.run(scenario())


def test_an_address_of_the_request_becomes_text_and_a_file(tmp_path):
    outcome, names, stage = fetched(tmp_path, "http://shop.example.com/prices?year=2026")
    assert outcome.content["text"] == "Hello" and outcome.content["kind"] == "html"
    assert names == [outcome.content["file"]] == ["web/shop.example.com_prices"]
    assert outcome.labels["integrity"] == "external" and outcome.labels["sources"] == ["web:shop.example.com"]
    assert len(stage.seen) == 1


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://shop.example.com/prices?year=2026&secret=x", "does not stand in the request"),
        ("http://evil.example.com/", "CADRE_WEB_ALLOW"),
        ("http://169.254.169.254/latest/meta-data/", "no public name"),
    ],
)
def test_what_nobody_named_is_refused_with_words_and_leaves_nothing(tmp_path, url, words):
    outcome, names, stage = fetched(tmp_path, url)
    assert outcome.is_error and names == [] and stage.seen == []
    assert words in outcome.content["error"]


def test_a_role_whose_data_leave_the_web_out_does_not_fetch():
    def decided(data):
        return decide(Call("web_fetch", Effect.READ, ("web_fetch",), data=data)).verdict

    assert (decided(None), decided(("web",)), decided(()), decided(("ledger",))) == (
        Verdict.ALLOW, Verdict.ALLOW, Verdict.REFUSE, Verdict.REFUSE,
    )  # fmt: skip


def test_hosts_that_are_none_stop_the_start(tmp_path, monkeypatch):
    monkeypatch.setenv("CADRE_HOME", str(tmp_path))
    monkeypatch.setenv("CADRE_WEB_ALLOW", "docs.example.org, *.Example.net")
    assert load().web_allow == ("docs.example.org", "*.example.net")
    for wrong in ("*", "http://example.org", "10.0.0.1", "localhost", "*.com.*"):
        monkeypatch.setenv("CADRE_WEB_ALLOW", wrong)
        with pytest.raises(OperatorMustFix, match="CADRE_WEB_ALLOW"):
            load()
