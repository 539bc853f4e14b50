"""Claims of a reply against the rows of its run: what was not read is told, and what is quoted was seen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, select

from bot.store import items, journal, mail
from bot.store import schema as t
from bot.store.documents import Kept
from bot.store.item_tables import item
from bot.tools.render import PLACEHOLDER
from bot.types import Check
from connectors.documents import quotes
from connectors.documents.document import from_text

QUOTED = re.compile(r"“([^“”]+)”|\"([^\"\n]+)\"")
WORDS = 6  # shorter quotes are names and expressions
UNSEEN = ("work_through", "finish")
TEXTS = (".md", ".txt", ".json", ".jsonl", ".csv", ".html")


def check_coverage(connection: Connection, run_id: str, reply: str) -> Check:
    """Bulk work that did not reach every document is told as such, in figures of the run."""
    cited = {name for kind, name in PLACEHOLDER.findall(reply) if kind == "f"}
    query = select(t.agent.c.name).where(t.agent.c.run_id == run_id, t.agent.c.kind == items.KIND)
    missing: list[str] = []
    for work in connection.execute(query.order_by(t.agent.c.id)).scalars():
        told = items.counts(connection, run_id, work)
        if told["done"] < told["total"]:
            wanted = ("done", "total", *(end for end in items.ENDS if end != "done" and told[end]))
            missing += [f"{work}.{name}" for name in wanted if f"{work}.{name}" not in cited]
    if not missing:
        return Check("coverage_told", True, "what was not read is told")
    names = ", ".join(f"{{{{f:{name}}}}}" for name in missing)
    return Check("coverage_told", False, f"not every document was read, and the reply does not say it: cite {names}")


def check_quotes(connection: Connection, run_id: str, reply: str, asked: str) -> Check:
    """Whole sentences in quote marks stand in something that this run has seen."""
    said = [one or two for one, two in QUOTED.findall(reply)]
    said = [words for words in said if len(words.split()) >= WORDS and not PLACEHOLDER.search(words)]
    if said:
        proven = connection.execute(select(t.evidence.c.value).where(t.evidence.c.run_id == run_id)).scalars()
        said = _strange(said, "\n\n".join([asked, *proven]))
    if said:
        said = _strange(said, "\n\n".join(_seen(connection, run_id)))
    if not said:
        return Check("quotes_known", True, "every quote was seen in this run")
    shown = "; ".join(f"“{words[:120]}”" for words in said[:3])
    return Check("quotes_known", False, f"quoted, but seen nowhere in this run: {shown}")


def _strange(said: list[str], text: str) -> list[str]:
    if not text.strip():
        return said
    document = from_text("seen", text, "seen")
    return [words for words in said if quotes.find(document, words) is None]


def _seen(connection: Connection, run_id: str) -> Iterator[str]:
    """What tools showed the run's agents, what people wrote, the documents of bulk work, and the artifacts.

    Answers and files of `UNSEEN` are left out, and refusals: why something was refused repeats what a model made up.
    """
    call, row = t.tool_call.c, t.journal.c
    ours = select(call.agent_id, call.id).where(call.run_id == run_id, call.name.in_(UNSEEN))
    left_out = {tuple(found) for found in connection.execute(ours)}
    rows = select(row.agent_id, row.body).where(row.run_id == run_id, row.kind == "tool.result")
    for agent, body in connection.execute(rows):
        if not body["is_error"] and (agent, body["id"]) not in left_out:
            yield from _strings(body["content"])
    told = select(t.mail.c.text).where(t.mail.c.run_id == run_id, t.mail.c.sender == mail.HARNESS)
    yield from connection.execute(told).scalars()
    files = select(row.agent_id, row.body).where(row.run_id == run_id, row.kind == "tool.files")
    of_bulk = {
        f"{agent.rsplit('/', 1)[-1]}/{name}"
        for agent, body in connection.execute(files)
        if (agent, body["call"]) in left_out
        for name in body["files"]
    }
    read = select(item.c.document).where(item.c.run_id == run_id, item.c.document.is_not(None)).distinct()
    for digest in connection.execute(read).scalars():
        yield Kept.load(journal.get_blob(connection, digest)).text
    made = select(t.artifact.c.name, t.artifact.c.sha256).where(t.artifact.c.run_id == run_id)
    for name, digest in connection.execute(made):
        if name.endswith(TEXTS) and name not in of_bulk:
            yield journal.get_blob(connection, digest).decode(errors="replace")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)
