"""A reply tells what was not read, and quotes only what the run has seen."""

from __future__ import annotations

import asyncio
import json

from bot.store.view import to_json
from loopback.model.scripted import call
from tests.bulk.harness import asks_item, both, by_patterns, worker

SEEN = "a penalty of one fee is due when it ends early."
FILES = {"a.txt": f"The parties agree that {SEEN}\n", "b.txt": "  \n"}
MADE_UP = "The customer may cancel each month without giving any reason."


def lead(replies):
    """A lead that reads two files, one of them empty, and tries one reply after the other; `{say}` is what it was told."""
    left = list(replies)

    def script(body):
        results = [b for m in body["messages"] for b in m["content"] if b["type"] == "tool_result"]
        if not results:
            return [call("write_file", {"path": f"docs/{name}", "text": text}) for name, text in FILES.items()]
        if len(results) == len(FILES):
            return [call("work_through", {"files": ["docs/*"], "skill": "agreed", "form": "agreed"})]
        say = json.loads(results[len(FILES)]["content"][0]["text"])["say"]
        reply = left.pop(0).replace("{say}", say)
        return [call("finish", {"status": "done", "summary": "read", "reply": reply})]

    return script


def outcome(home, *replies):
    """The run's summary, and the names of the checks that failed before it."""

    async def play():
        async with worker(home, both(lead(replies), by_patterns)) as here:
            run = await here.ask()
            view = await here.ended(run)
            failed = [m for m in here.log.since(0, "model") if m["kind"] == "request" and not asks_item(m["body"])]
            told = json.dumps(failed[-1]["body"]["messages"], ensure_ascii=False)
            return view.run.status, to_json(view, [])["summary"]["text"], told

    return asyncio.run(play())


def test_a_reply_that_hides_an_unread_document_comes_back_with_the_figures_to_cite(tmp_path):
    status, summary, told = outcome(tmp_path, "Everything that was asked for was read.", "{say}")
    assert status == "done"
    assert "Everything that was asked for" not in summary
    assert "coverage_told" in told and "bulk1.refused" in told


def test_a_quote_that_nobody_saw_comes_back_and_does_not_count_as_seen_the_second_time(tmp_path):
    made_up = f"{{say}} It says “{MADE_UP}”"
    status, summary, told = outcome(tmp_path, made_up, made_up, f"{{say}} It is “{SEEN}”.")
    assert told.count("quotes_known") >= 2
    assert status == "done"
    assert SEEN in summary and MADE_UP not in summary
