"""Bulk work through the whole product: a mention in Slack, a folder in Drive, every document accounted for."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import aiohttp
import pytest
from pypdf import PdfWriter

from bot.local import Options, stage
from bot.store.item_tables import item_answer
from bot.store.view import run_view, to_json
from bot.types import RunStatus

LAWS = ("Northland", "Eastmark", "Westria")
CLAUSES = (
    "This agreement automatically renews for one year unless a party gives {n} days written notice.",
    "Either party may end this agreement for convenience.",
    "The liability of the supplier shall not exceed EUR {n}00.",
    "Neither party may assign this agreement without the prior written consent of the other.",
)


def agreement(number: int) -> str:
    """A contract of our own making; which clauses it has follows from its number."""
    lines = [f"Supply agreement no. {number}", "", f"between Oak Works and Supplier {number}", ""]
    for place in range(12):
        lines.append(f"{place + 1}. The parties cooperate on matter {place} of agreement {number} in good faith.")
        if place < len(CLAUSES) and (number >> place) & 1:
            lines.append(CLAUSES[place].format(n=number))
    lines.append(f"This agreement is governed by the laws of {LAWS[number % 3]}.")
    return "\n".join(lines) + "\n"


def encrypted_pdf() -> bytes:
    writer = PdfWriter()
    writer.add_blank_page(200, 200)
    writer.encrypt("secret")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def folder_of_fifty(place: Path) -> None:
    """46 that can be read, and one each that is unreadable, encrypted, empty and a duplicate."""
    place.mkdir(parents=True)
    for number in range(1, 47):
        (place / f"supply-{number:02}.txt").write_text(agreement(number))
    (place / "broken.pdf").write_bytes(b"%PDF-1.7\nthis is no document at all\n")
    (place / "locked.pdf").write_bytes(encrypted_pdf())
    (place / "nothing.txt").write_bytes(b"")
    (place / "supply-99-copy.txt").write_text(agreement(7))


class Desk:
    """A running stage with a folder in Drive."""

    def __init__(self, here):
        self.here, self.db = here, here.process.db

    async def ask(self, text, approve="none"):
        posted = await self.here.act(**{"as": "maya"}, do="post", channel="finance", text=f"@cadre {text}")
        run_id = await self.here.run_of(posted["ts"], 60)
        async with asyncio.timeout(120):
            while True:
                view = await self.db.read(lambda c: run_view(c, run_id))
                if RunStatus(view.run.status).ended:
                    return view, posted["ts"]
                await asyncio.sleep(0.05)

    async def answers(self, run_id):
        query = item_answer.select().where(item_answer.c.run_id == run_id)
        return list(await self.db.read(lambda c: c.execute(query).mappings().all()))

    async def reply(self, ts, *words):
        async with asyncio.timeout(60):
            while True:
                for message in await self.here.thread("finance", ts):
                    if all(word in message["text"] for word in words):
                        return message["text"]
                await asyncio.sleep(0.05)

    async def drive_again(self):
        """The Drive as its folder is now."""
        url = f"{self.here.ready['google']['control_url'].rstrip('/')}/_local/reset"
        async with aiohttp.ClientSession() as session, session.post(url, json={}) as answer:
            assert answer.status == 200

    async def page(self, url):
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text()


def results(home, view):
    place = home / "runs" / view.run.id / "reviewer" / "results" / "clauses.jsonl"
    return [json.loads(line) for line in place.read_text().splitlines()]


@pytest.mark.timeout(240)
def test_of_fifty_files_each_ends_as_what_it_is_and_asking_again_reads_only_the_missing(tmp_path):
    contracts = tmp_path / "data" / "drive" / "Contracts"
    folder_of_fifty(contracts)
    home = tmp_path / "home"

    async def scenario():
        options = Options(data=tmp_path / "data", channel="finance", timeout_s=120)
        async with stage(options, home) as here:
            desk = Desk(here)
            view, ts = await desk.ask("review the contracts in Contracts")
            said = await desk.reply(ts, "cannot be read")
            rows = results(home, view)
            quoted = next(row for row in rows if row.get("quote"))
            listed = f"{here.process.base_url}/runs/{view.run.id}/work/bulk1"
            pages = [await desk.page(quoted["url"]), await desk.page(listed)]
            (contracts / "broken.pdf").write_bytes(agreement(101).encode())
            (contracts / "locked.pdf").write_bytes(agreement(102).encode())
            (contracts / "nothing.txt").write_text(agreement(103))
            (contracts / "supply-99-copy.txt").write_text(agreement(104))
            await desk.drive_again()
            again, ts2 = await desk.ask("review the contracts in Contracts")
            said_again = await desk.reply(ts2, "kept from before")
            counted = [len(await desk.answers(view.run.id)), len(await desk.answers(again.run.id))]
            return view, said, rows, quoted, pages, again, said_again, counted

    view, said, rows, quoted, pages, again, said_again, counted = asyncio.run(scenario())
    assert (view.run.status, view.run.error) == ("done", None)
    assert to_json(view)["coverage"] == {"total": 50, "done": 46, "failed": 0, "refused": 4, "person": 0}
    refused = {row["name"]: row["reason"] for row in rows if row["status"] == "refused"}
    assert {name: reason.split(":")[0] for name, reason in refused.items()} == {
        "broken.pdf": "unreadable", "locked.pdf": "encrypted", "nothing.txt": "empty", "supply-99-copy.txt": "duplicate"
    }  # fmt: skip
    assert "supply-07.txt" in refused["supply-99-copy.txt"]
    assert "|46> of <" in said
    assert "|50> read" in said
    assert {row["name"] for row in rows} == {place.name for place in contracts.iterdir()}
    for number in range(1, 47):
        mine = [row for row in rows if row["name"] == f"supply-{number:02}.txt"]
        assert sum(row["question"] == "auto_renewal" and row["found"] for row in mine) == number & 1
        assert [row["value"] for row in mine if row["question"] == "governing_law"] == [LAWS[number % 3]]
    assert pages[0][0] == 200
    assert f"<mark>{quoted['quote']}</mark>" in pages[0][1]
    assert "46 of 50 read, 4 refused" in pages[1][1]
    assert to_json(again)["coverage"] == {"total": 50, "done": 50, "failed": 0, "refused": 0, "person": 0}
    assert "|46> kept from before" in said_again
    assert "|4> new" in said_again
    assert counted == [46, 4]
    assert any(one.name.startswith("reviewer/") for one in view.artifacts)
