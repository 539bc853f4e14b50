"""Runs the data sets one after the other, prints a table for each and writes the report."""

from __future__ import annotations

import dataclasses
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.targets import Target, report
from bench.truth import caught
from bench.truth.case import Case, DataSet
from bench.truth.cuad import Cuad
from bench.truth.elitr import Elitr
from bench.truth.faults import DROP
from bench.truth.filings import Filings
from bench.truth.labels import Json
from bench.truth.lead import ROUNDS
from bench.truth.nli import Nli
from bench.truth.oracle import Seen, Setting, serving
from bench.truth.policies import Policies
from bench.truth.pool import bare
from bench.truth.product import Result, product
from bench.truth.qmsum import QmSum
from bench.truth.ties import Ties

SETS: dict[str, Callable[[Path, int], DataSet | str]] = {
    "cuad": Cuad.find,
    "nli": Nli.find,
    "qmsum": QmSum.find,
    "elitr": Elitr.find,
    "policies": Policies.find,
    "filings": Filings.find,
    "ties": Ties.find,
}
PARTS = ("perfect", "faulty", "speed")
JUDGED = {"cuad": PARTS, "ties": PARTS[:1]}  # sets that have other parts than the first two
DELAY_S = 0.05
FALSE_ALARMS = 1.0  # percent
ROUNDS_OF_SPEED = 2  # the faster one counts, on both sides
SLOWER = 1.2  # times the bare pool


@dataclass
class Account:
    """What is reported of one data set."""

    targets: list[Json] = field(default_factory=list)
    figures: Json = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)
    good: bool = True

    def tell(self, title: str, targets: tuple[Target, ...], figures: Json, examples: tuple[str, ...] = ()) -> None:
        """Print a table, and keep it."""
        self.good = report(title, targets) and self.good
        for name, value in figures.items():
            print(f"{name}: {value}")
        for one in examples:
            print(f"  {one}")
        self.targets += [{"part": title, **dataclasses.asdict(one), "met": one.met} for one in targets]
        self.figures[title] = figures
        self.examples += examples


async def run_set(name: str, data: Path, most: int, seeds: Sequence[int], parts: tuple[str, ...]) -> Json:
    """One data set: with a perfect oracle, with a careless one, and against the clock."""
    found = SETS[name](data, most)
    if isinstance(found, str):
        print(f"\n{name}: skipped, {found}")
        return {"skipped": found}
    return dataclasses.asdict(
        await measure(found, seeds, [one for one in parts if one in JUDGED.get(name, PARTS[:2])])
    )


async def measure(found: DataSet, seeds: Sequence[int], parts: Sequence[str]) -> Account:
    """What is lost of a data set and what slips through, by the parts of `PARTS`."""
    account = Account()
    if "perfect" in parts:
        await _perfect(found, account)
    for seed in seeds if "faulty" in parts else ():
        await _faulty(found, account, seed)
    if "speed" in parts:
        await _speed(found, account)
    return account


def _labels(cases: list[Case]) -> Setting:
    return Setting({name: many for case in cases for name, many in case.labels.items()})


async def _perfect(found: DataSet, account: Account) -> None:
    cases = found.cases()
    with serving(_labels(cases)) as server, tempfile.TemporaryDirectory(prefix="cadre-truth-") as home:
        async with product(Path(home), cases, server.url) as cadre:
            results = {case.name: await cadre.ask(case) for case in cases}
            seen = server.seen()
    verdict = found.judge({name: one.delivered for name, one in results.items()})
    alarms = Target("false alarms: answers sent back", FALSE_ALARMS, 100.0 * seen.again / max(1, seen.calls), "%")
    ended = _ended(results)
    title = f"{found.name}, perfect oracle"
    refused = tuple(f"sent back: {one['said'][:300]}" for one in seen.refused[:5])
    account.tell(title, (ended, *verdict.targets, alarms), {**verdict.figures, **_took(results, seen)},
                 (*_unfinished(results), *verdict.examples, *refused))  # fmt: skip


async def _faulty(found: DataSet, account: Account, seed: int) -> None:
    """A careless model; a single case is asked as often as its lead has faults to make."""
    cases = found.cases()
    rounds = list(cases) * len(ROUNDS) if len(cases) == 1 else list(cases)
    setting = dataclasses.replace(_labels(cases), faulty=True, seed=seed)
    with serving(setting) as server, tempfile.TemporaryDirectory(prefix="cadre-truth-") as home:
        async with product(Path(home), cases, server.url) as cadre:
            results: dict[str, Result] = {}
            for number, case in enumerate(rounds, 1):
                results[f"{case.name} {number}"] = await cadre.ask(case)
            seen = server.seen()
    fates = caught.outcomes(seen.planted, {name: one.delivered for name, one in results.items()})
    told, shown = caught.targets(fates)
    slipped = tuple(f"slipped: {one.fault.shown()}" for one in fates if one.slipped and one.fault.kind != DROP)
    title = f"{found.name}, careless oracle (seed {seed})"
    account.tell(
        title, (_ended(results), *told), {**shown, **_took(results, seen)}, (*_unfinished(results), *slipped[:8])
    )


async def _speed(found: DataSet, account: Account) -> None:
    """The work beside the same calls made by a bare pool of the width that the work reached."""
    case = found.cases()[0]
    setting = dataclasses.replace(_labels([case]), delay_s=DELAY_S, keep=True)
    rounds: list[tuple[float, float]] = []  # seconds of the work, and from mention to answer
    with serving(setting) as server:
        for _ in range(ROUNDS_OF_SPEED):
            with tempfile.TemporaryDirectory(prefix="cadre-truth-") as home:
                async with product(Path(home), [case], server.url) as cadre:
                    result = await cadre.ask(case)
                    began, ended = await cadre.worked(result.run["run"]["id"])
                    rounds.append((ended - began, result.took_s))
                    seen = server.seen()
        alone = min([await bare(server.url, seen.bodies, seen.most) for _ in range(ROUNDS_OF_SPEED)])
    work, answer = min(rounds)
    account.tell(
        f"{found.name}, {DELAY_S * 1e3:g} ms a call",
        (Target("the work over the same calls by a bare pool", SLOWER, work / alone),),
        {"calls": seen.calls, "width": seen.most, "work, s": round(work, 2), "bare pool, s": round(alone, 2),
         "from mention to answer, s": round(answer, 2)},
    )  # fmt: skip


def _took(results: Mapping[str, Result], seen: Seen) -> Json:
    seconds = round(sum(one.took_s for one in results.values()), 1)
    return {"seconds": seconds, "calls": seen.calls, "sent back": seen.again}


def _unfinished(results: Mapping[str, Result]) -> list[str]:
    return [
        f"{name} ended {one.status}: {one.run['run']['error'] or ' '.join(one.delivered.texts[-1:])[:300]}"
        for name, one in results.items() if one.status != "done"
    ]  # fmt: skip


def _ended(results: Mapping[str, Result]) -> Target:
    done = [one for one in results.values() if one.status == "done"]
    return Target("requests that ended done", len(results), len(done), least=True)


def write(place: Path, sets: Json, data: Path, seeds: Sequence[int]) -> None:
    """The report as JSON, set by set."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    told = {"data": str(data), "seeds": list(seeds), "at": at, "sets": sets}
    place.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
