"""Checks a Messages request as the API of version 2026-10-21 does; a problem is a 400 with the field named."""

from collections.abc import Mapping
from typing import Any

SAMPLING_REMOVED_IN = "2026-10-21"
_SAMPLING = frozenset({"temperature", "top_p", "top_k"})
_COUNTED = frozenset(
    ["cache_control", "messages", "model", "output_config", "speed", "system", "thinking", "tool_choice", "tools"]
) | {"user_profile_id", "workspace_id"}
_CREATED = _COUNTED | {"container", "diagnostics", "inference_geo", "max_tokens", "metadata", "service_tier"}
_CREATED |= {"stop_sequences", "stream"}
_BETA = frozenset(("compaction", "context_management", "fallbacks", "mcp_servers", "thread"))
_ROLES = ("user", "assistant", "system")
_TOOL_CHOICES = ("auto", "any", "tool", "none")
_MAX_BREAKPOINTS = 4
_MAX_TOOL_NAME = 128


class Invalid(Exception):
    """The request is refused; the message is the API's sentence."""


def check(body: Any, *, version: str, beta: bool, counting: bool) -> None:
    """Raises Invalid where the API would answer 400."""
    if not isinstance(body, dict):
        raise Invalid("The request body is not a JSON object.")
    known = _COUNTED if counting else _CREATED
    for name in body:
        if name in _SAMPLING and not counting:
            if version >= SAMPLING_REMOVED_IN:
                raise Invalid(f"{name}: this parameter was removed in anthropic-version {SAMPLING_REMOVED_IN}")
        elif name not in known and not (beta and name in _BETA):
            raise Invalid(f"{name}: Extra inputs are not permitted")
    for name in ("model", "messages") if counting else ("model", "max_tokens", "messages"):
        if name not in body:
            raise Invalid(f"{name}: Field required")
    if not isinstance(body["model"], str):
        raise Invalid("model: Input should be a valid string")
    if not counting:
        _settings(body)
    tools = _tools(body.get("tools"))
    _tool_choice(body.get("tool_choice"), tools)
    _system(body.get("system"))
    _messages(body["messages"])
    _breakpoints(body)


def _settings(body: Mapping[str, Any]) -> None:
    limit = body["max_tokens"]
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
        raise Invalid("max_tokens: Input should be greater than or equal to 0")
    if not isinstance(body.get("stream", False), bool):
        raise Invalid("stream: Input should be a valid boolean")
    metadata = body.get("metadata")
    if metadata is not None:
        if not isinstance(metadata, dict) or set(metadata) - {"user_id"}:
            raise Invalid("metadata: Extra inputs are not permitted")
        if not isinstance(metadata.get("user_id"), str | None):
            raise Invalid("metadata.user_id: Input should be a valid string")


def _tools(tools: Any) -> frozenset[str]:
    if tools is None:
        return frozenset()
    if not isinstance(tools, list):
        raise Invalid("tools: Input should be a valid list")
    names = set()
    for i, tool in enumerate(tools):
        if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
            raise Invalid(f"tools.{i}.name: Field required")
        name = tool["name"]
        if not name.replace("_", "").replace("-", "").isalnum() or not name.isascii() or len(name) > _MAX_TOOL_NAME:
            raise Invalid(f"tools.{i}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,{_MAX_TOOL_NAME}}}$'")
        if name in names:
            raise Invalid("tools: Tool names must be unique.")
        names.add(name)
        if tool.get("type") in (None, "custom"):
            schema = tool.get("input_schema")
            if not isinstance(schema, dict) or schema.get("type") != "object":
                raise Invalid(f"tools.{i}.input_schema.type: Field required")
    return frozenset(names)


def _tool_choice(choice: Any, tools: frozenset[str]) -> None:
    if choice is None:
        return
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind not in _TOOL_CHOICES:
        expected = ", ".join(repr(c) for c in _TOOL_CHOICES)
        raise Invalid(f"tool_choice: Input tag {kind!r} found using 'type' does not match any of {expected}")
    if kind == "tool" and choice.get("name") not in tools:
        raise Invalid(f"tool_choice: Tool '{choice.get('name')}' not found in provided tools")
    if kind == "any" and not tools:
        raise Invalid("tool_choice: may only be specified while providing tools")


def _system(system: Any) -> None:
    if system is None or isinstance(system, str):
        return
    for i, block in enumerate(system if isinstance(system, list) else [None]):
        if not isinstance(block, dict) or block.get("type") != "text" or not isinstance(block.get("text"), str):
            raise Invalid(f"system.{i}: Input should be a text block")
        if not block["text"]:
            raise Invalid(f"system.{i}: text content blocks must be non-empty")


