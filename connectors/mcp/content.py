"""Tools and results as the rest of the product sees them: frozen, named, and of bounded size."""

import base64
import binascii
import hashlib
import json
import mimetypes
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote, urlsplit

import mcp_types as types

from connectors.schemas import ForeignSchema

from .pins import canonical, fingerprint

_MAX_NAME = 128
_MAX_DESCRIPTION = 2048
_MAX_TOLD = 128 * 1024  # bytes that a tool says of itself, nearly all of them schemas
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_-]")
_NOT_A_FILE = re.compile(r"[^\w.-]+")
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
    title: str | None = None
    pin: str = ""  # what the tool says it is, in the form that is reviewed and compared
    ours: bool = False  # it reads what else the server offers, in words of the host; no server can say so

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.pin)


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
    resources: tuple[str, ...] = ()  # addresses of those that the answer holds or points to
    beside: str = ""  # text and links that `structured` does not hold


def tool_infos(alias: str, tools: Iterable[types.Tool]) -> tuple[ToolInfo, ...]:
    """The tools of a server under names that are unique and that the model's API accepts; none that is too large."""
    infos: dict[str, ToolInfo] = {}
    for tool in filter(_is_in_size, tools):
        name = tool_name(alias, tool.name)
        if name in infos and infos[name].tool <= tool.name:
            continue  # it is told twice, or passes itself off as the mark of another
        hints = tool.annotations or types.ToolAnnotations()
        read_only = bool(hints.read_only_hint)
        infos[name] = ToolInfo(
            name=name,
            alias=alias,
            tool=tool.name,
            description=visible(tool.description or "")[:_MAX_DESCRIPTION],
            input_schema=tool.input_schema,
            output_schema=tool.output_schema,
            read_only=read_only,
            # Silence means the worst, as the specification has it.
            destructive=not read_only and hints.destructive_hint is not False,
            idempotent=read_only or bool(hints.idempotent_hint),
            open_world=hints.open_world_hint is not False,
            title=tool.title or hints.title,
            pin=canonical(
                name=tool.name,
                title=tool.title,
                description=tool.description,
                input_schema=tool.input_schema,
                output_schema=tool.output_schema,
                annotations=tool.annotations.model_dump(exclude_none=True) if tool.annotations else None,
            ),
        )
    return tuple(infos.values())


def too_large(tools: Iterable[types.Tool]) -> tuple[str, ...]:
    """The tools that are left out because they say too much of themselves."""
    return tuple(tool.name[:_MAX_NAME] for tool in tools if not _is_in_size(tool))


def _is_in_size(tool: types.Tool) -> bool:
    return len(tool.model_dump_json(exclude={"icons", "meta"})) <= _MAX_TOLD


def tool_name(alias: str, tool: str) -> str:
    """`mcp__<alias>__<tool>`; what the API does not accept is replaced, and what is not whole bears a mark.

    The name depends on nothing but the tool's own, so that it means the same tool whatever else a server lists.
    """
    clean = _NOT_A_NAME.sub("_", tool)
    name = f"mcp__{alias}__{clean}"
    return name if clean == tool and len(name) <= _MAX_NAME else _marked(name, tool)


def _marked(name: str, tool: str) -> str:
    mark = hashlib.sha256(tool.encode()).hexdigest()[:8]
    return f"{name[: _MAX_NAME - 9]}_{mark}"


def call_result(
    result: types.CallToolResult, max_text_bytes: int, output_schema: Mapping[str, Any] | None = None
) -> CallResult:
    """A result with its text joined and cut to size, and its bytes apart; off its schema it is a failure."""
    is_error = bool(result.is_error)
    text, cut, attachments = joined(result.content, max_text_bytes, whole=is_error)
    resources = _named(result.content)
    structured = result.structured_content
    beside = "" if structured is None else joined(_beside(result.content, structured), max_text_bytes)[0]
    if output_schema is not None and not is_error and (wrong := mismatch(structured, output_schema)):
        return CallResult(None, f"The tool answered off its own schema: {wrong}\n{text}", True, cut, attachments)
    if structured is not None and not isinstance(structured, dict):
        structured = {"value": structured}
    return CallResult(structured, text, is_error, cut, attachments, resources, beside)


def joined(
    blocks: Iterable[Any], max_text_bytes: int, *, whole: bool = False
) -> tuple[str, bool, tuple[Attachment, ...]]:
    """The text of content blocks, whether it was cut, and what came as bytes.

    What a server means only for a person is no text for a model: unless `whole`, it is among the bytes.
    """
    texts: list[str] = []
    attachments: list[Attachment] = []
    for block in blocks:
        text, attachment = _block(block, len(attachments) + 1)
        if not whole and _is_for_people(block):
            name = f"for-people-{len(attachments) + 1}.txt"
            text, attachment = "", attachment or Attachment(name, "text/plain", text.encode(errors="replace"))
        if text:
            texts.append(text)
        if attachment is not None:
            attachments.append(attachment)
    text, cut = _limited(visible("\n".join(texts)), max_text_bytes)
    return text, cut, tuple(attachments)


def masked(result: CallResult, mask: Callable[[str], str]) -> CallResult:
    """A result in whose text, data and files of text `mask` has replaced what nobody is to read."""
    return replace(
        result,
        structured=_masked(result.structured, mask),
        text=mask(result.text),
        beside=mask(result.beside),
        attachments=tuple(_masked_file(one, mask) for one in result.attachments),
    )


