"""A run that wrote to a Doc, a Sheet and the Drive is taken back as a whole, except where somebody changed it since."""

from __future__ import annotations

import asyncio
import json
import urllib.request

from bench.google.drill import picture
from loopback.model.scripted import call
from tests.scenarios.scripted_stage import play

DOC, SHEET, FILE = "Travel policy", "FY26 Forecast", "Supplier contacts.csv"


def results(body):
    """The last tool results, by the order of their calls."""
    blocks = [b for b in body["messages"][-1]["content"] if b["type"] == "tool_result"]
    return [json.loads(b["content"][0]["text"]) for b in blocks]


def writing(body):
    """Finds a Doc, a Sheet and a file, and proposes a change of each, and access to what it makes."""
    turn = sum(m["role"] == "assistant" for m in body["messages"])
    if turn == 0:
        return [
            call("google__drive_list", {}),
            call("write_file", {"path": "note.md", "text": "# Note\n\nWe **met**.\n"}),
        ]
    if turn == 1:
        ids = {f["name"]: f["id"] for f in results(body)[0]["files"]}
        edits = [{"find": "Travel policy", "replace": "Travel rules"}, {"insert": "Ask [Maya](https://example.com)."}]
        return [
            call("google__docs_edit", {"file_id": ids[DOC], "edits": edits, "how": "edit"}),
            call("google__sheets_update", {"file_id": ids[SHEET], "tab": "Forecast", "at": "A1", "rows": [["Ours"]]}),
            call("google__drive_move", {"file_id": ids[FILE], "folder": ids["Filings"], "title": "contacts.csv"}),
            call("google__docs_create", {"title": "Note", "file": "note.md"}),
        ]
    if turn == 2:
        made = results(body)[3]["staged"]
        return [call("google__drive_share", {"file_id": made, "who": "jonas@example.com", "role": "reader"})]
    return [call("finish", {"status": "done", "summary": "written", "reply": "It is written."})]


class Drive:
    """The Drive's control, as the drill looks at it."""

    def __init__(self, ready):
        self.url = f"{ready['google']['control_url']}/_local"

    def state(self):
        with urllib.request.urlopen(f"{self.url}/state", timeout=20) as answer:
            return json.load(answer)

    def act(self, **act):
        request = urllib.request.Request(f"{self.url}/act", json.dumps(act).encode())
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)


def button(message, action):
    blocks = [b for b in message["blocks"] if b["type"] == "actions"]
    return any(e["action_id"] == action for b in blocks for e in b["elements"])


async def with_button(on, ts, action, count=1):
    """The n-th message of the thread with this button."""
    async with asyncio.timeout(60):
        while True:
            found = [m for m in await on.here.thread("finance", ts) if button(m, action)]
            if len(found) >= count:
                return found[count - 1]
            await asyncio.sleep(0.02)


async def press(on, message, action, person="maya"):
    await on.here.act(**{"as": person}, do="click", channel="finance", ts=message["ts"], action_id=action)


async def written(on):
    """A whole run: asked, approved, approved again for the access, done."""
    run_id, ts = await on.ask("write it down")
    await press(on, await with_button(on, ts, "approve"), "approve")
    access = await on.shown(ts, "Give this access?")
    assert "jonas@example.com can read" in json.dumps(access["blocks"])
    await press(on, access, "approve")
    await on.until(run_id, lambda v: v.run.status == "done")
    return run_id, ts


def test_a_run_over_a_doc_a_sheet_and_the_drive_is_undone_as_a_whole(tmp_path):
    async def scenario():
        async with play(tmp_path, writing) as on:
            drive = Drive(on.here.ready)
            before = picture(drive)
            _, ts = await written(on)
            after = drive.state()
            made = next(f for f in after["files"] if f["name"] == "Note")
            assert [p["emailAddress"] for p in made["permissions"] if p["type"] == "user"] == ["jonas@example.com"]
            assert made["owner"] == "maya"  # with the rights of who asked, not with Cadre's own
            assert {"contacts.csv", "Note"} <= {f["name"] for f in after["files"]}

            await on.say(ts, "undo", "jonas")
            await press(on, await with_button(on, ts, "undo"), "undo")
            told = await on.shown(ts, "Undone, as <@")
            assert "Left alone" not in told["text"] and told["text"].count("•") == 5
            assert picture(drive) == before
            result = await on.shown(ts, "It is written.")
            assert not button(result, "undo")

            run_id, ts = await written(on)
            drive.act(**{"as": "jonas"}, do="edit", file=SHEET, tab="Forecast", cell="A1", value="Mine")
            await on.say(ts, "undo")
            told = await on.shown(ts, "Undone as far as it can be, as <@")
            assert "Left alone: Forecast!A1 of FY26 Forecast was changed by someone" in told["text"]
            state = drive.state()
            sheet = next(s for s in state["sheets"].values() if s["title"] == SHEET)
            assert sheet["tabs"][0]["csv"].startswith("Mine")
            assert {FILE} <= {f["name"] for f in state["files"]}
            (row,) = await on.rows(run_id, "undone")
            assert [one["kind"] for one in row["kept"]] == ["sheets_update"], row["kept"]
            await on.say(ts, "undo")
            assert len(await on.rows(run_id, "undo")) == 1
            await conflicting(on, drive)

    asyncio.run(scenario())


async def conflicting(on, drive):
    """Somebody changes the Sheet between preview and approval: the run stops there, and what came before goes back."""
    before = picture(drive)
    run_id, ts = await on.ask("write it down")
    card = await with_button(on, ts, "approve")
    drive.act(**{"as": "jonas"}, do="edit", file=SHEET, tab="Forecast", cell="A1", value="Mine again")
    await press(on, card, "approve")
    view = await on.until(run_id, lambda v: v.run.status == "failed")
    assert view.run.error["kind"] == "conflict"
    assert "Travel rules" in str(picture(drive)["docs"])
    failed = await with_button(on, ts, "undo")
    assert "FY26 Forecast, tab Forecast from A1 was changed by someone after the preview was made" in failed["text"]
    await press(on, failed, "undo")
    await on.shown(ts, "Undone, as <@")
    after = picture(drive)
    assert (after["docs"], after["files"]) == (before["docs"], before["files"])
    sheet = next(s for s in drive.state()["sheets"].values() if s["title"] == SHEET)
    assert sheet["tabs"][0]["csv"].startswith("Mine again")
