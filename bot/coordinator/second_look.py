"""The independent verifier: a fresh agent that sees the request, the criteria and the artifacts, and nothing else."""

from __future__ import annotations

from typing import Any

from bot.coordinator import verify
from bot.store import journal
from bot.store.database import Tx
from bot.tools.team import open_agent
from bot.types import Check, Json

BRIEF = "Judge whether the criteria hold, from the artifacts in your workspace alone."


def criteria(tasks: list[Any]) -> list[Json]:
    """What the plan promised, one entry per criterion: {"id", "task", "text"}."""
    return [
        {"id": f"{task['id']}.{number}", "task": task["id"], "text": words}
        for task in tasks
        for number, words in enumerate(task["criteria"], 1)
    ]


def is_due(tasks: list[Any], scripts: list[Json], files: dict[str, str]) -> bool:
    """Whether there is something that fresh eyes can judge: a skill's checks, or promises about files."""
    return bool(scripts) or bool(files and criteria(tasks))


def begin(tx: Tx, run: Any, name: str, tasks: list[Any], skill: str, scripts: list[Json], given: Json) -> None:
    """Open the verifier on what `given` holds: the artifacts by path and hash, and the reply."""
    inputs = {
        "request": run["request"],
        "criteria": criteria(tasks),
        "checks": [{"skill": skill, "args": {}, **entry} for entry in scripts],
        **given,
    }
    open_agent(tx, run["id"], run["team_id"], name=name, role="verifier", parent="cadre", brief=BRIEF, inputs=inputs)


def verdicts(verifier: Any) -> list[Check]:
    """What the verifier found. What it left out, or could not judge, is a failed check and never a pass."""
    args, wanted = verifier["finish"]["args"], verifier["inputs"]
    given = {str(v["name"]): v for v in args.get("verdicts", [])}
    words = {one["id"]: one["text"] for one in wanted["criteria"]}
    found = [
        Check(f"verifier: {words.get(name, name)}", bool(v["passed"]), v.get("detail", ""))
        for name, v in given.items()
    ]
    # Scripts are the stricter measure: with them each script's verdict is needed, without them each criterion's.
    if wanted["checks"]:
        left_out = ["a check"] if len(found) < len(wanted["checks"]) else []
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
