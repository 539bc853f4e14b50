"""Limits in a request's own words, and what a run will likely cost, said before it is spent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, ROUND_UP, Decimal
from statistics import median
from typing import Any

from sqlalchemy import func, select, update

from bot.coordinator import amounts
from bot.store import journal, money
from bot.store import schema as t
from bot.store.database import Tx, by_id

QUOTED = "Forwarded message, quoted as data"  # begins what a request quotes, after its own words
EARLIER = 20  # runs of the same skill that an estimate looks at
BY_PLAN = "by its plan of"
CENT = Decimal("0.01")
UNREAD = (
    "No limit is set: the amount in “{words}” cannot be read for certain. To set one, write `stop` and ask again "
    "with the amount in plain digits, for example: for at most $1000."
)

_AMOUNT = rf"(?:US)?\$\s?(?P<dollars>{amounts.WRITTEN})(?P<thousands>\s?(?:k|thousand)\b)?"
_LEAD = (
    r"(?:(?:for|with|spend(?:ing)?|costing|cost|use|using)\s+)?(?:at\s+most|no\s+more\s+than|up\s+to|a\s+maximum\s+of)"
    r"|(?:(?:with|on|within)\s+)?(?:an?\s+)?budget(?:\s+of|\s*:)?"
)
WORDS = re.compile(
    rf"(?i)(?<![\s,;(])[\s,;(]*\b(?:{_LEAD})\s+{_AMOUNT}"  # a run of blanks is read once, from its start
    r"(?:\s*(?:a|an|per|each|every)\s+(?P<period>run|day|week|month))?[)\s.!]*$"
)


@dataclass(frozen=True)
class Asked:
    """A limit that a request names, and the request without those words."""

    text: str
    hard: Decimal
    period: str  # run | day | week | month


def own(text: str) -> str:
    """What somebody wrote themselves, without the messages that they forwarded."""
    return text.partition(QUOTED)[0].rstrip()


def parse(text: str) -> Asked | None:
    """Understand `… for at most $2`, `… budget $2`, `… up to $20 a month` at the end of a request; else None."""
    found = _found(own(text))
    hard = _amount(found) if found else None
    if found is None or hard is None:
        return None
    return Asked(found.string[: found.start()].rstrip(" ,;("), hard, (found["period"] or "run").lower())


def plain(text: str) -> str:
    """The request in its own words without a limit's, as skills should read it."""
    found = _found(own(text))
    return found.string[: found.start()].rstrip(" ,;(") if found else own(text)


def unread(text: str) -> str:
    """What a request says about a limit where its amount cannot be read; "" when there is no such thing."""
    found = _found(own(text))
    return found[0].strip(" ,;().!") if found and _amount(found) is None else ""


def _found(text: str) -> re.Match[str] | None:
    found = WORDS.search(text)
    return found if found and text[: found.start()].strip() else None


def _amount(found: re.Match[str]) -> Decimal | None:
    amount = None if found["thousands"] else amounts.read(found["dollars"])
    return amount or None


def begin(tx: Tx, run_id: str) -> None:
    """Keep the limit that a new run's request names, estimate it by earlier runs, and look at the lines above it."""
    row = by_id(tx.connection, t.run, run_id)
    asked = parse(row["request"])
    if asked is not None and asked.period == "run":
        money.set_limit(tx, row["team_id"], "run", run_id, "run", asked.hard)
    if words := unread(row["request"]):
        journal.append(tx, run_id, "notice", {"text": UNREAD.format(words=words)})
    if row["terms"].get("budget"):
        money.set_limit(tx, row["team_id"], "run", run_id, "run", Decimal(row["terms"]["budget"]))
    before = _earlier(tx, row)
    if before:
        count = f"{len(before)} earlier run{'s' if len(before) > 1 else ''}"
        keep_estimate(tx, run_id, median(before), f"by {count} of this kind")
    money.check(tx, run_id)


def for_automation(tx: Tx, team: str, automation: str, text: str) -> None:
    """A recurring request whose words cap a day, a week or a month of its runs."""
    asked = parse(text)
    if asked is not None and asked.period != "run":
        money.set_limit(tx, team, "automation", automation, asked.period, asked.hard)


def _earlier(tx: Tx, row: Any) -> list[Decimal]:
    """What finished runs of the same skill cost under the same prices, the latest ones."""
    if not row["skill"]:
        return []
    r = t.run.c
    found = tx.execute(
        select(r.spent)
        .where(
            r.team_id == row["team_id"], r.skill == row["skill"], r.model == row["model"],
            r.price_as == row["price_as"], r.status == "done", r.spent > 0,
        )
        .order_by(r.created_at.desc())
        .limit(EARLIER)
    )  # fmt: skip
    return [money.dollars(spent) for spent in found.scalars()]


def by_plan(tx: Tx, run_id: str) -> bool:
    """Estimate a run by its plan and what its turns cost so far; True when there was something to estimate by."""
    row = by_id(tx.connection, t.run, run_id)
    if row["estimate"] or not row["spent"]:
        return False
    tasks = int(tx.execute(select(func.count()).select_from(t.task).where(t.task.c.run_id == run_id)).scalar_one())
    expected = money.expected(tx.connection, run_id, tasks) if tasks else Decimal(0)
    if not expected:
        return False
    keep_estimate(tx, run_id, expected, f"{BY_PLAN} {tasks} task{'s' if tasks > 1 else ''}")
    return True


def plan_changed(tx: Tx, run_id: str) -> None:
    """Forget an estimate by a plan that a person has changed since; the next look makes a new one."""
    old = update(t.run).where(t.run.c.id == run_id, t.run.c.estimate_basis.startswith(BY_PLAN))
    tx.execute(old.values(estimate="", estimate_basis=""))


def keep_estimate(tx: Tx, run_id: str, amount: Decimal, basis: str) -> None:
    """Keep the estimate; one over a hard line is said at once."""
    told = amount.quantize(CENT if amount >= CENT else Decimal("0.0001"), ROUND_HALF_UP)
    tx.execute(update(t.run).where(t.run.c.id == run_id).values(estimate=f"{told:f}", estimate_basis=basis))
    over = next((x for x in money.lines(tx.connection, run_id, tx.now()) if x.spent + told > x.limit.hard), None)
    body: dict[str, str] = {"amount": f"{told:f}", "basis": basis}
    if over is not None:
        body |= {"scope": over.limit.scope, "period": over.limit.period, "hard": f"{over.limit.hard:f}"}
    journal.append(tx, run_id, "budget.estimate", body)


def suggested(line: money.Line, estimate: str) -> Decimal:
    """The limit to offer when one is reached: enough for the estimate, and half as much again at least."""
    wanted = max(line.limit.hard * Decimal("1.5"), (line.spent + line.reserved) * Decimal("1.25"))
    if estimate and line.limit.scope == "run":
        wanted = max(wanted, Decimal(estimate) * Decimal("1.25"))
    places = CENT if wanted >= Decimal("0.1") else Decimal("0.0001")
    return wanted.quantize(places, ROUND_UP)
