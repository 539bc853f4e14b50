"""work_through: fixes the manifest of bulk work and leaves the agent asleep until every item has ended."""

from __future__ import annotations

import asyncio
import fnmatch
import hashlib
import json
import re
from collections import deque
from pathlib import PurePosixPath
from typing import Any

from pydantic import Field
from sqlalchemy import Connection, select, update

from bot.errors import DependencyFailed, ModelMustRetry, OperatorMustFix
from bot.policy.gate import Effect
from bot.skills import SkillLibrary
from bot.store import items, journal
from bot.store.database import Tx, by_id
from bot.store.items import Source
from bot.store.schema import agent, inbox, run
from bot.tools import forms
from bot.tools.base import Args, Outcome, Tool, ToolContext
from bot.tools.forms import Form
from bot.tools.google import SHEET
from bot.tools.google_accounts import GoogleAccounts, opened, patient
from bot.tools.team import open_agent
from bot.types import Json
from bot.workspace import FILE_BYTES, Workspace, safe_name
from connectors.google import DriveFile, GoogleWorkspace

MOST = 5_000  # items of one work
NAMED = 20  # folders named in a refusal
AT_ONCE = 6  # files fetched side by side
FOLDERS = 2_000  # folders of one work that are looked into
FOLDER = "application/vnd.google-apps.folder"
DOC = "application/vnd.google-apps.document"


class WorkArgs(Args):
    files: list[str] = Field(default=[], description="Files of your workspace, or patterns such as inbox/*.pdf.")
    folder: str = Field(default="", description="A Drive folder by id or name, with the folders inside it.")
    question: str = Field(default="", description="One question to every document, when no form fits.")
    skill: str = Field(default="", description="The skill that has the form.")
    form: str = Field(
        default="", description="A form of that skill; or without a skill, a form as a .json file of your workspace."
    )
    save_as: str = Field(default="", description="Where the results go; a .jsonl file, with a .csv beside it.")
    deadline: bool = Field(default=True, description="False: it may take a day, at half the price.")


