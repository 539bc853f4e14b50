"""Skills that a server publishes: listed without reading them, and read only if they are what was listed."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import mcp_types as types
import yaml
from mcp import ClientSession

from .jobs import raw

EXTENSION = "io.modelcontextprotocol/skills"

_MAX_PAGES = 50


class SkillMismatch(Exception):
    """What was read is not what the server listed; it is not used."""


@dataclass(frozen=True)
class PublishedFile:
    uri: str
    digest: str | None
    size: int | None


@dataclass(frozen=True)
class PublishedSkill:
    """One skill as its server lists it."""

    uri: str
    name: str
    description: str
    frontmatter: Mapping[str, Any]
    files: tuple[PublishedFile, ...]


class _List(types.Request[types.PaginatedRequestParams | None, Literal["skills/list"]]):
    method: Literal["skills/list"] = "skills/list"
    params: types.PaginatedRequestParams | None = None


async def listed(session: ClientSession) -> tuple[PublishedSkill, ...]:
    """Every skill of a server; nothing of them is read."""
    found: list[PublishedSkill] = []
    cursor: str | None = None
    for _ in range(_MAX_PAGES):
        params = types.PaginatedRequestParams(cursor=cursor) if cursor else None
        page = await raw(session, _List(params=params))
        found += [_skill(entry) for entry in page.get("skills") or [] if isinstance(entry, Mapping)]
        following = page.get("nextCursor")
        if not following or following == cursor:
            break
        cursor = following
    return tuple(found)


async def read(session: ClientSession, skill: PublishedSkill, uri: str | None = None) -> bytes:
    """One file of a skill, its SKILL.md if none is named; SkillMismatch where it is not what was listed."""
    wanted = uri or skill.uri
    entry = next((file for file in skill.files if file.uri == wanted), None)
    if entry is None and wanted != skill.uri:
        raise SkillMismatch(f"{skill.name} lists no file {wanted}")
    result = await session.read_resource(wanted)
    content = next(iter(result.contents), None)
    if content is None:
        raise SkillMismatch(f"{wanted} is empty")
    data = (
        content.text.encode() if isinstance(content, types.TextResourceContents) else base64.b64decode(content.blob)
    )
    if entry is not None:
        _verified(entry, data)
    if wanted == skill.uri and _frontmatter(data) != dict(skill.frontmatter):
        raise SkillMismatch(f"the head of {wanted} says something else than the list")
    return data


def _verified(entry: PublishedFile, data: bytes) -> None:
    if entry.size is not None and entry.size != len(data):
        raise SkillMismatch(f"{entry.uri} has {len(data)} bytes instead of {entry.size}")
    if entry.digest is None:
        return
    kind, _, wanted = entry.digest.partition(":")
    if kind not in ("sha256", "sha384", "sha512"):
        raise SkillMismatch(f"{entry.uri} is listed with a digest of an unknown kind, {kind}")
    if hashlib.new(kind, data).hexdigest() != wanted.lower():
        raise SkillMismatch(f"{entry.uri} does not have the listed digest")


def _frontmatter(data: bytes) -> dict[str, Any]:
    text = data.decode(errors="replace")
    if not text.startswith("---\n"):
        return {}
    head, found, _ = text[4:].partition("\n---")
    try:
        read = yaml.safe_load(head) if found else None
    except yaml.YAMLError:
        return {}
    return read if isinstance(read, dict) else {}


def _skill(entry: Mapping[str, Any]) -> PublishedSkill:
    frontmatter = entry.get("frontmatter") or {}
    files = tuple(
        PublishedFile(str(f.get("uri")), f.get("digest"), f.get("size"))
        for f in entry.get("resources") or []
        if isinstance(f, Mapping)
    )
    return PublishedSkill(
        str(entry.get("uri")),
        str(frontmatter.get("name") or entry.get("uri")),
        str(frontmatter.get("description") or ""),
        frontmatter,
        files,
    )
