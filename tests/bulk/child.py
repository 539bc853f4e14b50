"""A worker process over a store that is there: killed and started again by tests."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from bot.coordinator.coordinator import Coordinator
from bot.model.client import AnthropicModel
from bot.skills import SkillLibrary
from bot.store.clock import SystemClock
from bot.store.database import Database
from bot.store.dispatch import Dispatcher
from bot.team.agent import AgentRunner
from bot.team.items.runner import ItemRunner
from bot.tools.bulk import bulk_tools
from bot.tools.files import file_tools
from bot.tools.registry import Registry
from bot.tools.team import team_tools
from tests.team.harness import NoWriter


async def work(home: Path, base_url: str) -> None:
    db = Database(f"sqlite:///{home / 'cadre.db'}", time.time)
    model = AnthropicModel(name="cadre-offline-playbook", api_key="", base_url=base_url)
    library = SkillLibrary(home / "skills")
    registry = Registry([*team_tools(), *file_tools(), *bulk_tools(library, None, model.name)])
    dispatcher = Dispatcher(db, SystemClock(), role="worker", engine_url=f"sqlite:///{home / 'engine.db'}")

    async def thread(_claim):
        return None

    dispatcher.serve("agent", AgentRunner(db, model, registry, library, home, "UTC", 20.0).activate)
    dispatcher.serve("bulk", ItemRunner(db, model, home, "http://127.0.0.1:1", 20.0).activate)
    dispatcher.serve("coordinator", Coordinator(db, library, NoWriter(), home, "UTC", model.name, True, "").activate)
    dispatcher.serve("thread", thread)
    dispatcher.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), sys.argv[2]))
