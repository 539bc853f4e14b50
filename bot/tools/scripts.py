"""run_script: the scripts that skills bring along, each in a cell of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from pydantic import Field

from bot.errors import ModelMustRetry
from bot.policy.gate import Effect
from bot.skills import Skill, SkillLibrary
from bot.store.database import Tx
from bot.tools import figures
from bot.tools.base import Args, Outcome, Tool, ToolContext
from bot.tools.child import run_child
from bot.tools.tables import counted
from bot.workspace import Workspace

HIDDEN = ("figures", "findings", "checks")  # kept as rows; the model gets their number
ROOM = 16_000  # characters of an answer: a skill's author decides what stands in it


class ScriptArgs(Args):
    skill: str
    script: str
    args: dict[str, Any] = Field(default={}, description="Given to the script as JSON; paths are in your workspace.")


class ScriptTool:
    """run_script over the installed skills."""

    def __init__(self, library: SkillLibrary) -> None:
        self._library = library

    async def run(self, ctx: ToolContext, args: ScriptArgs) -> Outcome:
        script = self._find(args.skill, args.script)
        before = await asyncio.to_thread(_stamps, ctx.workspace)
        answer = await run_child(script, args.args, ctx.workspace.made())
        after = await asyncio.to_thread(_stamps, ctx.workspace)
        changed = tuple(name for name, stamp in after.items() if before.get(name) != stamp)
        if not answer.get("ok"):
            return Outcome({"ok": False, "error": str(answer.get("error", f"{args.script} said no"))}, is_error=True)
        made_by = await ctx.db.read(lambda c: figures.made_by(c, ctx.agent_id))
        counts = await counted(ctx, figures.queries(answer))
        claims = await asyncio.to_thread(figures.checked, ctx, answer, figures.Sources(ctx, made_by, counts))
        shown = {k: v for k, v in answer.items() if k not in HIDDEN}
        shown |= {f"{k}_recorded": len(answer[k]) for k in ("figures", "findings") if answer.get(k)}
        if "checks" in answer:
            shown["checks"] = answer["checks"]

        def commit(tx: Tx) -> None:
            figures.record(tx, ctx, claims)

        return Outcome(shown, commit=commit, files=changed)

    def _find(self, skill_name: str, script: str) -> Path:
        skill: Skill | None = self._library.skills.get(skill_name)
        if skill is None:
            raise ModelMustRetry(f"There is no skill {skill_name!r}; there are {', '.join(self._library.skills)}.")
        try:
            return skill.script(script)
        except (KeyError, ValueError):  # a name that cannot be a path is no script's name
            known = ", ".join(sorted(p.name for p in (skill.path / "scripts").glob("*.py")))
            raise ModelMustRetry(f"{skill_name} has no script {script!r}; it has {known or 'none'}.") from None


def _stamps(workspace: Workspace) -> dict[str, tuple[int, int]]:
    return {name: (about.st_mtime_ns, about.st_size) for name, about in workspace.files()}


def script_tools(library: SkillLibrary) -> list[Tool]:
    return [
        Tool("run_script", "Run a script that a skill brings along, in your workspace.", Effect.WORKSPACE,
             ScriptTool(library).run, ScriptArgs, room=ROOM)
    ]  # fmt: skip
