"""The tools of Cadre's own server, annotated, with output schemas; a run is a task where the client knows tasks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

from bot.mcp.tasks import Tasks
from bot.mcp.work import Desk, Refused
from bot.store.callers import Person

Headers = Mapping[str, str]
Who = Callable[[Headers | None], Awaitable[Person | None]]
INSTRUCTIONS = (
    "Cadre works on requests in a Slack channel, with a team of agents, and checks its results. start_run begins; "
    "get_run follows and shows its questions; answer_question answers them. What changes shared documents is "
    "approved by people in Slack, never here."
)
READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
BEGINS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True)
ENDS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)


class TaskLine(BaseModel):
    title: str
    status: str


class FigureLine(BaseModel):
    label: str
    value: str
    unit: str


class QuestionLine(BaseModel):
    question_id: str
    text: str
    options: list[str]
    answer_here: bool = Field(description="Whether answer_question takes it; approvals are given in Slack.")


class RunTold(BaseModel):
    """A run as it stands."""

    run_id: str
    status: str = Field(description="queued, working, waiting, done, failed or stopped")
    request: str
    thread: str = Field(description="Where the work is seen in Slack.")
    summary: str
    error: str
    tasks: list[TaskLine]
    figures: list[FigureLine]
    questions: list[QuestionLine]


class RunLine(BaseModel):
    run_id: str
    status: str
    request: str
    requester: str
    thread: str


class Runs(BaseModel):
    runs: list[RunLine]


class SkillLine(BaseModel):
    name: str
    description: str


class Skills(BaseModel):
    skills: list[SkillLine]


def build(desk: Desk, who: Who) -> MCPServer[Any]:
    """The server. `who` says on whose behalf a request comes, by its headers."""
    tasks = Tasks(desk, who)
    server: MCPServer[Any] = MCPServer(
        "cadre", title="Cadre", instructions=INSTRUCTIONS, log_level="WARNING", extensions=[tasks]
    )

    async def caller(ctx: Context[Any]) -> Person:
        found = await who(ctx.headers)
        if found is None:
            raise ToolError("This token is not known, or it was revoked. Ask an operator: cadre mcp token.")
        return found

    @server.tool(title="Start a run", annotations=BEGINS)
    async def start_run(request: str, ctx: Context[Any], key: str = "") -> RunTold:
        """Ask Cadre for work, in words as in Slack. The same key never starts it twice."""
        return RunTold(**await _done(desk.start(await caller(ctx), request, key)))

    @server.tool(title="Look at a run", annotations=READS)
    async def get_run(run_id: str, ctx: Context[Any]) -> RunTold:
        """How a run stands, its open questions, and what came of it."""
        return RunTold(**await _done(desk.run(await caller(ctx), run_id)))

    @server.tool(title="List runs", annotations=READS)
    async def list_runs(ctx: Context[Any], limit: int = 20) -> Runs:
        """The latest runs that you can see, newest first."""
        found = await _done(desk.runs(await caller(ctx), limit))
        return Runs(runs=[RunLine(**one) for one in found])

    @server.tool(title="Answer a question", annotations=BEGINS)
    async def answer_question(run_id: str, question_id: str, answer: str, ctx: Context[Any]) -> RunTold:
        """Answer what a run asks, by one of its options or in own words."""
        person = await caller(ctx)
        await _done(desk.answer(person, question_id, answer))
        return RunTold(**await _done(desk.run(person, run_id)))

    @server.tool(title="Cancel a run", annotations=ENDS)
    async def cancel_run(run_id: str, ctx: Context[Any]) -> RunTold:
        """Stop a run; nothing that it staged is written."""
        person = await caller(ctx)
        await _done(desk.cancel(person, run_id))
        return RunTold(**await _done(desk.run(person, run_id)))

    @server.tool(title="List skills", annotations=READS)
    async def list_skills(ctx: Context[Any]) -> Skills:
        """The kinds of work that Cadre has instructions for."""
        await caller(ctx)
        return Skills(skills=[SkillLine(**one) for one in desk.skills()])

    return server


async def _done(work: Awaitable[Any]) -> Any:
    try:
        return await work
    except Refused as error:
        raise ToolError(str(error)) from error