def _masked(value: Any, mask: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {mask(key): _masked(inner, mask) for key, inner in value.items()}
    return [_masked(inner, mask) for inner in value] if isinstance(value, list) else value


def _masked_file(one: Attachment, mask: Callable[[str], str]) -> Attachment:
    try:
        return replace(one, data=mask(one.data.decode()).encode())
    except UnicodeDecodeError:
        return one


def resource_result(contents: Iterable[Any], max_text_bytes: int) -> CallResult:
    """What was read of a resource."""
    blocks = [types.EmbeddedResource(type="resource", resource=content) for content in contents]
    text, cut, attachments = joined(blocks, max_text_bytes)
    return CallResult(None, text, False, cut, attachments)


def prompt_result(result: types.GetPromptResult, max_text_bytes: int) -> CallResult:
    """A prompt as its messages, each under who says it."""
    blocks: list[Any] = []
    for message in result.messages:
        blocks += [types.TextContent(type="text", text=f"{message.role}:"), message.content]
    text, cut, attachments = joined(blocks, max_text_bytes)
    return CallResult(None, text, False, cut, attachments)


def visible(text: str) -> str:
    """Without characters that nobody sees."""
    return _UNSEEN.sub("", text)


def _named(blocks: Iterable[Any]) -> tuple[str, ...]:
    """The resources that content blocks hold or point to, each once."""
    found = [b.uri for b in blocks if isinstance(b, types.ResourceLink)]
    found += [b.resource.uri for b in blocks if isinstance(b, types.EmbeddedResource)]
    return tuple(dict.fromkeys(str(uri) for uri in found))


def _is_for_people(block: Any) -> bool:
    annotations = getattr(block, "annotations", None)
    return annotations is not None and annotations.audience == ["user"]


def _beside(blocks: Iterable[Any], structured: Any) -> Iterable[Any]:
    """The blocks of text and the links that say something else than the structured content."""
    # A bare value is often wrapped for the structured form, and a list comes as a block for each item.
    inner = next(iter(structured.values())) if isinstance(structured, dict) and len(structured) == 1 else structured
    parts = [structured, inner, *(inner if isinstance(inner, list) else ())]
    held = {json.dumps(part, sort_keys=True) for part in parts}
    for block in blocks:
        if isinstance(block, types.TextContent):
            if json.dumps(block.text) not in held and _as_json(block.text) not in held:
                yield block
        elif isinstance(block, types.ResourceLink) or (
            isinstance(block, types.EmbeddedResource) and isinstance(block.resource, types.TextResourceContents)
        ):
            yield block


def _as_json(text: str) -> str | None:
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except (ValueError, RecursionError):
        return None


def mismatch(structured: Any, schema: Mapping[str, Any]) -> str | None:
    """What does not fit a schema, or None. A schema that leads elsewhere, or is none, can say nothing."""
    if structured is None:
        return "it came without the structured content that it promises"
    found = ForeignSchema(schema).problems(structured, 1)
    if not found:
        return None
    return f"{'/'.join(str(p) for p in found[0].absolute_path) or 'the whole'}: {found[0].message[:300]}"


def preview(text: str, room: int, path: str) -> str:
    """Beginning and end of a text that was written to a file, and how to read the rest."""
    if len(text) <= room:
        return text
    head, tail = text[: room * 2 // 3], text[-(room // 3) :]
    size, lines = len(text.encode()), text.count("\n") + 1
    return f"{head}\n[… {size} bytes in {lines} lines, whole in {path}: read_file with offset reads on …]\n{tail}"


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
        ending = _ending(block.mime_type)
        return _attached(f"{block.type}-{number}{ending}", block.mime_type, block.data)
    if isinstance(block, types.EmbeddedResource):
        inside = block.resource
        if isinstance(inside, types.TextResourceContents):
            return f"[{inside.uri}]\n{inside.text}", None
        mime_type = inside.mime_type or "application/octet-stream"
        return _attached(_file_name(str(inside.uri), mime_type, number), mime_type, inside.blob)
    if isinstance(block, types.ResourceLink):
        about = ", ".join(str(part) for part in (block.mime_type, block.description) if part)
        return f"{block.title or block.name}: {block.uri}{f' ({about})' if about else ''}", None
    return json.dumps(block.model_dump(mode="json", by_alias=True)), None


def _file_name(uri: str, mime_type: str, number: int) -> str:
    name = _NOT_A_FILE.sub("_", unquote(urlsplit(uri).path).rpartition("/")[2]).strip("._")[:100]
    name = name or f"resource-{number}"
    return name if "." in name else name + _ending(mime_type)


def _ending(mime_type: str) -> str:
    # The one usual type that the standard table knows under an older name alone.
    return ".wav" if mime_type == "audio/wav" else mimetypes.guess_extension(mime_type) or ""


def _attached(name: str, mime_type: str, data: str) -> tuple[str, Attachment | None]:
    try:
        attachment = Attachment(name, mime_type, base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        return f"[{name}: {mime_type}, not readable as base64]", None
    return f"[{name}: {mime_type}, {len(attachment.data)} bytes]", attachment
