"""An agent's context is a fold over its rows: the same rows give the same bytes, so caches and replays hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bot.types import Json

Row = Mapping[str, Any]
ROW = "context.shortened"  # the journal row at which a context goes on shorter
THREAD = "thread.said"  # the journal row of what was said in the run's thread
FOLDS = ("turn", "tool.result", "note", THREAD, ROW)  # the kinds of rows that a context is made of


class Context:
    """The conversation as the Messages API takes it, each message encoded once.

    `turn`, `result` and `note` take the bodies of journal rows in their order, live or read back alike.
    """

    def __init__(self, opening: Sequence[Json]) -> None:
        """`opening` are the first user blocks."""
        self.parts: list[bytes] = []  # messages as JSON
        self.rows = 0  # taken in
        self.asked = False  # the last message was closed for a request whose reply is no row yet
        self.replies = 0
        self.idle_turns = 0  # replies in a row that called nothing
        self.cut_turns = 0  # replies in a row that hit the output limit
        self.refused_turns = 0  # replies in a row that the model declined
        self.heard: set[str] = set()  # messages of the thread that were told, by ts
        self.carried: Json = {}  # the body of the last row at which the context went on shorter
        self.shortened_at = 0  # replies before that row
        self._opening = list(opening)
        self._used = 0  # tokens of the last request and its reply
        self._last: Json = {}  # the last message, which a block of the same side still joins
        self._results: dict[str, Json] = {}  # blocks by call id, not yet in a message
        self._texts: list[Json] = list(opening)
        self._calls: list[str] = []  # ids of the last turn's calls, in order

    def turn(self, body: Json, mails: Sequence[Row]) -> None:
        """A reply, with the messages from colleagues that it had before it."""
        self.close_user(mails)
        self.rows, self.asked = self.rows + 1, False
        content = body["content"]
        self._calls = [block["id"] for block in content if block["type"] == "tool_use"]
        if content:
            self._push("assistant", content)
        self._used = sum(body.get("usage", {}).values())
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
        self.rows += 1

    def note(self, body: Json) -> None:
        """A word from the harness."""
        words = body["text"].replace("</note", "<\\/note")  # what it quotes cannot end it
        self._texts.append(text(f"<note>{words}</note>"))
        self.rows += 1

    def thread(self, body: Json) -> None:
        """What people and apps said in the run's thread: on one line and without a tag of its own, so that nothing
        in it passes for a word of the harness."""
        self._texts.append(text(f"<thread>{untagged(compact(body))}</thread>"))
        self.heard |= {one["ts"] for one in body["messages"]}
        self.rows += 1

    def close_user(self, mails: Sequence[Row]) -> None:
        """Put results (in the calls' order), then notes and mail, into one user message."""
        blocks = [self._results[call] for call in self._calls if call in self._results]
        blocks += self._texts + [mail_block(m) for m in mails]
        self._results, self._texts, self._calls = {}, [], []
        self.asked = True
        if blocks:
            self._push("user", blocks)

    def shortened(self, body: Json) -> None:
        """Go on with the opening, what was carried over, and the last turn with its results."""
        last, replies = self._last, self.replies
        self.rows += 1
        self.parts, self._last = [], {}
        self._push("user", [*self._opening, text(body["text"])])
        if last.get("role") == "assistant":
            self._push("assistant", last["content"])
        self.carried, self.replies, self.shortened_at, self._used = body, replies, replies, 0

    @property
    def answered(self) -> bool:
        """Whether the last message is a reply, and each of its calls has its result."""
        return self._last.get("role") == "assistant" and all(call in self._results for call in self._calls)

    def accepted(self, name: str) -> bool:
        """Whether a call of this tool in the last turn was answered without an error."""
        calls = [b["id"] for b in self._last.get("content", ()) if b["type"] == "tool_use" and b["name"] == name]
        return any(call in self._results and not self._results[call].get("is_error") for call in calls)

    def tokens(self) -> int:
        """About how large the next request is: what the last one and its reply used, and what came since."""
        if not self._used:
            return sum(map(len, self.parts)) // 4
        return self._used + sum(len(encoded(block)) for block in (*self._results.values(), *self._texts)) // 4

    def _push(self, role: str, blocks: list[Json]) -> None:
        if self._last.get("role") == role:  # a paused turn goes on, or more came before the next turn
            blocks = self._last["content"] + blocks
            self.parts.pop()
        elif role == "assistant":
            self.replies += 1
        self._last = {"role": role, "content": blocks}
        self.parts.append(encoded(self._last))


def fold(rows: Sequence[tuple[str, Json]], mails: Mapping[str, Row], opening: Sequence[Json]) -> Context:
    """Fold an agent's journal rows, (kind, body) in order.

    `mails` are its messages by id, `opening` its first user blocks.
    """
    context = Context(opening)
    for kind, body in rows:
        match kind:
            case "turn":
                context.turn(body, [mails[mail_id] for mail_id in body["mail"]])
            case "tool.result":
                context.result(body)
            case "note":
                context.note(body)
            case "thread.said":
                context.thread(body)
            case "context.shortened":
                context.shortened(body)
    return context


def mail_block(row: Row) -> Json:
    """A colleague's message as the agent reads it; the files are pointers into its workspace."""
    short = row["id"].rsplit("/", 1)[-1]
    told = {
        "id": short,
        "from": row["sender"],
        "text": row["text"],
        "data": row["data"],
        "files": inbox_paths(short, [f["name"] for f in row["files"]]),
    }
    return text(f"<message>{untagged(compact(told))}</message>")


def inbox_paths(mail_id: str, names: list[str]) -> list[str]:
    """Where colleagues' files lie in the recipient's workspace: by last name, or by the path where two share it."""
    last = [name.rsplit("/", 1)[-1] for name in names]
    return [
        f"inbox/{mail_id}/{name if last.count(short) > 1 else short}" for short, name in zip(last, names, strict=True)
    ]


def text(words: str) -> Json:
    return {"type": "text", "text": words}


def untagged(told: str) -> str:
    """JSON in which no word looks like the end of the tag that it stands in, or like a tag of the harness."""
    return told.replace("<", "\\u003c")


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def encoded(value: Any) -> bytes:
    return compact(value).encode()
