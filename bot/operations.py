"""Setting up, examining, backing up and restoring one installation."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import shutil
import sqlite3
import sys
import tarfile
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bot.errors import CadreError, OperatorMustFix
from bot.settings import Settings, load
from bot.types import Json

TEMPLATE = """\
# Settings of Cadre under the names of the environment, which wins. `cadre settings` shows what is in force.
# Slack: create an app from manifest.yml, install it, copy its tokens.
#SLACK_BOT_TOKEN=xoxb-…
#SLACK_APP_TOKEN=xapp-…
# A model: Anthropic's by key, or another server of the Messages API.
#ANTHROPIC_API_KEY=
#CADRE_MODEL=auto
# Google: the file of a service account.
#GOOGLE_APPLICATION_CREDENTIALS=
# Where pages linked from Slack are reachable, and the team's time zone.
#CADRE_PUBLIC_URL=
#CADRE_ZONE=UTC
"""
DATABASE = "cadre.db"
KEPT = ("cadre.env", "mcp.json", "access.yml", "secret.key", "runs", "skills")  # of the home, where they are there
LIST = "contents.json"
AT_MOST_S = 45.0


@dataclass(frozen=True)
class Finding:
    """One thing the doctor tried: what was seen, and how to mend it when it does not work."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


def prepared(home: Path) -> bool:
    """Make the home and its settings file; False when the file was there."""
    home.mkdir(parents=True, exist_ok=True)
    file = home / "cadre.env"
    if file.exists():
        return False
    file.touch(mode=0o600)
    file.write_text(TEMPLATE, encoding="utf-8")
    return True


# -- the doctor ------------------------------------------------------------------------------------------------------


async def examined() -> list[Finding]:
    """Try what the configuration names, each for itself, within bounds."""
    try:
        settings = await asyncio.to_thread(load)
    except OperatorMustFix as error:
        return [Finding("settings", False, str(error), "Correct it in the environment or in the settings file.")]
    checks: tuple[tuple[str, Callable[[Settings], Awaitable[Finding]]], ...] = (
        ("home", _home), ("database", _database), ("scripts", _scripts), ("slack", _slack), ("model", _model),
        ("google", _google), ("mcp", _mcp),
    )  # fmt: skip
    return [await _tried(name, check, settings) for name, check in checks]


async def _tried(name: str, check: Callable[[Settings], Awaitable[Finding]], settings: Settings) -> Finding:
    try:
        return await asyncio.wait_for(check(settings), AT_MOST_S)
    except TimeoutError:
        return Finding(name, False, f"no answer within {AT_MOST_S:g} s", "See that it can be reached from here.")
    except CadreError as error:
        return Finding(name, False, str(error), "It names what to change.")
    except Exception as error:  # whatever it is, the other checks still tell something
        return Finding(name, False, f"{type(error).__name__}: {str(error)[:300]}")


async def _home(settings: Settings) -> Finding:
    free = shutil.disk_usage(settings.home if settings.home.exists() else settings.home.parent).free / 1024**3
    if not settings.home.exists():
        return Finding(
            "home", False, f"{settings.home} is not there", "Make it with `cadre init`, or set CADRE_HOME."
        )
    probe = settings.home / ".doctor"
    try:
        probe.write_text("ok")
        probe.unlink()
    except OSError as error:
        return Finding(
            "home", False, f"{settings.home} cannot be written: {error}", "Give Cadre's user the right to."
        )
    fix = "" if free > 1 else "Make room: workspaces and the database grow with every run."
    return Finding("home", free > 1, f"{settings.home}, {free:.0f} GB free", fix)


async def _database(settings: Settings) -> Finding:
    from bot.app import open_store

    db, clock = await asyncio.to_thread(open_store, settings)
    try:
        kind = db.engine.dialect.name
        if kind == "sqlite":
            told = await db.read(lambda c: c.exec_driver_sql("PRAGMA quick_check").scalar())
            if told != "ok":
                return Finding("database", False, f"SQLite finds damage: {told}", "Restore it with `cadre restore`.")
        return Finding("database", True, f"{kind}, at this version")
    finally:
        await asyncio.to_thread(db.close)
        clock.close()


async def _scripts(_settings: Settings) -> Finding:
    """Whether a script runs, and behind which walls."""
    from bot.tools import child

    with tempfile.TemporaryDirectory() as place:
        script = Path(place) / "scripts" / "probe.py"
        script.parent.mkdir()
        script.write_text('print("{\\"ok\\": true}")')
        await child.run_child(script, {}, Path(place), seconds=20)
    missing = sorted(child.missing_walls())
    if missing:
        return Finding("scripts", False, "; ".join(missing), "Skills' scripts run with fewer walls on this system.")
    return Finding("scripts", True, f"Python {sys.version.split()[0]}, every wall stands")


async def _slack(settings: Settings) -> Finding:
    from bot.slack.app import make_client

    if not settings.slack_bot_token or not settings.slack_app_token:
        return Finding("slack", False, "not connected", "Set SLACK_BOT_TOKEN and SLACK_APP_TOKEN.")
    client = make_client(settings.slack_bot_token, settings.slack_api_url)
    told = await client.auth_test()
    await client.apps_connections_open(app_token=settings.slack_app_token)
    return Finding("slack", True, f"{told['user']} in {told['team']}, Socket Mode opens")


async def _model(settings: Settings) -> Finding:
    from bot.model.client import choose_model

    if settings.model.startswith(("local:", "replay:")):
        return Finding("model", True, settings.model)
    if not settings.anthropic_api_key and not settings.anthropic_base_url:
        fix = "Set ANTHROPIC_API_KEY, or CADRE_MODEL=local:URL; until then playbooks are followed and say so."
        return Finding("model", True, "none: the offline playbook", fix)
    name = await choose_model(
        wanted=settings.model, api_key=settings.anthropic_api_key, base_url=settings.anthropic_base_url
    )
    return Finding("model", True, name)


