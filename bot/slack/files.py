"""Files in both directions: what people attach reaches the run's lead, what the lead attaches reaches the thread."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import structlog
from sqlalchemy import Connection, select

from bot.coordinator.intake import ATTACHED, files_coming
from bot.errors import DependencyFailed
from bot.slack import file_words as words
from bot.slack.posting import BROKEN_TOKEN, raise_for
from bot.slack.scheduler import Done, Outcome, Refused, Scheduler
from bot.slack.unpack import NotUnpacked, is_archive, unpacked
from bot.store import journal, mail
from bot.store import schema as t
from bot.store.database import Database, Tx, by_id
from bot.store.leases import Claim
from bot.tools.results import for_people
from bot.types import Json, RunStatus
from bot.workspace import FILE_BYTES, safe_name

log = structlog.get_logger()

MOST = 20  # files of one message
TRANSFER_S = 120.0  # for one file
RETRY_S = 2.0
GIVE_UP_S = 600.0  # a file that cannot be fetched for so long is reported as such


@dataclass(frozen=True)
class Attachment:
    """An output that the lead attached to its reply, or (with `data`) one that the surface made."""

    name: str
    sha256: str
    data: bytes = b""


class Lost(Exception):
    """A file cannot be had; the message says why."""


class Files:
    """Carries files between Slack and a run. A repeated call changes nothing that is done."""

    def __init__(self, db: Database, scheduler: Scheduler) -> None:
        self.db, self.scheduler = db, scheduler

    # -- from people to the lead -----------------------------------------------------------------------------------

    async def bring(self, claim: Claim) -> None:
        """Hand over to the lead what was attached to the run's requests, once.

        Raises DependencyFailed while Slack does not answer, within a bound.
        """
        for row in await self.db.read(lambda c: _not_taken(c, claim.run_id)):
            data: dict[str, bytes] = {}
            lost: dict[str, str] = {}
            for number, file in enumerate(row["files"]):
                name = _free(safe_name(file["name"]), data)
                try:
                    if number >= MOST:
                        raise Lost(words.too_many_files(MOST))
                    got = await self._download(row["team_id"], file)
                    if is_archive(file["name"], got):
                        inside = await unpacked(got)
                        data |= {_free(_path(path), data): content for path, content in inside.items()}
                    else:
                        data[name] = got
                except (Lost, NotUnpacked) as error:
                    lost[file["name"]] = str(error)
                except DependencyFailed as error:
                    if self.db.now() < row["received_at"] + GIVE_UP_S:
                        raise
                    lost[file["name"]] = str(error)
            await self.db.write(lambda tx, r=row, d=data, x=lost: _hand_over(tx, claim, r, d, x))  # type: ignore[misc]

    async def _download(self, team: str, file: Json) -> bytes:
        url, size = file["url"], file["size"]
        if not url:  # shared from another workspace: the event only says that there is something
            told = await self.scheduler.call(team, "files.info", {"file": file["id"]})
            if isinstance(told, Refused):
                raise Lost(words.not_fetched(told.error))
            if not isinstance(told, Done):
                raise DependencyFailed("Slack did not say where a file is.", retry_after=RETRY_S)
            about = told.data["file"]
            url, size = about.get("url_private_download") or about.get("url_private") or "", about.get("size", 0)
        if size > FILE_BYTES:
            raise Lost(words.file_too_large(FILE_BYTES))
        if not _of_slack(url, self.scheduler.client.base_url):
            raise Lost(words.NOT_HOSTED)
        data, kind = await self._get(url)
        if kind == "text/html" and not file["type"].startswith("text/html"):
            raise Lost(words.NO_FILE_SCOPE)  # Slack shows a sign-in page instead of refusing
        return data

    async def _get(self, url: str) -> tuple[bytes, str]:
        """A file's bytes and media type. The token goes to Slack's own hosts alone, never along a redirect."""
        headers = {"Authorization": f"Bearer {self.scheduler.client.token}"}
        limit = aiohttp.ClientTimeout(total=TRANSFER_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit) as session,
                session.get(url, headers=headers, allow_redirects=False) as reply,
            ):
                if reply.status in (429, 500, 502, 503, 504):
                    raise DependencyFailed(f"Slack answered {reply.status} for a file.", retry_after=RETRY_S)
                if reply.status in (301, 302, 303, 307, 308):
                    raise Lost(words.NO_FILE_SCOPE)
                if reply.status != 200:
                    raise Lost(words.not_fetched(f"HTTP {reply.status}"))
                data = await reply.content.read(FILE_BYTES + 1)
                while len(data) <= FILE_BYTES and (more := await reply.content.read(FILE_BYTES + 1 - len(data))):
                    data += more
                if len(data) > FILE_BYTES:
                    raise Lost(words.file_too_large(FILE_BYTES))
                return data, reply.content_type
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise DependencyFailed(f"A file could not be fetched from Slack: {error}", retry_after=RETRY_S) from error

    # -- from the lead to people -----------------------------------------------------------------------------------

    async def attach(
        self, claim: Claim, run: Any, row: Any, op: str, place: tuple[str, str], also: tuple[Attachment, ...] = ()
    ) -> None:
        """Put the outputs that the lead attached into the thread (channel, ts) of `place`, as one message, once.

        `also` are files beside them; `row` is the effect row of an earlier attempt, or None. Raises DependencyFailed
        when it must be tried again.
        """
        if row is not None and row["status"] == "done":
            return
        wanted = list(also)
        if run["status"] == RunStatus.DONE:
            wanted += await self.db.read(lambda c: _attachments(c, claim.run_id))
        if not wanted:
            return
        uploaded: list[str] = row["result"].get("ids", []) if row is not None else []
        channel, thread = place
        if uploaded and await self._shared(run, channel, uploaded[0]):
            await self.db.write(lambda tx: _done(tx, claim, op, {"ids": uploaded}))
            return
        try:
            ids = [await self._upload(run, one) for one in wanted]
            digest = journal.sha256_of([[one.name, one.sha256] for one in wanted])
            await self.db.write(lambda tx: _intend(tx, claim, run, op, ids, digest))
            names = [{"id": id, "title": _plain(one.name)} for id, one in zip(ids, wanted, strict=True)]
            payload = {"files": names, "channel_id": channel, "thread_ts": thread}
            told = await self.scheduler.call(run["team_id"], "files.completeUploadExternal", payload)
            _sure(told)
            result: Json = {"ids": ids, "names": [one.name for one in wanted]}
        except Lost as error:
            log.error("files were not attached", run=claim.run_id, why=str(error))
            result = {"ids": [], "error": str(error)}
        await self.db.write(lambda tx: _done(tx, claim, op, result))

    async def _upload(self, run: Any, one: Attachment) -> str:
        """Bring an artifact's bytes to Slack; nobody sees them before they are shared. Returns the file's id."""
        kept = one.data or await self.db.read(lambda c: journal.get_blob(c, one.sha256))
        data = await asyncio.to_thread(for_people, one.name, kept)
        given = {"filename": _plain(one.name), "length": len(data)}
        told = await self.scheduler.call(run["team_id"], "files.getUploadURLExternal", given)
        place = _sure(told)
        limit = aiohttp.ClientTimeout(total=TRANSFER_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit) as session,
                session.post(place["upload_url"], data=io.BytesIO(data)) as reply,
            ):
                if reply.status != 200:
                    raise DependencyFailed(f"Slack answered {reply.status} to a file.", retry_after=RETRY_S)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise DependencyFailed(f"A file did not reach Slack: {error}", retry_after=RETRY_S) from error
        return str(place["file_id"])

    async def _shared(self, run: Any, channel: str, file_id: str) -> bool:
        """Whether an earlier attempt got through."""
        for pause in (0.0, RETRY_S):
            await asyncio.sleep(pause)  # Slack may take a moment to show what it accepted
            told = await self.scheduler.call(run["team_id"], "files.info", {"file": file_id})
            if isinstance(told, Refused):
                return False
            shares = _sure(told)["file"].get("shares") or {}
            if any(channel in places for places in shares.values()):
                return True
        return False


def _sure(outcome: Outcome) -> Json:
    """What Slack answered. Raises Lost when it refused, DependencyFailed when it may be tried again."""
    if isinstance(outcome, Done):
        return outcome.data
    if isinstance(outcome, Refused) and (outcome.error == "missing_scope" or outcome.error not in BROKEN_TOKEN):
        raise Lost(outcome.error)  # without the scope the rest goes on; with a broken token everything waits
    raise_for(outcome)
    raise DependencyFailed("Slack did not answer.", retry_after=RETRY_S)


def _of_slack(url: str, api: str) -> bool:
    """Whether a file's address is Slack's own, or that of the stand-in which is the API."""
    place, own = urlsplit(url), urlsplit(api)
    if place.hostname and own.hostname in ("127.0.0.1", "localhost", "::1"):
        return (place.scheme, place.netloc) == (own.scheme, own.netloc)
    host = place.hostname or ""
    return place.scheme == "https" and (host == "slack.com" or host.endswith(".slack.com"))


def _plain(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def _path(path: str) -> str:
    """A path of an archive as one name: its folders go before the file."""
    return safe_name("-".join(PurePosixPath(path).parts[-2:]))


def _free(name: str, taken: dict[str, bytes]) -> str:
    """A name that no other file of the message has."""
    stem, dot, ending = name.rpartition(".")
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{stem or ending}_{number}{dot}{ending}" if stem else f"{name}_{number}"
    return found


# -- rows ------------------------------------------------------------------------------------------------------------


def _not_taken(connection: Connection, run_id: str) -> list[Any]:
    """The requests of a run at work whose files were not handed over yet."""
    coming = files_coming(connection, run_id)
    ended = coming and by_id(connection, t.run, run_id)["status"] in ("done", "failed", "stopped")
    return [] if ended else coming


def _hand_over(tx: Tx, claim: Claim, row: Any, data: dict[str, bytes], lost: dict[str, str]) -> None:
    tx.fence(claim.agent_id, claim.epoch)
    files = tuple(
        mail.SharedFile(name, journal.put_blob(tx, row["team_id"], content), f"slack:{row['key']}")
        for name, content in data.items()
    )
    body = {"inbox": row["id"], "names": sorted(data), "lost": lost}
    journal.append(tx, claim.run_id, ATTACHED, body)
    told: Json = {"attached": sorted(data), "not_attached": lost, "by": row["user"]}
    if mail.roster(tx.connection, claim.run_id).get("lead") in ("live", "finishing", "done"):
        text = words.files_handed_over(list(data), lost)
        mail.send(tx, claim.run_id, mail.HARNESS, "lead", text, data=told, files=files)
    if lost:
        journal.append(tx, claim.run_id, "notice", {"text": words.files_lost(lost)})


def _attachments(connection: Connection, run_id: str) -> list[Attachment]:
    """What the lead's accepted answer attaches, the newest version of each."""
    lead = by_id(connection, t.agent, f"{run_id}/lead")
    finish = (lead["finish"] or {}) if lead is not None else {}
    found = []
    for name in finish.get("args", {}).get("attach", []):
        query = select(t.artifact.c.sha256).where(
            t.artifact.c.run_id == run_id, t.artifact.c.name.in_((f"lead/{name}", name))
        )
        digest = connection.execute(query.order_by(t.artifact.c.version.desc())).scalar()
        if digest:
            found.append(Attachment(name, digest))
    return found


