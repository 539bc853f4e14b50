"""Databases whose tables are there: the migrations, a twentieth of a second of work, run once for all tests."""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bot.store.database import Database

NAME = "cadre.db"


@functools.cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as place:
        db = Database(f"sqlite:///{Path(place) / NAME}", time.time)
        db.migrate()
        db.close()
        return (Path(place) / NAME).read_bytes()


def database(home: Path, now: Callable[[], float] = time.time) -> Database:
    """The store of a home: as it is left there, or with empty tables."""
    place = home / NAME
    if not place.exists():
        home.mkdir(parents=True, exist_ok=True)
        place.write_bytes(_empty())
    return Database(f"sqlite:///{place}", now)
