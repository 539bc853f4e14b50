"""An agent's context is a fold over its rows: the same rows give the same bytes, so caches and replays hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.types import Json


@dataclass
class Fold:
    """Messages API state after the rows so far. `open` holds what goes into the next user message."""

    messages: list[Json] = field(default_factory=list)
    results: dict[str, Json] = field(default_factory=dict)  # tool_result blocks by call id, not yet in a message
    texts: list[Json] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)  # ids of the last turn's calls, in order
    idle_turns: int = 0  # replies in a row that called nothing
    cut_turns: int = 0  # replies in a row that hit the output limit


def fold(rows: Sequence[Mapping[str, Any]], mails: Mapping[str, Mapping[str, Any]], opening: list[Json]) -> Fold:
    """Fold an agent's journal rows in order. `mails` are its messages by id, `opening` its first user blocks."""
    state = Fold(texts=list(opening))
    for row in rows:
        body = row["body"]
        match row["kind"]:
            case "turn":
                _turn(state, body, mails)
            case "tool.result":
                state.results[body["id"]] = tool_result(body["id"], body["content"], body["is_error"])
            case "note":
                state.texts.append(text(f"<note>{body['text']}</note>"))
    return state


def _turn(state: Fold, body: Json, mails: Mapping[str, Mapping[str, Any]]) -> None:
    close_user(state, [mails[mail_id] for mail_id in body["mail"]])
    content = body["content"]
    if content:
        if state.messages and state.messages[-1]["role"] == "assistant":  # a paused turn goes on
            state.messages[-1] = {"role": "assistant", "content": state.messages[-1]["content"] + content}
        else:
            state.messages.append({"role": "assistant", "content": content})
    calls = [block["id"] for block in content if block["type"] == "tool_use"]
    state.calls = calls
    state.idle_turns = 0 if calls or body["stop_reason"] == "pause_turn" else state.idle_turns + 1
    state.cut_turns = state.cut_turns + 1 if body["stop_reason"] == "max_tokens" else 0


def close_user(state: Fold, mails: Sequence[Mapping[str, Any]]) -> None:
    """Put results (in the calls' order), then texts and mail, into one user message."""
    blocks = [state.results[call] for call in state.calls if call in state.results]
    blocks += state.texts + [mail_block(m) for m in mails]
    state.results, state.texts, state.calls = {}, [], []
    if blocks:
        if state.messages and state.messages[-1]["role"] == "user":
            state.messages[-1] = {"role": "user", "content": state.messages[-1]["content"] + blocks}
        else:
            state.messages.append({"role": "user", "content": blocks})


def tool_result(call_id: str, content: Json, is_error: bool) -> Json:
    block: Json = {"type": "tool_result", "tool_use_id": call_id, "content": [text(compact(content))]}
    if is_error:
        block["is_error"] = True
    return block


def mail_block(row: Mapping[str, Any]) -> Json:
    short = row["id"].rsplit("/", 1)[-1]
    return text(
        "<message>"
        + compact(
            {
                "id": short,
                "from": row["sender"],
                "text": row["text"],
                "data": row["data"],
                "files": [inbox_path(short, f["name"]) for f in row["files"]],
            }
        )
        + "</message>"
    )


def inbox_path(mail_id: str, name: str) -> str:
    """Where a colleague's file lies in the recipient's workspace."""
    return f"inbox/{mail_id}/{name.rsplit('/', 1)[-1]}"


def text(words: str) -> Json:
    return {"type": "text", "text": words}


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def with_cache(messages: list[Json]) -> list[Json]:
    """The messages with one breakpoint on the last block, so that the next turn reads this prefix from the cache."""
    if not messages:
        return messages
    *before, last = messages
    *blocks, end = last["content"]
    return [*before, {**last, "content": [*blocks, {**end, "cache_control": {"type": "ephemeral"}}]}]
