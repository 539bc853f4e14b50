"""Runs a skill's script in a child process: arguments as JSON in, one JSON object out."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

from pydantic import Field

from bot.errors import ModelMustRetry
from bot.policy.gate import Effect
from bot.skills import Skill, SkillLibrary
from bot.store.database import Tx
from bot.tools import figures
from bot.tools.base import Args, Outcome, Tool, ToolContext
from bot.types import Json

SCRIPT_S = 120.0
MEMORY_BYTES = 4 * 1024**3
OUTPUT_BYTES = 8 * 1024**2
HIDDEN = ("figures", "findings", "checks")  # kept as rows; the model gets their number


async def run_child(script: Path, args: Json, cwd: Path) -> Json:
    """The script's answer. Raises ModelMustRetry with its own words when it gave none."""
    env = {"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(cwd)}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-E", "-s", str(script),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        cwd=cwd, env=env, preexec_fn=_limits, start_new_session=True,
    )  # fmt: skip
    try:
        out, err = await asyncio.wait_for(child.communicate(json.dumps(args).encode()), SCRIPT_S)
    except TimeoutError as error:
        raise ModelMustRetry(f"{script.name} did not end within {SCRIPT_S:.0f} seconds.") from error
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    try:
        answer = json.loads(out[:OUTPUT_BYTES])
        if not isinstance(answer, dict):
            raise ValueError("not an object")
    except ValueError as error:
        tail = err.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it printed no JSON"]
        raise ModelMustRetry(f"{script.name} failed: {tail[0]}") from error
    return answer


def _limits() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (int(SCRIPT_S), int(SCRIPT_S)))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


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
        before = _stamps(ctx)
        answer = await run_child(script, args.args, ctx.workspace.root)
        changed = tuple(name for name, stamp in _stamps(ctx).items() if before.get(name) != stamp)
        if not answer.get("ok"):
            return Outcome({"ok": False, "error": str(answer.get("error", f"{args.script} said no"))}, is_error=True)
        made_by = await ctx.db.read(lambda c: figures.made_by(c, ctx.agent_id))
        claims = await asyncio.to_thread(figures.checked, ctx, answer, figures.Sources(ctx, made_by))
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
        except KeyError:
            known = ", ".join(sorted(p.name for p in (skill.path / "scripts").glob("*.py")))
            raise ModelMustRetry(f"{skill_name} has no script {script!r}; it has {known or 'none'}.") from None


def _stamps(ctx: ToolContext) -> dict[str, tuple[int, int]]:
    stats = {name: ctx.workspace.path(name).stat() for name in ctx.workspace.names()}
    return {name: (s.st_mtime_ns, s.st_size) for name, s in stats.items()}


def script_tools(library: SkillLibrary) -> list[Tool]:
    return [
        Tool("run_script", "Run a script that a skill brings along, in your workspace.", Effect.WORKSPACE,
             ScriptTool(library).run, ScriptArgs)
    ]  # fmt: skip