class BulkTool:
    """work_through over the workspace and Drive."""

    def __init__(self, library: SkillLibrary, google: GoogleAccounts | None, model: str) -> None:
        self._library, self._google, self._model = library, google, model

    async def run(self, ctx: ToolContext, args: WorkArgs) -> Outcome:
        form = self._form(ctx.workspace, args)
        save_as = args.save_as or f"results/{safe_name(form.name)}.jsonl"
        if not save_as.endswith(".jsonl"):
            raise ModelMustRetry("save_as is the name of a .jsonl file.")
        sources = await asyncio.to_thread(_from_workspace, ctx.workspace, args.files)
        if args.folder:
            sources += await self._from_drive(ctx, args.folder)
        named = await self._named(ctx, args.folder)
        if not sources:
            raise ModelMustRetry("There is nothing to read: name files of your workspace or a Drive folder.")
        if len(sources) > MOST:
            raise ModelMustRetry(f"{len(sources)} documents are more than {MOST} at once; work them in parts.")
        inputs = {"save_as": save_as, "call": ctx.call_id, "deadline": args.deadline, "named": named}
        return Outcome({}, commit=lambda tx: self._fix(tx, ctx, form, sources, inputs), parks={"for": "items"})

    def _form(self, workspace: Workspace, args: WorkArgs) -> Form:
        if args.question and not args.form:
            return forms.of_question(args.question)
        if args.form.endswith(".json") and not args.skill and not args.question:
            try:
                return forms.read(json.loads(workspace.text(args.form)), PurePosixPath(args.form).stem)
            except ValueError as error:
                raise ModelMustRetry(f"{args.form} is no form: {error}.") from error
        if not args.skill or not args.form or args.question:
            raise ModelMustRetry("Give either a question, or a skill and one of its forms.")
        try:
            return forms.load(self._library, args.skill, args.form)
        except OperatorMustFix as error:
            raise ModelMustRetry(str(error)) from error

    def _fix(self, tx: Tx, ctx: ToolContext, form: Form, sources: list[Source], inputs: Json) -> Json:
        """The manifest as rows, or the one that was put aside, taken up again."""
        settled = items.settled(sources)
        query = select(agent).where(
            agent.c.run_id == ctx.run_id, agent.c.kind == items.KIND, agent.c.parent == ctx.agent_name
        )
        earlier = list(tx.execute(query.order_by(agent.c.id)).mappings())
        for one in earlier:
            if one["status"] == "live" and _same(tx, one, form, settled):
                told = {**one["inputs"], **inputs, **{kept: one["inputs"][kept] for kept in ("form", "named")}}
                tx.execute(update(agent).where(agent.c.id == one["id"]).values(inputs=told))
                tx.wake(one["id"])
                return {"work": one["name"]}
        items.replace(tx, ctx.run_id, [one["name"] for one in earlier], form.digest, settled)
        number = tx.execute(select(agent.c.id).where(agent.c.run_id == ctx.run_id, agent.c.kind == items.KIND)).all()
        name = f"bulk{len(number) + 1}"
        blob = journal.put_blob(tx, ctx.team, form.model_dump_json().encode())
        named = inputs["named"] and journal.put_blob(tx, ctx.team, json.dumps(inputs["named"]).encode())
        own = by_id(tx.connection, run, ctx.run_id)
        model = self._model if own["offline"] else own["rules"].get("model") or self._model
        items.fix(tx, ctx.run_id, ctx.team, name, ctx.requester, settled, form.digest, model)
        task = tx.execute(select(agent.c.task).where(agent.c.id == ctx.agent_id)).scalar() or ""
        open_agent(
            tx, ctx.run_id, ctx.team, name=name, role="item", kind=items.KIND, parent=ctx.agent_name, task_id=task,
            inputs={**inputs, "form": blob, "title": form.title, "named": named},
        )  # fmt: skip
        body = {"work": name, "total": len(settled), "form": form.name, "title": form.title}
        journal.append(tx, ctx.run_id, "items.fixed", body, agent_id=ctx.agent_id)
        return {"work": name}

    # -- Drive -----------------------------------------------------------------------------------------------------

    async def _from_drive(self, ctx: ToolContext, folder: str) -> list[Source]:
        google = await opened(self._google, ctx.team, ctx.requester)
        files, left = await below(google, await self._folder(google, folder))
        if left:
            names = ", ".join(name for name, _ in left[:NAMED]) + (", …" if len(left) > NAMED else "")
            raise ModelMustRetry(
                f"{folder!r} holds more than {MOST:,} documents or {FOLDERS:,} folders; {len(left)} folders were not "
                f"looked into: {names}. Work its folders one by one."
            )
        gate = asyncio.Semaphore(AT_ONCE)

        async def fetched(name: str, file: DriveFile) -> Source:
            async with gate:
                return await _fetch(google, ctx.workspace, name, file)

        return list(await asyncio.gather(*(fetched(*one) for one in files)))

    async def _named(self, ctx: ToolContext, folder: str) -> list[Json]:
        """The documents of a Drive folder that the request names, when another place was handed in.

        The check of the run compares them with the manifest. What is attached to a request is its material.
        """
        words, attached = await ctx.db.read(lambda c: _request(c, ctx.run_id))
        named = bool(folder) and folder.strip().strip("/").casefold() in words.casefold()
        if self._google is None or attached or named:
            return []
        google = await opened(self._google, ctx.team, ctx.requester)
        seen = await patient(lambda: google.list_files(None))
        told = [one for one in seen if one.mime_type == FOLDER and _names(words, one.name)]
        top = max(told, key=lambda one: len(one.name), default=None)
        if top is None or folder == top.id:
            return []
        files, left = await below(google, top.id)
        return [{"ref": f"drive:{one}", "name": name} for name, one in [(n, file.id) for n, file in files] + left]

    async def _folder(self, google: GoogleWorkspace, wanted: str) -> str:
        """A folder's id by id or name. Raises ModelMustRetry naming those that are there."""
        seen = [one for one in await patient(lambda: google.list_files(None)) if one.mime_type == FOLDER]
        named = [one for one in seen if wanted == one.id] or [
            one for one in seen if one.name.casefold() == wanted.strip().strip("/").casefold()
        ]
        if len(named) == 1:
            return named[0].id
        if named:
            raise ModelMustRetry(f"There are {len(named)} folders {wanted!r}; use an id: {', '.join(_ids(named))}.")
        known = ", ".join(sorted(one.name for one in seen)[:30]) or "none"
        raise ModelMustRetry(f"There is no folder {wanted!r} in the Drive; there are: {known}.")


async def below(google: GoogleWorkspace, top: str) -> tuple[list[tuple[str, DriveFile]], list[tuple[str, str]]]:
    """The files of a folder and of the folders inside it by their path in it, and the folders that were too many."""
    files: list[tuple[str, DriveFile]] = []
    ahead = deque([("", top)])
    seen = {top}
    looked = 0
    while ahead and len(files) <= MOST and looked < FOLDERS:
        path, place = ahead.popleft()
        looked += 1
        for file in await patient(lambda p=place: google.list_files(p)):  # type: ignore[misc]
            if file.mime_type != FOLDER:
                files.append((f"{path}{file.name}", file))
            elif file.id not in seen:
                seen.add(file.id)
                ahead.append((f"{path}{file.name}/", file.id))
    return files, list(ahead)