async def _google(settings: Settings) -> Finding:
    from bot.tools.google_accounts import connect
    from connectors.google import client_of

    if client_of(settings.google_credentials):
        return Finding("google", True, "an OAuth client: each person signs in themselves")
    accounts = await asyncio.to_thread(connect, settings.google_base_url, settings.google_credentials)
    if accounts is None:
        return Finding("google", True, "not connected", "To connect it, set GOOGLE_APPLICATION_CREDENTIALS.")
    if settings.google_delegate:
        return Finding("google", True, "a service account that acts as each requester")
    try:
        files = await (await accounts.of("", "")).list_files()
    finally:
        await asyncio.to_thread(accounts.close)
    return Finding("google", True, f"{len(files)} files can be seen")


async def _mcp(settings: Settings) -> Finding:
    from connectors.mcp import McpHost

    if not settings.mcp_servers:
        return Finding("mcp", True, "no servers", f"To add some, write {settings.home / 'mcp.json'}.")
    plain = {
        alias: {k: v for k, v in entry.items() if k != "trusted"} for alias, entry in settings.mcp_servers.items()
    }
    async with McpHost({"mcpServers": plain}) as host:
        await host.tools()
        states = host.status()
        bad = [*host.problems, *(f"{one.alias}: {one.error}" for one in states if one.state != "ready")]
        bad += [f"{one.alias}: left out as too large: {', '.join(one.left_out)}" for one in states if one.left_out]
    told = ", ".join(f"{one.alias} ({one.tools} tools)" for one in states if one.state == "ready")
    fix = "Correct the entry, or start the server." if bad else ""
    return Finding("mcp", not bad, "; ".join([*bad, told] if told else bad), fix)


# -- backup and restore ----------------------------------------------------------------------------------------------


def archive(settings: Settings, file: Path) -> int:
    """Write the archive; returns the number of files in it. The database is copied as of one moment, in use or not.

    Raises OperatorMustFix when the database is not SQLite or the archive cannot be written.
    """
    if not settings.database_url.startswith("sqlite"):
        raise OperatorMustFix("PostgreSQL is backed up with pg_dump; `cadre backup` keeps SQLite and the home.")
    home = settings.home
    contents: dict[str, str] = {}
    part = file.with_name(f"{file.name}.part")
    try:
        with tempfile.TemporaryDirectory() as scratch, tarfile.open(part, "w:gz") as out:
            copy = Path(scratch) / DATABASE
            with closing(sqlite3.connect(_place(settings))) as source, closing(sqlite3.connect(copy)) as target:
                source.backup(target)
            found = [(copy, DATABASE)]
            for name in KEPT:
                top = home / name
                files = sorted(top.rglob("*")) if top.is_dir() else [top]
                found += [
                    (one, str(one.relative_to(home))) for one in files if one.is_file() and not one.is_symlink()
                ]
            for path, name in found:
                contents[name] = hashlib.sha256(path.read_bytes()).hexdigest()
                out.add(path, name)
            listed = json.dumps(contents, indent=1).encode()
            entry = tarfile.TarInfo(LIST)
            entry.size = len(listed)
            out.addfile(entry, io.BytesIO(listed))
        part.chmod(0o600)
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OperatorMustFix(f"The archive could not be written: {error}") from error
    return len(contents)


def brought_back(settings: Settings, file: Path, *, replace: bool) -> int:
    """Put an archive's files in place; returns their number. Nothing is touched before all of it was checked.

    Raises OperatorMustFix when the archive is damaged, when Cadre is at work, or when the home is not empty.
    """
    home = settings.home
    there = [name for name in (DATABASE, *KEPT) if (home / name).exists()]
    if there and not replace:
        raise OperatorMustFix(f"{home} holds {', '.join(there)}; --force replaces what the archive holds.")
    _at_rest(settings)
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=".restore-") as scratch:
        contents = _unpacked(file, Path(scratch))
        for name in sorted({name.split("/")[0] for name in contents}):
            target = Path(_place(settings)) if name == DATABASE else home / name
            if target.is_dir():
                shutil.rmtree(target)
            (Path(scratch) / name).replace(target)
        beside = [Path(f"{_place(settings)}-wal"), Path(f"{_place(settings)}-shm")]
        for rest in (*beside, *home.glob("engine.db*")):
            rest.unlink(missing_ok=True)  # of what was there before; the engine's tables are made anew
    return len(contents)


def _unpacked(file: Path, place: Path) -> Json:
    try:
        with tarfile.open(file, "r:gz") as packed:
            packed.extractall(place, filter="data")
        contents: Json = json.loads((place / LIST).read_text("utf-8"))
        (place / LIST).unlink()
    except (OSError, tarfile.TarError, ValueError, EOFError) as error:
        raise OperatorMustFix(f"{file} is not a whole archive of `cadre backup`: {error}") from error
    for name, digest in contents.items():
        path = place / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise OperatorMustFix(f"{file} is damaged at {name}; nothing was changed.")
    return contents


def _at_rest(settings: Settings) -> None:
    """Raises OperatorMustFix when a process has worked on this database within the last moments."""
    import time

    place = _place(settings)
    if not Path(place).exists():
        return
    with closing(sqlite3.connect(place)) as db:
        try:
            seen = db.execute("select max(seen_at) from worker").fetchone()[0]
        except sqlite3.Error:
            return  # no table, or no database: what is restored replaces it
    if seen and time.time() - seen < 10:
        raise OperatorMustFix("Cadre is at work on this home; stop it first.")


def _place(settings: Settings) -> str:
    return settings.database_url.removeprefix("sqlite:///")
