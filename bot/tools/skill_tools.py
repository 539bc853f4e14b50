"""Skills for agents: find one, open it, and look through tools that are not shown at first."""

from __future__ import annotations

from pydantic import Field
from sqlalchemy import select, update

from bot.policy.gate import Effect
from bot.skills import SkillLibrary
from bot.store.database import Tx
from bot.store.schema import agent, run
from bot.tools.base import WHOLE, Args, Outcome, Tool, ToolContext, refused


class SearchArgs(Args):
    query: str


class OpenArgs(Args):
    name: str
    file: str = Field(default="", description="A reference inside the skill, such as references/method.md.")


class SkillTools:
    """skill_search and skill_open over the installed skills."""

    def __init__(self, library: SkillLibrary) -> None:
        self._library = library

    async def search(self, ctx: ToolContext, args: SearchArgs) -> Outcome:
        found = [s for s in self._library.search(args.query) if ctx.skills is None or s.name in ctx.skills]
        return Outcome({"ok": True, "skills": [{"name": s.name, "description": s.description} for s in found[:10]]})

    async def open(self, ctx: ToolContext, args: OpenArgs) -> Outcome:
        skill = self._library.skills.get(args.name)
        if skill is None:
            return refused(f"There is no skill {args.name!r}; there are {', '.join(self._library.skills)}.")
        if args.file:
            place = (skill.path / args.file.replace("\0", "")).resolve()
            if not place.is_relative_to(skill.path.resolve()) or not place.is_file():
                return refused(f"{args.name} has no file {args.file!r}.")
            return Outcome({"ok": True, "text": place.read_text(encoding="utf-8")})
        role = await ctx.db.read(lambda c: c.execute(select(agent.c.role).where(agent.c.id == ctx.agent_id)).scalar())

        def commit(tx: Tx) -> None:
            # The skill's own checks bind the run from here on.
            tx.execute(update(run).where(run.c.id == ctx.run_id, run.c.skill == "").values(skill=args.name))

        files = sorted(p.relative_to(skill.path).as_posix() for p in skill.path.glob("references/*"))
        return Outcome(
            {"ok": True, "skill_md": skill.text, "files": files, "playbook": skill.role_playbook(str(role))},
            commit=commit,
        )


def skill_tools(library: SkillLibrary) -> list[Tool]:
    tools = SkillTools(library)
    return [
        Tool(
            "skill_search", "Find the team's conventions for a kind of work.", Effect.READ, tools.search, SearchArgs
        ),
        Tool("skill_open", "Read a skill before working by it.", Effect.READ, tools.open, OpenArgs, room=WHOLE),
    ]