def _messages(messages: Any) -> None:
    if not isinstance(messages, list) or not messages:
        raise Invalid("messages: at least one message is required")
    open_calls: list[str] = []
    seen: set[str] = set()
    before = None
    for i, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role not in _ROLES:
            raise Invalid(f"messages.{i}.role: Input should be 'user', 'assistant' or 'system'")
        if i == 0 and role != "user":
            raise Invalid('messages: first message must use the "user" role')
        # An assistant may go on after pause_turn; two user messages in a row are one message sent in pieces.
        if role == before == "user":
            raise Invalid('messages: roles must alternate between "user" and "assistant", but found "user" twice')
        blocks = _content(message, i)
        if role == "user":
            _results(blocks, open_calls, i)
            open_calls = []
        elif role == "assistant":
            if open_calls:
                raise Invalid(_missing(i - 1, open_calls))
            open_calls = _calls(blocks, seen, i)
        before = role if role != "system" else before
    if open_calls:
        raise Invalid(_missing(len(messages) - 1, open_calls))


def _missing(at: int, calls: list[str]) -> str:
    return (
        f"messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(calls)}. Each `tool_use` block must have a corresponding `tool_result` block in the "
        "next message."
    )


def _content(message: Mapping[str, Any], i: int) -> list[dict[str, Any]]:
    content = message.get("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if not isinstance(content, list) or not content:
        raise Invalid(f"messages.{i}: all messages must have non-empty content")
    for j, block in enumerate(content):
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            raise Invalid(f"messages.{i}.content.{j}.type: Field required")
        if block["type"] == "text" and not (isinstance(block.get("text"), str) and block["text"].strip()):
            raise Invalid(f"messages.{i}.content.{j}: text content blocks must be non-empty")
        if block["type"] == "document" and message["role"] == "assistant":
            raise Invalid(f"messages.{i}.content.{j}: document blocks are not permitted in assistant messages")
    return content


def _calls(blocks: list[dict[str, Any]], seen: set[str], i: int) -> list[str]:
    calls = []
    for j, block in enumerate(blocks):
        if block["type"] == "tool_result":
            raise Invalid(f"messages.{i}.content.{j}: tool_result blocks can only be in user messages")
        if block["type"] != "tool_use":
            continue
        if not all(isinstance(block.get(k), str) for k in ("id", "name")) or not isinstance(block.get("input"), dict):
            raise Invalid(f"messages.{i}.content.{j}: tool_use needs id, name and an object as input")
        if block["id"] in seen:
            raise Invalid(f"messages.{i}.content.{j}: `tool_use` ids must be unique")
        seen.add(block["id"])
        calls.append(block["id"])
    return calls


def _results(blocks: list[dict[str, Any]], open_calls: list[str], i: int) -> None:
    missing = list(open_calls)
    for j, block in enumerate(blocks):
        if block["type"] == "tool_use":
            raise Invalid(f"messages.{i}.content.{j}: tool_use blocks can only be in assistant messages")
        if block["type"] != "tool_result":
            continue
        use_id = block.get("tool_use_id")
        if use_id not in missing:
            raise Invalid(
                f"messages.{i}.content.{j}: unexpected `tool_use_id` found in `tool_result` blocks: {use_id}. "
                "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            )
        if not isinstance(block.get("content", ""), str | list):
            raise Invalid(f"messages.{i}.content.{j}.content: Input should be a string or a list of blocks")
        missing.remove(use_id)
    if missing:
        raise Invalid(_missing(i - 1, missing))


def _breakpoints(body: dict[str, Any]) -> None:
    marked = [b for b in _all_blocks(body) if b.get("cache_control") is not None]
    marked += [body] if body.get("cache_control") is not None else []
    for block in marked:
        control = block["cache_control"]
        if not isinstance(control, dict) or control.get("type") != "ephemeral":
            raise Invalid("cache_control.type: Input should be 'ephemeral'")
        if control.get("ttl", "5m") not in ("5m", "1h"):
            raise Invalid("cache_control.ttl: Input should be '5m' or '1h'")
    if len(marked) > _MAX_BREAKPOINTS:
        raise Invalid(
            f"A maximum of {_MAX_BREAKPOINTS} blocks with cache_control may be provided. Found {len(marked)}."
        )


def _all_blocks(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = list(body.get("tools") or ())
    system = body.get("system")
    blocks += system if isinstance(system, list) else []
    for message in body["messages"]:
        if isinstance(message["content"], list):
            blocks += message["content"]
    return blocks
