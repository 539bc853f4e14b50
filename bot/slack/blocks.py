"""The messages a run should have in its thread: a pure function of its rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.slack import answer_words, answers, canvas_words, cards, document_words, messages, ways_words
from bot.slack.cards import Block, context, section, sections
from bot.slack.mrkdwn import NOTHING_SEEN, inert, link
from bot.types import Artifact, RunStatus, RunView, Said

TEXT_MAX = 12_000
BLOCKS_MAX = 50
NOTICES_SHOWN = 5
PLAN = "plan"  # the key of the plan card


@dataclass(frozen=True)
class Post:
    """One message that should be visible. `held` ones may wait for a quieter moment; `top` ones open the thread;
    `quiet` ones are brought up to date where they are visible and are never posted anew; `private` ones are a direct
    message to the requester.
    """

    key: str
    text: str
    blocks: tuple[Block, ...] = ()
    held: bool = False
    top: bool = False
    quiet: bool = False
    private: bool = False
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        told = json.dumps([self.text, self.blocks], sort_keys=True, ensure_ascii=False)
        object.__setattr__(self, "sha", hashlib.sha256(told.encode()).hexdigest())


@dataclass(frozen=True)
class Kept:
    """The canvas that shows a run's report, or why there is none."""

    url: str = ""
    title: str = ""
    why: str = ""


def render(
    view: RunView, kind: str = "mention", decided: Mapping[str, float] | None = None, lost: str = "",
    kept: Kept | None = None,
) -> list[Post]:  # fmt: skip
    """All messages of a run in the order in which they belong.

    `decided` says when approvals were answered, `lost` why the thread cannot be reached when it cannot,
    `kept` where the report is when a canvas was asked for.
    """
    run = view.run
    if lost:
        return _private(view, lost)
    ended = RunStatus(run.status).ended
    if kind == "schedule" and not view.tasks and not view.approvals:
        # A scheduled answer stands by itself in the channel; there is nobody to acknowledge.
        return _end(view, kept, top=True) if ended else []
    posts = []
    if not run.thread_ts:
        posts.append(_header(view, kind))
    posts.append(_ack(view))
    if _shared(view) and (ended or not run.muted):
        posts.append(_plan(view, ended))
    for passed in () if run.muted else view.budget.lines:
        text = messages.soft_line(passed)
        posts.append(_post(f"budget/{passed['seq']}", text, [section(text)]))
    for approval in view.approvals:
        when = (decided or {}).get(approval.id)
        blocks = cards.approval(approval, run.requester, ended, when)
        text = messages.asks(approval, run.requester)
        if cards.closed(approval, ended):
            text = f"{text}\n{messages.outcome(approval, when)}"
        posts.append(_post(f"approval/{approval.id}", text, blocks))
    posts += [_said(view, one) for one in view.said if not one.late]
    if ended:
        posts += _end(view, kept, top=False)
    return posts + [_said(view, one) for one in view.said if one.late]


def _post(
    key: str, text: str, blocks: list[Block], *, held: bool = False, top: bool = False, quiet: bool = False,
    private: bool = False,
) -> Post:  # fmt: skip
    told = inert(messages.brief(inert(text), TEXT_MAX - 3)) or NOTHING_SEEN
    return Post(key, told, tuple(blocks[:BLOCKS_MAX]), held, top, quiet, private)


def _header(view: RunView, kind: str) -> Post:
    text = messages.header(view.run, kind)
    return _post("header", text, [section(text)], top=True)


def _ack(view: RunView) -> Post:
    text = messages.ack(view.run)
    blocks = [section(text)]
    if not view.tasks:
        blocks += _notices(view)
    if view.run.offline:
        blocks.append(context(messages.OFFLINE))
    if view.budget.limit:
        blocks.append(context(messages.limit(view.budget)))
    terms = ways_words.terms(view.run)
    if terms:
        blocks.append(context(terms))
    return _post("ack", text, blocks)


def _said(view: RunView, one: Said) -> Post:
    text = document_words.undone(one.body) if one.kind == "undo" else messages.said(one, view.run)
    return _post(f"said/{one.seq}", text, [section(text)])


def _notices(view: RunView) -> list[Block]:
    told = [text.strip() for text in view.notices if text.strip()]
    return [section(messages.escape(messages.cut(text, 500))) for text in told[-NOTICES_SHOWN:]]


def _shared(view: RunView) -> bool:
    """Whether there is a plan to show: one agent with one task is a small ask, and its reply is enough."""
    workers = [agent for agent in view.agents if agent.role != "verifier"]
    return len(view.tasks) > 1 or bool(view.tasks and (len(workers) > 1 or view.approvals))


