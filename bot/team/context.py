"""An agent's context is a fold over its rows: the same rows give the same bytes, so caches and replays hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bot.types import Json

Row = Mapping[str, Any]


class Context:
    """The conversation as the Messages API takes it, each message encoded once.

    `turn`, `result` and `note` take the bodies of journal rows in their order, live or read back alike.
    """

    def __init__(self, opening: Sequence[Json]) -> None:
        """`opening` are the first user blocks."""
        self.parts: list[bytes] = []  # messages as JSON
        self.replies = 0
        self.idle_turns = 0  # replies in a row that called nothing
        self.cut_turns = 0  # replies in a row that hit the output limit
        self.refused_turns = 0  # replies in a row that the model declined
        self._last: Json = {}  # the last message, which a block of the same side still joins
        self._results: dict[str, Json] = {}  # blocks by call id, not yet in a message
        self._texts: list[Json] = list(opening)
        self._calls: list[str] = []  # ids of the last turn's calls, in order

    def turn(self, body: Json, mails: Sequence[Row]) -> None:
        """A reply, with the messages from colleagues that it had before it."""
        self.close_user(mails)
        content = body["content"]
        self._calls = [block["id"] for block in content if block["type"] == "tool_use"]
        if content:
            self._push("assistant", content)
        stop = body["stop_reason"]
        self.idle_turns = 0 if self._calls or stop == "pause_turn" else self.idle_turns + 1
        self.cut_turns = self.cut_turns + 1 if stop == "max_tokens" else 0
        self.refused_turns = self.refused_turns + 1 if stop == "refusal" else 0

    def result(self, body: Json) -> None:
        """What a call came to."""
        block: Json = {"type": "tool_result", "tool_use_id": body["id"], "content": [text(compact(body["content"]))]}
        block["content"] += [{"type": "tool_reference", "tool_name": name} for name in body.get("refers", ())]
        if body["is_error"]:
            block["is_error"] = True
        self._results[body["id"]] = block

    def note(self, body: Json) -> None:
        """A word from the harness."""
        self._texts.append(text(f"<note>{body['text']}</note>"))

    def close_user(self, mails: Sequence[Row]) -> None:
        """Put results (in the calls' order), then notes and mail, into one user message."""
        blocks = [self._results[call] for call in self._calls if call in self._results]
        blocks += self._texts + [mail_block(m) for m in mails]
        self._results, self._texts, self._calls = {}, [], []
        if blocks:
            self._push("user", blocks)

    def _push(self, role: str, blocks: list[Json]) -> None:
        if self._last.get("role") == role:  # a paused turn goes on, or more came before the next turn
            blocks = self._last["content"] + blocks
            self.parts.pop()
        elif role == "assistant":
            self.replies += 1
        self._last = {"role": role, "content": blocks}
        self.parts.append(encoded(self._last))


def fold(rows: Sequence[Row], mails: Mapping[str, Row], opening: Sequence[Json]) -> Context:
    """Fold an agent's journal rows in order. `mails` are its messages by id, `opening` its first user blocks."""
    context = Context(opening)
    for row in rows:
        body = row["body"]
        match row["kind"]:
            case "turn":
                context.turn(body, [mails[mail_id] for mail_id in body["mail"]])
            case "tool.result":
                context.result(body)
            case "note":
                context.note(body)
    return context


def mail_block(row: Row) -> Json:
    """A colleague's message as the agent reads it; the files are pointers into its workspace."""
    short = row["id"].rsplit("/", 1)[-1]
    return text(
        "<message>"
        + compact(
            {
                "id": short,
                "from": row["sender"],
                "text": row["text"],
                "data": row["data"],
                "files": inbox_paths(short, [f["name"] for f in row["files"]]),
            }
        )
        + "</message>"
    )


def inbox_paths(mail_id: str, names: list[str]) -> list[str]:
    """Where colleagues' files lie in the recipient's workspace: by last name, or by the path where two share it."""
    last = [name.rsplit("/", 1)[-1] for name in names]
    return [
        f"inbox/{mail_id}/{name if last.count(short) > 1 else short}" for short, name in zip(last, names, strict=True)
    ]


def text(words: str) -> Json:
    return {"type": "text", "text": words}


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def encoded(value: Any) -> bytes:
    return compact(value).encode()
