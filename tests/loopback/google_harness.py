"""A Google stand-in on a thread of its own, and the stock client of Google in front of it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import googleapiclient
import httplib2
from googleapiclient import discovery
from googleapiclient.errors import HttpError

from loopback.control import CallLog, Clock, Faults, serve
from loopback.google.app import build

DOCUMENTS = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"

SHEET = {
    "title": "Plan",
    "tabs": [
        {
            "title": "Costs",
            "rows": [
                ["Plan for the year"],
                ["Account", "Q1 2026", "Q2 2026"],
                ["6100", 0.1, 0.2],
                ["6200", 1200.5, "=B4*2"],
                ["Total", "=SUM(B3:B4)", "=SUM(C3:C4)"],
            ],
        },
        {"title": "Q3 notes", "rows": [["=Costs!B5/3", "=FOO(1)", "=1/0"]]},
    ],
}
DOC = "# Rules\n\nAsk **first**, see [the page](https://example.com/a).\n\n- one\n- two\n\n| A | B |\n| --- | ---: |\n| x | 1 |\n\nThe end.\n"


class Bearer(httplib2.Http):
    """The client's usual transport with a person's token."""

    def __init__(self, user: str) -> None:
        super().__init__(timeout=20)
        self.user = user

    def request(self, uri: str, *args: Any, **kwargs: Any) -> Any:
        kwargs["headers"] = {**(kwargs.get("headers") or {}), "authorization": f"Bearer ya29.local-{self.user}"}
        return super().request(uri, *args, **kwargs)


@dataclass
class Google:
    """The running stand-in with clients for people."""

    url: str
    clock: Clock
    log: CallLog
    faults: Faults
    built: dict[tuple[str, str], tuple[Bearer, Any]]

    def api(self, name: str, user: str = "U1") -> Any:
        """The stock client of one service, as one person."""
        if (name, user) not in self.built:
            document = json.loads((DOCUMENTS / f"{name}.json").read_text())
            document["rootUrl"] = f"{self.url}/"
            http = Bearer(user)
            self.built[name, user] = http, discovery.build_from_document(document, http=http)
        return self.built[name, user][1]

    def drive(self, user: str = "U1") -> Any:
        return self.api("drive.v3", user)

    def docs(self, user: str = "U1") -> Any:
        return self.api("docs.v1", user)

    def sheets(self, user: str = "U1") -> Any:
        return self.api("sheets.v4", user)

    def slides(self, user: str = "U1") -> Any:
        return self.api("slides.v1", user)

    def calendar(self, user: str = "U1") -> Any:
        return self.api("calendar.v3", user)

    def gmail(self, user: str = "U1") -> Any:
        return self.api("gmail.v1", user)

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        """A page, or any address without a client."""
        http = httplib2.Http(timeout=20)
        try:
            response, content = http.request(self.url + path, headers=headers)
        finally:
            http.close()
        return response.status, content.decode()

    def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        http = httplib2.Http(timeout=20)
        try:
            response, content = http.request(self.url + path, "POST", json.dumps(body), headers=headers)
        finally:
            http.close()
        return response.status, json.loads(content)

    def named(self, name: str) -> str:
        """The id of the file with that name."""
        found = self.drive().files().list(q=f"name = '{name}'").execute()["files"]
        return str(found[0]["id"])


def refused(request: Any) -> tuple[int, dict[str, Any]]:
    """Status and error of a request that must fail."""
    try:
        request.execute()
    except HttpError as error:
        return int(error.resp.status), json.loads(error.content)["error"]
    raise AssertionError("the request was accepted")


def seed(folder: Path) -> Path:
    """A Drive with a Sheet, a Doc, and uploaded files in a folder."""
    (folder / "Team").mkdir(parents=True)
    (folder / "Plan.sheet.json").write_text(json.dumps(SHEET))
    (folder / "Rules.doc.md").write_text(DOC)
    (folder / "Team" / "people.csv").write_text("name,town\nAda,London\nGrace,<b>Arlington</b>\n")
    (folder / "Team" / "Notes.md").write_text("# Notes\n\nThe harbour pilot starts in May.\n")
    return folder


@contextmanager
def running(folder: Path) -> Iterator[Google]:
    """The stand-in for a folder, until the block ends."""
    clock = Clock()
    log, faults = CallLog(clock), Faults()
    loop, ready, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    address: list[str] = []

    async def main() -> None:
        runner, url = await serve(build(drive_dir=folder, clock=clock, log=log, faults=faults), 0)
        address.append(url)
        ready.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    assert ready.wait(20)
    google = Google(address[0], clock, log, faults, {})
    try:
        yield google
    finally:
        for http, _ in google.built.values():
            http.close()
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()