def _plan(view: RunView, ended: bool) -> Post:
    title = messages.plan_title(view.run, view.tasks)
    blocks: list[Block] = [cards.plan(view, title, ended), *_notices(view)]
    money = messages.running_total(view.cost, view.budget)
    if view.run.mode_reason:
        blocks.append(context(messages.way(view.run)))
    if money and not ended:
        blocks.append(context(money))
    if not ended:
        blocks.append(cards.controls(view.run))
    return _post(PLAN, messages.escape(title), blocks, held=not ended, quiet=view.run.muted)


def answer(view: RunView) -> str:
    """What an ended run says in the end, whole, as mrkdwn."""
    said = inert(view.summary_text.strip())
    if view.run.status == RunStatus.DONE:
        return said or f"Done: {messages.escape(messages.topic(view.run))}"
    text = messages.failure(view.run, written=bool(view.effects))
    ended_early = (view.run.error or {}).get("kind") in ("stopped", "budget")
    return f"{text}\n{said}" if said and (view.run.status == RunStatus.FAILED or ended_early) else text


def _end(view: RunView, kept: Kept | None, *, top: bool) -> list[Post]:
    done = view.run.status == RunStatus.DONE
    text, why = answer(view), []
    if kept is not None and kept.url:
        text = canvas_words.shown(answers.headline(text), link(kept.url, kept.title))
    elif kept is not None:
        why = [context(canvas_words.not_kept(kept.why))]
    below = [*why, *_made(view), *_footer(view, _verified(view) if done else []), *_undo(view)]
    return _parted("result", text, [*below, *([cards.feedback(view.run)] if done else [])], top=top)


def _parted(
    key: str, text: str, below: list[Block], *, above: str = "", top: bool = False, private: bool = False
) -> list[Post]:
    """A text as one message or several, with what belongs above the first and below the last.

    What is above has no part in where the text is cut, so that it is cut where its file is attached.
    """
    made = answers.parts(text)
    if above:
        made[0].blocks.insert(0, section(above))
        text = f"{above}\n\n{text}"
    posts = []
    for number, part in enumerate(made, 1):
        last, name = number == len(made), key if number == 1 else f"{key}/{number}"
        drawn = any(block["type"] == "data_visualization" for block in part.blocks)
        said = text if len(made) == 1 and not drawn else answers.fallback(part, TEXT_MAX)
        count = [context(answer_words.numbered(number, len(made)))] if len(made) > 1 else []
        blocks = [*part.blocks, *count, *(below if last else [])]
        posts.append(_post(name, said, blocks, top=top and number == 1, private=private))
    return posts


def _undo(view: RunView) -> list[Block]:
    """The way back, as long as something was written that nobody asked back."""
    if not view.undoable or view.run.control == "undo":
        return []
    return [{"type": "actions", "elements": [cards.button(messages.UNDO, "undo", {"run": view.run.id})]}]


def _made(view: RunView) -> list[Block]:
    """Links to what was made, the newest version of each."""
    newest: dict[str, Artifact] = {}
    for artifact in view.artifacts:
        if artifact.url.startswith(("http://", "https://")):
            newest[artifact.name] = artifact
    if not newest:
        return []
    links = [link(a.url, messages.cut(a.name, 100)) for a in newest.values()]
    return sections("\n".join(f"• {one}" for one in links))


def _verified(view: RunView) -> list[str]:
    """What was checked, by whom, and what was not."""
    failed = [check.name for check in view.verified if not check.passed]
    if failed:
        return [messages.not_verified(failed)]
    judged = [check.name for check in view.verified if check.name.startswith("verifier: ")]
    by_code = [check.name for check in view.verified if check.name not in judged]
    return messages.verified(by_code, [name.removeprefix("verifier: ") for name in judged], view.run.offline)


def _footer(view: RunView, said: list[str]) -> list[Block]:
    lines = [*said, f"Cost: {messages.final_cost(view)}"]
    if view.run.offline:
        lines.append(messages.OFFLINE)
    return [context(" · ".join(lines))]


def _private(view: RunView, lost: str) -> list[Post]:
    """What the requester reads in a direct message when the thread cannot be reached."""
    if view.run.status == RunStatus.DONE:
        why = f"{lost} So the answer to *{messages.escape(messages.topic(view.run))}* comes here."
        below = [*_made(view), *_footer(view, _verified(view))]
        return _parted("private", answer(view), below, above=why, private=True)
    return _parted("private", messages.failure(view.run, written=bool(view.effects), lost=lost), [], private=True)
