"""How a window is asked about: its first message, one more turn with the diagnosis, a fresh start, the verdict."""

from __future__ import annotations

import structlog

from bot.model.client import Prompt
from bot.model.reply import Reply
from bot.team.context import encoded, text
from bot.team.items import answers
from bot.team.items.reading import Reading, Window, opening
from bot.team.items.work import Ended, Work
from bot.tools.forms import REPORT
from bot.types import Json

log = structlog.get_logger()

TRIES = 3  # answers per window: one, one more with the diagnosis, one from a fresh start; then a person looks
FRESH = (0, 2)  # the attempts that begin a conversation

SENT_BACK = "Not accepted. {} Correct this and call report again with all answers of the window."
NO_CALL = "Nothing was reported. Call report with the answers of this window."
ASK = "Answer every question of the form for window {} of {} of this document by calling report."


def first_message(one: Json, window: Window) -> bytes:
    """The window as the first user message of a conversation, encoded."""
    words = ASK.format(window.number, window.of)
    return encoded(_user(opening(one["name"], one["sha256"], window), window.shown, words))


def prompt(work: Work, one: Json, first: bytes, tries: list[Json]) -> Prompt:
    """The next request about a window, after what was answered before."""
    parts = [first]
    if len(tries) not in FRESH and tries[-1]["status"] == "sent_back":
        parts += _sent_back(tries[-1])
    cut = sum(given["status"] == "cut" for given in tries)
    return Prompt(
        head=work.head, user_id=f"{work.row['run_id']}/{one['id']}", messages=parts,
        max_tokens=work.form.max_tokens * 2**cut, number=len(tries) + 1,
    )  # fmt: skip


def settled(tries: list[Json], window: Window) -> list[Json] | None:
    """The accepted answers, or None when the window is to be asked about. Raises Ended when it is not any more."""
    if not tries:
        return None
    last = tries[-1]
    where = f"window {window.number} of {window.of}: " if window.of > 1 else ""
    if last["status"] == "accepted":
        found: list[Json] = last["body"]
        return found
    if last["status"] in ("refused", "failed"):
        raise Ended(last["status"], f"{where}{last['diagnosis']}")
    if len(tries) >= TRIES:
        raise Ended("person", f"{where}not answered acceptably in {TRIES} attempts: {last['diagnosis']}")
    return None


def judged(work: Work, reading: Reading, window: Window, reply: Reply) -> Json:
    """What a reply comes to: accepted with its checked answers, or sent back, cut, refused or failed and why."""
    if reply.stop_reason == "refusal":
        return {"status": "refused", "diagnosis": "the model declined to work on it", "body": []}
    if reply.stop_reason == "model_context_window_exceeded":
        return {"status": "failed", "diagnosis": "the window does not fit into the model's context", "body": []}
    if reply.stop_reason == "max_tokens":
        return {"status": "cut", "diagnosis": "the answer was cut at the output limit", "body": []}
    used = next((b for b in reply.content if b["type"] == "tool_use" and b["name"] == REPORT), None)
    if used is None:
        spoken = [b for b in reply.content if b["type"] == "text" and b["text"].strip()]
        return {"status": "sent_back" if spoken else "cut", "diagnosis": NO_CALL, "body": spoken}
    try:
        found = answers.checked(work.form, reading, window, used["input"])
    except answers.Wrong as wrong:
        return {"status": "sent_back", "diagnosis": str(wrong), "body": [used]}
    except Exception as error:  # a check that breaks is never a pass
        log.exception("an answer could not be checked", work=work.name)
        words = f"The answer could not be checked ({type(error).__name__}: {str(error)[:200]})."
        return {"status": "sent_back", "diagnosis": words, "body": [used]}
    return {"status": "accepted", "diagnosis": "", "body": found}


def _user(*blocks: str) -> Json:
    return {"role": "user", "content": [text(words) for words in blocks]}


def _sent_back(row: Json) -> list[bytes]:
    """The refused answer and its diagnosis, as the conversation goes on."""
    content = row["body"]
    used = next((block for block in content if block["type"] == "tool_use"), None)
    if used is None:
        return [encoded({"role": "assistant", "content": content}), encoded(_user(row["diagnosis"]))]
    result = {
        "type": "tool_result", "tool_use_id": used["id"], "is_error": True,
        "content": [text(SENT_BACK.format(row["diagnosis"]))],
    }  # fmt: skip
    return [encoded({"role": "assistant", "content": content}), encoded({"role": "user", "content": [result]})]
