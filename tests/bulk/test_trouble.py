"""What goes wrong in bulk work is found by code: each item ends as what it is, and nothing is done twice."""

from __future__ import annotations

import asyncio
import json

from bot.store.item_tables import item
from bot.store.schema import journal
from loopback.model import forms
from loopback.model.scripted import call
from tests.bulk.harness import both, by_patterns, contract, lead, told, worker

FILES = {f"c{n:02}.txt": contract(n) for n in range(1, 9)}


def run(tmp_path, item_script, files=FILES, faults=(), retry_budget=20.0, lead_script=None):
    async def scenario():
        script = both(lead_script or lead(files), item_script)
        async with worker(tmp_path, script, retry_budget=retry_budget) as here:
            for fault in faults:
                here.faults.add(fault)
            run_id = await here.ask()
            view = await here.ended(run_id)
            return view, await here.manifest(run_id), await here.answers(run_id), here

    return asyncio.run(scenario())


def answered(body, change):
    """The right answer with a change to it, as a reply."""
    given = forms.answer(body)
    changed = change(given, told(body)["name"])
    return [call("report", given if changed is None else changed)]


def turns(body):
    return sum(message["role"] == "assistant" for message in body["messages"])


def test_a_model_that_invents_a_quote_is_sent_back_and_then_a_person_has_to_look(tmp_path):
    seen = []

    def script(body):
        if told(body)["name"] == "docs/c03.txt":
            seen.append(body["messages"])
            given = forms.answer(body)
            given["answers"][2] = {
                "question": "penalty",
                "found": True,
                "entries": [{"quote": "A penalty of EUR 9,000 is due.", "at": "l3"}],
            }
            return [call("report", given)]
        return by_patterns(body)

    view, manifest, answers, _ = run(tmp_path, script)
    assert (view.coverage.total, view.coverage.done, view.coverage.person) == (8, 7, 1)
    assert manifest["c03.txt"]["status"] == "person"
    assert "does not stand in this window" in manifest["c03.txt"]["reason"]
    assert [len(messages) for messages in seen] == [1, 3, 1]  # asked, sent back, asked afresh
    assert "A penalty of EUR 9,000" in json.dumps(seen[1][2])
    assert not any("9,000" in evidence.value for evidence in view.evidence)
    assert "|1> for a person to look at" in view.summary_text
    assert len(answers) == 7 + 3


def test_a_model_that_corrects_itself_is_accepted_in_the_same_conversation(tmp_path):
    def script(body):
        def wrong(given, _name):
            given["answers"][1]["entries"][0]["value"] = "999.50"

        return by_patterns(body) if turns(body) else answered(body, wrong)

    view, manifest, answers, _ = run(tmp_path, script)
    assert (view.coverage.done, {row["attempts"] for row in manifest.values()}) == (8, {2})
    assert all("does not stand in its quote" in row["diagnosis"] for row in answers if row["attempt"] == 1)


def test_an_answer_with_fewer_questions_than_asked_or_of_another_window_is_not_accepted(tmp_path):
    changes = {
        "docs/c01.txt": lambda given: {**given, "answers": given["answers"][:2]},
        "docs/c02.txt": lambda given: {**given, "window": 2},
        "docs/c03.txt": lambda given: {**given, "answers": [*given["answers"], given["answers"][0]]},
        "docs/c04.txt": lambda given: {"answers": "all done", "window": 1},
        "docs/c05.txt": lambda given: {
            **given,
            "answers": [*given["answers"][:2], {"question": "penalty", "found": True, "entries": []}],
        },
    }

    def script(body):
        return answered(body, lambda given, name: changes.get(name, lambda same: same)(given))

    view, manifest, _, _ = run(tmp_path, script)
    assert (view.coverage.done, view.coverage.person) == (3, 5)
    reasons = [manifest[f"c0{n}.txt"]["reason"] for n in range(1, 6)]
    for reason, words in zip(
        reasons, ("1 of 3 questions are not", "this is window 1", "twice", "needs `window`", "0 entries"), strict=True
    ):
        assert words in reason


def test_a_model_that_declines_leaves_the_item_refused_and_the_rest_done(tmp_path):
    def script(body):
        return ([], "refusal") if told(body)["name"] == "docs/c02.txt" else by_patterns(body)

    view, manifest, _, _ = run(tmp_path, script)
    assert (view.coverage.done, view.coverage.refused) == (7, 1)
    assert manifest["c02.txt"]["reason"] == "the model declined to work on it"


