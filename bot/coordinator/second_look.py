"""The independent verifier: a fresh agent that sees the request, the criteria and the artifacts, and nothing else."""

from __future__ import annotations

import json
import random
from typing import Any

from sqlalchemy import Connection, select

from bot.coordinator import terms, verify
from bot.store import journal, mail
from bot.store import schema as t
from bot.store.database import Tx
from bot.store.documents import Kept
from bot.store.item_tables import item, item_answer
from bot.tools.team import open_agent
from bot.types import Check, Json

ROLE = "verifier"
SAMPLED = 6  # answers of bulk work, drawn by the run's own id
FLAGGED = 12  # answers that were sent back before they held
AROUND = 300  # characters of the document on either side of a quote
BRIEF = "Judge whether the criteria hold, from the artifacts in your workspace alone."


def criteria(tasks: list[Any]) -> list[Json]:
    """What the plan promised, one entry per criterion: {"id", "task", "text"}."""
    return [
        {"id": f"{task['id']}.{number}", "task": task["id"], "text": words}
        for task in tasks
        for number, words in enumerate(task["criteria"], 1)
    ]


def sample(connection: Connection, run: Any) -> list[Json]:
    """Answers of bulk work to be judged: those that were sent back on the way, up to a limit, and a few at random.

    `[{"id", "document", "question", "value", "quote", "passage"}]`, the passage as it stands in the document.
    """
    if run["offline"]:  # a playbook cannot judge whether an answer follows from a passage, and does not pretend to
        return []
    run_id, chance = run["id"], random.Random(run["id"])
    query = (
        select(item, t.agent.c.inputs)
        .join(t.agent, (t.agent.c.run_id == item.c.run_id) & (t.agent.c.name == item.c.work))
        .where(item.c.run_id == run_id, item.c.status == "done", item.c.document.is_not(None))
        .order_by(item.c.id)
    )
    done = list(connection.execute(query).mappings())
    chance.shuffle(done)
    sent_back = select(item_answer.c.item_id).where(
        item_answer.c.run_id == run_id, item_answer.c.status == "sent_back"
    )
    again = set(connection.execute(sent_back).scalars())
    hard = [one for one in done if one["id"] in again]
    easy = [one for one in done if one["id"] not in again]
    told = [_an_entry(connection, one, chance) for one in (*hard[:FLAGGED], *easy[:SAMPLED])]
    return [{"id": f"sample.{number}", **one} for number, one in enumerate(filter(None, told), 1)]


def _an_entry(connection: Connection, one: Any, chance: random.Random) -> Json | None:
    """One quoted answer of an item with what stands around it; None when it has none."""
    answers = json.loads(journal.get_blob(connection, one["result"]))
    entries = [(told["question"], entry) for told in answers for entry in told["entries"] if entry.get("spans")]
    if not entries:
        return None
    question, entry = chance.choice(entries)
    asked = {q["id"]: q for q in json.loads(journal.get_blob(connection, one["inputs"]["form"]))["questions"]}
    text = Kept.load(journal.get_blob(connection, one["document"])).text
    start, end = entry["spans"][0][0], entry["spans"][-1][1]
    return {
        "document": one["name"], "question": asked[question].get("ask") or asked[question].get("label", question),
        "value": entry.get("value"), "quote": entry["quote"], "passage": text[max(0, start - AROUND) : end + AROUND],
    }  # fmt: skip


def is_due(run: Any, tasks: list[Any], scripts: list[Json], given: Json) -> bool:
    """Whether there is something that fresh eyes can judge: a skill's checks, promises about files, a sample, and
    what the requester says counts as done."""
    promised = given["artifacts"] and criteria(tasks)
    return bool(scripts or given.get("sample") or promised or terms.criteria(run))


def begin(tx: Tx, run: Any, name: str, tasks: list[Any], skill: str, scripts: list[Json], given: Json) -> None:
    """Open the verifier on what `given` holds: the artifacts by path and hash, the reply, a sample of answers."""
    inputs = {
        "request": run["request"],
        "criteria": [*terms.criteria(run), *criteria(tasks)],
        "checks": [{"skill": skill, "args": {}, **entry} for entry in scripts],
        **given,
    }
    open_agent(tx, run["id"], run["team_id"], name=name, role=ROLE, parent=mail.HARNESS, brief=BRIEF, inputs=inputs)


def judges(agent: Any) -> bool:
    """Whether an agent is a verifier: opened here, by nobody of the team."""
    return bool(agent["role"] == ROLE and agent["parent"] == mail.HARNESS)


def verdicts(verifier: Any) -> list[Check]:
    """What the verifier found. What it left out, or could not judge, is a failed check and never a pass."""
    args, wanted = verifier["finish"]["args"], verifier["inputs"]
    given = {str(v["name"]): v for v in args.get("verdicts", [])}
    drawn = {
        one["id"]: f"sampled answer on {one['question'][:80]} in {one['document']}"
        for one in wanted.get("sample", ())
    }
    words = {one["id"]: one["text"] for one in wanted["criteria"]} | drawn
    found = [
        Check(f"verifier: {words.get(name, name)}", bool(v["passed"]), v.get("detail", ""))
        for name, v in given.items()
    ]
    # Scripts are the stricter measure: with them each script's verdict is needed, without them each criterion's.
    if wanted["checks"]:
        left_out = ["a check"] if len(found) < len(wanted["checks"]) else []
        asked = [one["id"] for one in wanted["criteria"] if not one["task"]]  # the requester's own words
        left_out += [name for name in (*drawn, *asked) if name not in given]
    else:
        left_out = [name for name in words if name not in given]
    if args["status"] != "done" or left_out:
        about = f" ({', '.join(left_out[:8])})" if left_out else ""
        found.append(
            Check("verifier", False, f"the verifier did not judge every criterion{about}: {args['summary']}")
        )
    return found


def note(tx: Tx, run_id: str, checks: list[Check]) -> None:
    """Keep checks of the run as a whole that passed."""
    journal.append(tx, run_id, "checked", {"scope": "run", "passed": True, "checks": verify.as_json(checks)})
