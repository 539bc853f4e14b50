"""The whole product on a Drive with the documents of the cases, driven by mentions in the local Slack."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, func, select

from bench.truth.case import Case
from bench.truth.delivered import Delivered, delivered
from bench.truth.labels import Json
from bot.local import Options, Stage, stage
from bot.store import schema as t
from bot.store.item_tables import item

CHANNEL = "finance"
TIMEOUT_S = 900.0


@dataclass(frozen=True)
class Result:
    """One request from its mention to what was delivered."""

    status: str
    run: Json
    delivered: Delivered
    took_s: float


class Product:
    """Cadre on its stand-ins, with one oracle as its model."""

    def __init__(self, here: Stage) -> None:
        self._here = here

    async def ask(self, case: Case) -> Result:
        """Mention Cadre with a case's request, approve what it wants to write, and open what it delivers."""
        options = Options(channel=CHANNEL, approve="all", timeout_s=TIMEOUT_S)
        began = time.time()
        words = f"@cadre {case.request}"
        posted = await self._here.act(**{"as": options.user}, do="post", channel=CHANNEL, text=words)
        run_id = await self._here.run_of(posted["ts"], TIMEOUT_S)
        status = await self._here.follow(run_id, options)
        took = time.time() - began
        found = await delivered(self._here, CHANNEL, posted["ts"])
        return Result(status, await self._here.result(run_id), found, took)

    async def worked(self, run_id: str) -> tuple[float, float]:
        """When the first manifest of a run was fixed and when its last item ended."""

        def look(connection: Connection) -> tuple[float, float]:
            fixed = select(func.min(t.journal.c.at)).where(
                t.journal.c.run_id == run_id, t.journal.c.kind == "items.fixed"
            )
            ended = select(func.max(item.c.ended_at)).where(item.c.run_id == run_id)
            return connection.execute(fixed).scalar_one(), connection.execute(ended).scalar_one()

        return await self._here.process.db.read(look)


@asynccontextmanager
async def product(home: Path, cases: Sequence[Case], model_url: str) -> AsyncIterator[Product]:
    """Everything running, the documents of all cases in the Drive."""
    data = home / "data"
    for case in cases:
        case.lay_out(data / "drive", home / "skills")
    with _model(model_url):
        async with stage(Options(data=data), home) as here:
            yield Product(here)


@contextmanager
def _model(url: str) -> Iterator[None]:
    before = os.environ.get("CADRE_MODEL")
    os.environ["CADRE_MODEL"] = f"local:{url}"
    try:
        yield
    finally:
        if before is None:
            del os.environ["CADRE_MODEL"]
        else:
            os.environ["CADRE_MODEL"] = before
