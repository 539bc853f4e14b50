"""The engine port: hands an activation to another process, or to this one when it has room again.

DBOS Transact sits behind it. Its rows hold agent ids only; correctness is ours (leases and epochs).
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Protocol

APP_VERSION = "cadre-1"  # pinned: a deploy must not strand what an older one enqueued
KINDS = ("agent", "coordinator", "thread")
KEEP_S = 60  # finished or orphaned dispatch rows older than this are deleted


class Engine(Protocol):
    def enqueue(self, agent_id: str, kind: str) -> None: ...

    def close(self) -> None: ...


class DbosEngine:
    """Dispatch over DBOS queues, one queue per kind of agent; this process listens to the kinds it serves."""

    def __init__(self, url: str, kinds: tuple[str, ...], activate: Callable[[str], None], *, limit: int) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._closed = threading.Event()
        self._url, self._kinds, self._activate, self._limit = url, kinds, activate, limit
        self._started = self._thread.submit(self._start)

    def enqueue(self, agent_id: str, kind: str) -> None:
        """Ask whichever process serves this kind to activate the agent; returns at once."""
        if not self._closed.is_set():
            self._thread.submit(self._enqueue, agent_id, kind)

    def ready(self) -> None:
        """Wait until other processes can be reached. Raises what kept it from starting."""
        self._started.result()

    def close(self) -> None:
        """Stop dispatching; what is enqueued stays for other processes, and the sweep knows it anyway."""
        self._closed.set()
        self._thread.submit(self._stop)
        self._thread.shutdown(wait=True)

    def _start(self) -> None:
        # Imported here: it costs a second, which no acknowledgement should wait for.
        from dbos import DBOS, DBOSConfig

        config: DBOSConfig = {
            "name": "cadre",
            "system_database_url": self._url,
            "application_version": APP_VERSION,
            "executor_id": f"w-{uuid.uuid4().hex[:12]}",
            "log_level": "ERROR",
            "max_executor_threads": 8,
        }
        if self._url.startswith("sqlite"):
            config["db_engine_kwargs"] = {"connect_args": {"factory": _connection_class(), "timeout": 30}}
        self._dbos = DBOS(config=config)
        DBOS.listen_queues([f"activate-{kind}" for kind in self._kinds])
        activate = self._activate

        @DBOS.workflow(name="activate")
        def activate_agent(agent_id: str) -> None:
            activate(agent_id)

        self._workflow = activate_agent
        DBOS.launch()
        # A process that serves every kind starts what it wakes by itself; looking often would be work for nothing.
        alone = set(KINDS) <= set(self._kinds)
        for kind in KINDS:
            DBOS.register_queue(
                f"activate-{kind}", worker_concurrency=self._limit, polling_interval_sec=1.0 if alone else 0.2
            )
        logging.getLogger("dbos").setLevel(logging.ERROR)

    def _enqueue(self, agent_id: str, kind: str) -> None:
        from dbos import DBOS

        DBOS.enqueue_workflow(f"activate-{kind}", self._workflow, agent_id)

    def tidy(self) -> None:
        """Delete dispatch rows that are finished, or whose process died; they carry no state."""
        if not self._closed.is_set():
            self._thread.submit(self._tidy)

    def _tidy(self) -> None:
        from dbos import DBOS

        before = (datetime.now(UTC) - timedelta(seconds=KEEP_S)).isoformat()
        old = DBOS.list_workflows(end_time=before, load_input=False, load_output=False, limit=500)
        if old:
            DBOS.delete_workflows([row.workflow_id for row in old])

    def _stop(self) -> None:
        from dbos import DBOS

        DBOS.destroy(workflow_completion_timeout_sec=0)


def _connection_class() -> type:
    import sqlite3

    class WalConnection(sqlite3.Connection):
        """DBOS leaves SQLite in rollback-journal mode; write-ahead logging is several times faster."""

        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)  # type: ignore[arg-type]
            self.execute("PRAGMA journal_mode=WAL")
            self.execute("PRAGMA synchronous=FULL")
            if sqlite3.sqlite_version_info < (3, 42):  # no unixepoch('subsec') there
                import time

                self.create_function("unixepoch", 1, lambda _modifier: time.time())

    return WalConnection