def test_an_answer_that_is_cut_gets_more_room_and_silence_is_asked_again(tmp_path):
    limits = {}

    def script(body):
        name = told(body)["name"]
        limits.setdefault(name, []).append(body["max_tokens"])
        first = len(limits[name]) == 1
        if name == "docs/c01.txt" and first:
            return (by_patterns(body), "max_tokens")
        if name == "docs/c02.txt" and first:
            return [{"type": "text", "text": "I have read it."}]
        return by_patterns(body)

    view, manifest, _, _ = run(tmp_path, script)
    assert view.coverage.done == 8
    assert limits["docs/c01.txt"] == [8_000, 16_000]
    assert manifest["c02.txt"]["attempts"] == 2


def test_an_unreadable_an_empty_and_a_duplicate_file_are_items_that_say_what_they_are(tmp_path):
    files = {**FILES, "d_again.txt": FILES["c01.txt"], "empty.txt": "", "blank.txt": " \n\n "}
    view, manifest, answers, _ = run(tmp_path, by_patterns, files)
    assert (view.coverage.total, view.coverage.done, view.coverage.refused) == (11, 8, 3)
    assert manifest["d_again.txt"]["reason"] == "duplicate: the same content as docs/c01.txt"
    assert manifest["empty.txt"]["reason"].startswith("empty:")
    assert manifest["blank.txt"]["reason"].startswith("empty:")
    assert len(answers) == 8


def test_a_storm_of_429_narrows_the_width_and_the_work_is_finished(tmp_path):
    files = {f"c{n:02}.txt": contract(n, 5) for n in range(1, 31)}
    storm = {"match": " report", "kind": "429", "count": 25, "retry_after_s": 0.02}
    view, _, answers, here = run(tmp_path, by_patterns, files, faults=[storm])
    assert view.coverage.done == 30
    assert len(answers) == 30
    assert here.items.width.current < 8
    assert here.items.width.in_flight == 0


def test_that_nothing_is_taken_is_told_once_and_the_work_is_finished(tmp_path, monkeypatch):
    monkeypatch.setattr("bot.team.items.runner.HOLD_S", 0.05)
    full = {"match": " report", "kind": "429", "count": 12, "retry_after_s": 0.2}

    async def scenario():
        async with worker(tmp_path, both(lead(FILES), by_patterns)) as here:
            here.faults.add(full)
            view = await here.ended(await here.ask())
            return view, await here.rows(journal, view.run.id)

    view, rows = asyncio.run(scenario())
    assert view.coverage.done == len(FILES)
    (told,) = [row["body"]["text"] for row in rows if row["kind"] == "notice"]
    assert told.startswith("The model limits requests at the moment. What is left is read by itself")


def test_a_model_that_never_comes_back_leaves_the_rest_failed_with_its_words(tmp_path):
    down = {"match": " report", "kind": "5xx", "rate": 1.0}
    view, manifest, answers, _ = run(tmp_path, by_patterns, faults=[down], retry_budget=0.0)
    assert (view.coverage.total, view.coverage.failed) == (8, 8)
    assert "did not recover" in manifest["c01.txt"]["reason"]
    assert answers == []


def test_what_was_read_before_is_kept_and_only_the_missing_is_read(tmp_path):
    files = dict(FILES)
    more = {**files, "d_again.txt": FILES["c01.txt"]}

    async def scenario():
        script = both(lead(more), by_patterns)
        async with worker(tmp_path, script) as here:
            first = await here.ask(key="1.0")
            await here.ended(first)
            before = len(here.asked())
            more.pop("d_again.txt")
            more["new.txt"] = contract(77)
            second = await here.ask(key="2.0")
            view = await here.ended(second)
            other = await here.ask(key="3.0", user="V")
            await here.ended(other)
            counted = [before, len(here.asked())]
            return view, counted, await here.answers(second), here.results(second), await here.rows(item, second)

    view, asked, answers, rows, manifest = asyncio.run(scenario())
    assert (view.coverage.total, view.coverage.done) == (9, 9)
    assert asked == [8, 8 + 1 + 9]  # another person's request reads all of it
    assert len(answers) == 1
    assert "|8> kept from before" in view.summary_text
    assert "|1> new" in view.summary_text
    own = {e.id for e in view.evidence}
    assert {row["evidence"] for row in rows if row.get("evidence")} <= own
    assert all(row["document"] for row in manifest)
