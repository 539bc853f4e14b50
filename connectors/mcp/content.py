"""Tools and results as the rest of the product sees them: frozen, named, and of bounded size."""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import mcp_types as types

_MAX_NAME = 128
_MAX_DESCRIPTION = 2048
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_-]")
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")


@dataclass(frozen=True)
class ToolInfo:
    """One tool of one server, under the name by which the model calls it."""

    name: str
    alias: str
    tool: str
    description: str
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any] | None
    read_only: bool
    destructive: bool
    idempotent: bool
    open_world: bool


@dataclass(frozen=True)
class Attachment:
    """Bytes that came with a result."""

    name: str
    mime_type: str
    data: bytes


@dataclass(frozen=True)
class CallResult:
    """What a tool answered; `structured` is to be preferred where the server gave it."""

    structured: Mapping[str, Any] | None
    text: str
    is_error: bool
    truncated: bool = False
    attachments: tuple[Attachment, ...] = ()


def tool_infos(alias: str, tools: Iterable[types.Tool]) -> tuple[ToolInfo, ...]:
    """The tools of a server under names that are unique and that the model's API accepts."""
    infos: dict[str, ToolInfo] = {}
    for tool in tools:
        name = tool_name(alias, tool.name)
        if name in infos:
            name = _shortened(name, tool.name)
        hints = tool.annotations or types.ToolAnnotations()
        read_only = bool(hints.read_only_hint)
        infos[name] = ToolInfo(
            name=name,
            alias=alias,
            tool=tool.name,
            description=_UNSEEN.sub("", tool.description or "")[:_MAX_DESCRIPTION],
            input_schema=tool.input_schema,
            output_schema=tool.output_schema,
            read_only=read_only,
            # Silence means the worst, as the specification has it.
            destructive=not read_only and hints.destructive_hint is not False,
            idempotent=read_only or bool(hints.idempotent_hint),
            open_world=hints.open_world_hint is not False,
        )
    return tuple(infos.values())


def tool_name(alias: str, tool: str) -> str:
    """`mcp__<alias>__<tool>`; what the API does not accept in a name is replaced."""
    clean = _NOT_A_NAME.sub("_", tool)
    name = f"mcp__{alias}__{clean}"
    return name if len(name) <= _MAX_NAME else _shortened(name, tool)


def _shortened(name: str, tool: str) -> str:
    mark = hashlib.sha256(tool.encode()).hexdigest()[:8]
    return f"{name[: _MAX_NAME - 9]}_{mark}"


def call_result(result: types.CallToolResult, max_text_bytes: int) -> CallResult:
    """A result with its text joined and cut to size, and its bytes apart."""
    texts: list[str] = []
    attachments: list[Attachment] = []
    for block in result.content:
        text, attachment = _block(block, len(attachments) + 1)
        if text:
            texts.append(text)
        if attachment is not None:
            attachments.append(attachment)
    text, cut = _limited(_UNSEEN.sub("", "\n".join(texts)), max_text_bytes)
    structured = result.structured_content
    if structured is not None and not isinstance(structured, dict):
        structured = {"value": structured}
    return CallResult(structured, text, bool(result.is_error), cut, tuple(attachments))


def _limited(text: str, limit: int) -> tuple[str, bool]:
    encoded = text.encode(errors="replace")
    if len(encoded) <= limit:
        return text, False
    kept = encoded[:limit].decode(errors="ignore")
    return f"{kept}\n[cut: {len(encoded)} bytes, {limit} shown]", True


def _block(block: Any, number: int) -> tuple[str, Attachment | None]:
    if isinstance(block, types.TextContent):
        return block.text, None
    if isinstance(block, types.ImageContent | types.AudioContent):
        return _attached(f"{block.type}-{number}", block.mime_type, block.data)
    if isinstance(block, types.EmbeddedResource):
        inside = block.resource
        if isinstance(inside, types.TextResourceContents):
            return inside.text, None
        return _attached(str(inside.uri), inside.mime_type or "application/octet-stream", inside.blob)
    if isinstance(block, types.ResourceLink):
        return f"{block.name}: {block.uri}", None
    return json.dumps(block.model_dump(mode="json", by_alias=True)), None


def _attached(name: str, mime_type: str, data: str) -> tuple[str, Attachment | None]:
    try:
        attachment = Attachment(name, mime_type, base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        return f"[{name}: {mime_type}, not readable as base64]", None
    return f"[{name}: {mime_type}, {len(attachment.data)} bytes]", attachment
