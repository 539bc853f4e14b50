"""A lead that hands in only some of the documents it was given is sent back: what the request brought or named counts."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import zipfile

from bot.store.view import to_json
from bot.types import RunStatus
from loopback.model import forms
from loopback.model.scripted import call
from tests.scenarios.scripted_stage import play

QUESTION = "Who is the tenant?"
LEASES = {f"lease-{name}.txt": f"The tenant is {name.title()}. The rent is due in advance.\n" for name in "abc"}


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, text in LEASES.items():
            made.writestr(name, text)
    return out.getvalue()


def told(block):
    return json.loads(block["content"][0]["text"])


def hasty(body):
    """A lead that works through one document, says that all is done, and does the rest when it is sent back."""
    if (answers := forms.answer(body)) is not None:
        return [call("report", answers)]
    results = [b for m in body["messages"] for b in m["content"] if b["type"] == "tool_result"]
    request = json.dumps(body["messages"][0])
    in_drive = "Leases" in request
    if not results:
        return [call("google__drive_list", {}) if in_drive else call("list_files", {})]
    last = told(results[-1])
    if last.get("error", "").startswith("Not accepted"):
        where = {"folder": "Leases"} if in_drive else {"files": ["inbox/*/lease-*"]}
        return [call("work_through", {**where, "question": QUESTION})]
    if "coverage" in last:
        return [call("finish", {"status": "done", "summary": "All were read.", "reply": last["say"]})]
    seen = json.dumps(last)
    if not in_drive and "lease-a" not in seen:
        return [call("list_files", {})]  # the files are on their way
    if in_drive and "file" not in last:
        one = next(file for file in last["files"] if file["name"] == "lease-a.txt")
        return [call("google__drive_fetch", {"file_id": one["id"]})]
    some = last["file"] if in_drive else "inbox/*/lease-a*"
    return [call("work_through", {"files": [some], "question": QUESTION})]


async def ended(here, run_id):
    view = await here.until(run_id, lambda view: view if RunStatus(view.run.status).ended else None)
    checked = await here.rows(run_id, "checked")
    return view, [one for row in checked for one in row["checks"] if one["name"] == "handed_in"]


def test_what_was_attached_or_lies_in_the_named_folder_is_handed_in_whole(tmp_path):
    leases = tmp_path / "data" / "drive" / "Leases"
    leases.mkdir(parents=True)
    for name, text in LEASES.items():
        (leases / name).write_text(text)

    async def scenario():
        async with play(tmp_path / "home", hasty, tmp_path / "data") as here:
            content = base64.b64encode(archive()).decode()
            about = {"do": "upload", "channel": "finance", "filename": "leases.zip", "content_b64": content}
            posted = await here.here.act(**{"as": "maya"}, text="@cadre who rents?", **about)
            attached = await ended(here, await here.here.run_of(posted["ts"], 60))
            run_id, _ = await here.ask("who rents? Look through the files in Leases")
            return attached, await ended(here, run_id)

    for (view, checks), names in zip(asyncio.run(scenario()), (("lease-b", "lease-c"),) * 2, strict=True):
        assert (view.run.status, view.run.error) == ("done", None)
        assert [one["passed"] for one in checks] == [False, True]
        assert all(name in checks[0]["evidence"] for name in names)
        assert "lease-a" not in checks[0]["evidence"]
        assert to_json(view, [])["coverage"]["done"] == len(LEASES)