def _intend(tx: Tx, claim: Claim, run: Any, op: str, ids: list[str], digest: str) -> None:
    """The files are at Slack and nobody sees them; what follows can be looked up by their ids."""
    tx.fence(claim.agent_id, claim.epoch)
    row = {
        "team_id": run["team_id"], "run_id": claim.run_id, "kind": "post", "target": run["channel"],
        "args_sha256": digest, "status": "intent", "intended_at": tx.now(),
    }  # fmt: skip
    tx.add(t.effect, op_key=op, epoch=claim.epoch, result={}, **row)
    again = {"epoch": claim.epoch, "result": {"ids": ids}, "args_sha256": digest}
    tx.execute(t.effect.update().where(t.effect.c.op_key == op).values(**again))


def _done(tx: Tx, claim: Claim, op: str, result: Json) -> None:
    tx.fence(claim.agent_id, claim.epoch)
    run = by_id(tx.connection, t.run, claim.run_id)
    row = {"team_id": run["team_id"], "run_id": claim.run_id, "kind": "post", "target": run["channel"]}
    tx.add(
        t.effect,
        op_key=op,
        epoch=claim.epoch,
        status="intent",
        result={},
        args_sha256="",
        intended_at=tx.now(),
        **row,
    )
    told = {"status": "done", "result": result, "applied_at": tx.now()}
    tx.execute(t.effect.update().where(t.effect.c.op_key == op).values(**told))
    if result.get("error"):
        journal.append(tx, claim.run_id, "notice", {"text": words.not_attached(str(result["error"]))})
