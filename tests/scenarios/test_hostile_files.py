"""Files made to harm, attached to a mention: each is refused with its reason, the rest is read, and Cadre answers on."""

from __future__ import annotations

import asyncio
import base64
import json

from bot.store.view import to_json
from bot.types import RunStatus
from loopback.model import forms
from loopback.model.scripted import call
from tests.connectors.documents.files import packed
from tests.connectors.documents.hostile import FILES, raw_zip, zeros
from tests.scenarios.scripted_stage import play

QUESTION = "Who is the tenant?"
LEASE = b"The tenant is Ann. The rent is due in advance.\n"
HOSTILE = {
    "bomb.docx": "word file that unpacks to 400 MB",
    "laughs.docx": "entities that grow",
    "corner.xlsx": "workbook with one cell in the last corner",
    "deep.zip": "archive in archive in archive",
    "locked.zip": "archive with a password",
    "loop.pdf": "pdf page tree that holds itself",
    "pixels.png": "picture of 2,500 million pixels",
    "columns.bin": "bytes of no kind",
}
LYING = raw_zip([("lease.txt", zeros(650), 100, 0)])  # says 100 bytes, unpacks to 650 MB


def reads_all(body):
    """A lead that works through what was attached and says what came of it."""
    if (answers := forms.answer(body)) is not None:
        return [call("report", answers)]
    results = [b for m in body["messages"] for b in m["content"] if b["type"] == "tool_result"]
    last = json.loads(results[-1]["content"][0]["text"]) if results else {}
    if "coverage" in last:
        return [call("finish", {"status": "done", "summary": "All were looked at.", "reply": last["say"]})]
    if '"lying.zip":' in json.dumps(body["messages"]).replace("\\", ""):
        return [
            call(
                "finish", {"status": "done", "summary": "Nothing came.", "reply": "The archive could not be opened."}
            )
        ]
    if "bomb" in json.dumps(last):
        return [call("work_through", {"files": ["inbox/*/*"], "question": QUESTION})]
    waited = len(results) == 1
    return [call("list_files", {}) if waited else call("wait", {})]


async def asked(here, name, data):
    about = {"do": "upload", "channel": "finance", "filename": name, "content_b64": base64.b64encode(data).decode()}
    posted = await here.here.act(**{"as": "maya"}, text="@cadre who rents?", **about)
    run_id = await here.here.run_of(posted["ts"], 60)
    return await here.until(run_id, lambda view: view if RunStatus(view.run.status).ended else None)


def test_hostile_files_are_refused_one_by_one_and_the_bot_keeps_answering(tmp_path):
    async def scenario():
        given = {name: FILES[what][0]() for name, what in HOSTILE.items()}
        async with play(tmp_path / "home", reads_all, tmp_path / "data") as here:
            lying = await asked(here, "lying.zip", LYING)
            return lying, await asked(here, "files.zip", packed({**given, "lease.txt": LEASE}))

    (tmp_path / "data").mkdir()
    lying, view = asyncio.run(scenario())
    assert (lying.run.status, lying.run.error, view.run.status) == ("done", None, "done")
    assert "lying.zip" in json.dumps(to_json(lying, [])["messages"])
    assert to_json(view, [])["coverage"] == {"total": 9, "done": 1, "failed": 0, "refused": 8, "person": 0}