def _request(connection: Connection, run_id: str) -> tuple[str, bool]:
    """The words of a run's request, and whether files came with it."""
    words = connection.execute(select(run.c.request).where(run.c.id == run_id)).scalar_one()
    files = connection.execute(select(inbox.c.files).where(inbox.c.run_id == run_id)).scalars()
    return str(words), any(files)


def _names(words: str, folder: str) -> bool:
    """Whether a request speaks of a folder: what is in it, of it or from it."""
    place = r"(?i)\b(?:in|of|from|through|folder)\s+(?:the\s+|our\s+)?(?:folder\s+)?[\"'“‘]?"
    return re.search(rf"{place}{re.escape(folder.strip())}(?!\w)", words) is not None


def _ids(found: list[DriveFile]) -> list[str]:
    return [one.id for one in found]


async def _fetch(google: GoogleWorkspace, workspace: Workspace, name: str, file: DriveFile) -> Source:
    """One file of Drive as a file of the workspace; what cannot be had is an item all the same."""
    ref = f"drive:{file.id}"
    if file.mime_type == SHEET:
        reason = "a spreadsheet, which is read as a table and not as a document"
        return Source(name, ref, "", file.url, status="refused", reason=reason)
    try:
        if file.mime_type == DOC:
            data, ending = (await patient(lambda: google.read_doc(file.id))).encode(), ".md"
        else:
            data, ending = await patient(lambda: google.download(file.id)), ""
    except (ModelMustRetry, DependencyFailed) as error:
        return Source(name, ref, "", file.url, status="failed", reason=f"could not be fetched: {error}")
    place = PurePosixPath(file.name)
    path = f"documents/{safe_name(place.stem)[:60]}_{file.id[-6:]}{safe_ending(place.suffix)}{ending}"
    return await asyncio.to_thread(_kept, workspace, name, ref, path, file.url, data)


def safe_ending(suffix: str) -> str:
    return suffix.lower() if suffix[1:].isalnum() and len(suffix) <= 8 else ""


def _kept(workspace: Workspace, name: str, ref: str, path: str, url: str, data: bytes) -> Source:
    if len(data) > FILE_BYTES:
        reason = f"too large: more than {FILE_BYTES >> 20} MB"
        return Source(name, ref, "", url, status="refused", reason=reason)
    if not data:
        return Source(name, ref, "", url, status="refused", reason="empty: the file has no content")
    return Source(name, ref, workspace.write(path, data), url, hashlib.sha256(data).hexdigest())


def _from_workspace(workspace: Workspace, wanted: list[str]) -> list[Source]:
    """The named files in their order, each once. Raises ModelMustRetry for a name that nothing has."""
    known = workspace.names() if wanted else []
    chosen: list[str] = []
    for name in wanted:
        matching = [one for one in known if one == name or fnmatch.fnmatchcase(one, name)]
        if not matching:
            raise ModelMustRetry(f"There is no file {name!r} in your workspace. It holds: {', '.join(known[:20])}.")
        chosen += [one for one in matching if one not in chosen]
    found = []
    for path in chosen:
        data = workspace.read(path)
        told = Source(path, f"file:{path}", path, sha256=hashlib.sha256(data).hexdigest())
        empty = "empty: the file has no content"
        found.append(told if data else Source(path, told.ref, path, status="refused", reason=empty))
    return found


def _same(tx: Tx, one: Any, form: Form, sources: list[Source]) -> bool:
    """Whether a work that was put aside has this form and these documents."""
    rows = items.of_work(tx.connection, one["run_id"], one["name"])
    if one["inputs"].get("call") or not rows or rows[0]["form"] != form.digest:
        return False
    return [(row["ref"], row["sha256"]) for row in rows] == [(s.ref, s.sha256) for s in sources]


def bulk_tools(library: SkillLibrary, google: GoogleAccounts | None, model: str) -> list[Tool]:
    return [
        Tool(
            "work_through",
            "Answer the same questions about many documents, or about one that is too long to read at once: each is "
            "read whole, every quote is checked by code, and what could not be read is named. You sleep until all "
            "have ended; the same call again does only what is missing.",
            Effect.TEAM, BulkTool(library, google, model).run, WorkArgs,
        )
    ]  # fmt: skip
