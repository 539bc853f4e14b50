"""The Google stand-in in a process of its own, with its control and the product's connector in front of it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from connectors.google import GoogleWorkspace

T = TypeVar("T")


class Standin:
    """The stand-in's address and control."""

    def __init__(self, ready: dict[str, str]) -> None:
        self.url, self._control = ready["base_url"], f"{ready['control_url']}/_local"
        self.opened: dict[str, GoogleWorkspace] = {}
        self.http = httpx2.Client(trust_env=False)

    def post(self, what: str, **body: Any) -> Any:
        """A word to the control API."""
        return self.http.post(f"{self._control}/{what}", json=body).raise_for_status().json()

    def act(self, do: str, **more: Any) -> Any:
        """What a person does by hand."""
        return self.post("act", **{"as": "owner", "do": do, **more})

    def state(self) -> Any:
        """All that the Drive holds."""
        return self.http.get(f"{self._control}/state").json()

    def fault(self, name: str, kind: str, **more: Any) -> None:
        """The next call of that name meets a trouble."""
        self.post("fault", match=name, kind=kind, **more)

    def calls(self, name: str) -> int:
        """How often a method was asked for."""
        rows = self.http.get(f"{self._control}/log").json()["log"]
        return sum(1 for r in rows if r["name"] == name and r["kind"] == "request")

    def run(self, work: Callable[[GoogleWorkspace], Awaitable[T]], user: str = "cadre") -> T:
        """Work with the workspace of one person."""
        if user not in self.opened:
            self.opened[user] = GoogleWorkspace.open(base_url=self.url, access_token=f"ya29.local-{user}")
        workspace = self.opened[user]

        async def once() -> T:
            return await work(workspace)

        return asyncio.run(once())

    def named(self, name: str) -> str:
        """The id of the file with that name."""
        return str(next(f["id"] for f in self.state()["files"] if f["name"] == name and not f["trashed"]))

    def titles(self, name: str) -> list[str]:
        """The tabs of a spreadsheet."""
        return [t["title"] for t in self.state()["sheets"][self.named(name)]["tabs"]]


@contextmanager
def standing(drive: Path) -> Iterator[Standin]:
    """The stand-in over a folder of files, until the block ends."""
    command = [sys.executable, "-m", "loopback.google", "--drive", str(drive)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        standin = Standin(json.loads(process.stdout.readline()))
        try:
            yield standin
        finally:
            for workspace in standin.opened.values():
                workspace.close()
            standin.http.close()
            process.terminate()
            process.wait(20)
