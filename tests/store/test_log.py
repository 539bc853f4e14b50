"""SQLite's log has its full length before the first work comes."""

from __future__ import annotations

import time

from sqlalchemy import text

from bot.store.database import LOG_PAGES, PAGE, Database


def test_the_log_is_lengthened_once_and_nothing_of_it_stays_in_the_database(tmp_path):
    db = Database(f"sqlite:///{tmp_path / 'cadre.db'}", time.time)
    try:
        db.write_now(lambda tx: tx.execute(text("create table kept (a)")))
        log = tmp_path / "cadre.db-wal"
        assert log.stat().st_size < LOG_PAGES * PAGE
        db.lengthen_log()
        long = log.stat().st_size
        assert long > LOG_PAGES * PAGE
        db.lengthen_log()
        db.write_now(lambda tx: tx.execute(text("insert into kept values (1)")))
        assert log.stat().st_size == long
        tables = db.read_now(lambda c: list(c.execute(text("select name from sqlite_master")).scalars()))
        assert tables == ["kept"]
        pages = db.read_now(lambda c: c.execute(text("pragma page_count")).scalar())
        assert pages == 2
    finally:
        db.close()
