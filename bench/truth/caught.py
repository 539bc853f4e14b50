"""Counts what became of planted faults in what people got."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.targets import Target
from bench.truth.delivered import Delivered
from bench.truth.faults import DIGIT, DROP, EARLY, INVENT, SKIP, Planted
from bench.truth.judge import Answers, share
from bench.truth.labels import Json, plain


@dataclass(frozen=True)
class Outcome:
    """One planted fault, and whether people met it in what was delivered."""

    fault: Planted
    slipped: bool


def outcomes(planted: Iterable[Planted], delivered: Mapping[str, Delivered]) -> list[Outcome]:
    """The fate of each fault; `delivered` are all results of the careless model. What was in a request that ended
    without a result reached nobody, and counts neither way."""
    answers = [Answers.of(one) for one in delivered.values()]
    said = plain("\n".join(text for one in delivered.values() for text in one.texts))
    names = {name for one in answers for name in one.status}
    judged = [fault for fault in planted if not fault.item or fault.item.rsplit("/", 1)[-1] in names]
    return [Outcome(fault, _slipped(fault, answers, said)) for fault in judged]


def _slipped(fault: Planted, answers: list[Answers], said: str) -> bool:
    if not fault.item:
        return plain(fault.now) in said
    name = fault.item.rsplit("/", 1)[-1]
    found = [one for one in answers if name in one.status][-1]
    if fault.value:
        return any(
            plain(entry.quote) == plain(fault.was) and f'"{fault.value}"' in entry.value
            for entry in found.entries.get((name, fault.question), ())
        )
    if fault.kind in (DIGIT, INVENT):
        return any(plain(entry.quote) == plain(fault.now) for entry in found.entries.get((name, fault.question), ()))
    if found.status[name] != ["done"]:
        return False  # it is named as not done
    if fault.kind == EARLY:
        return not any(key[0] == name for key in (*found.entries, *found.none))
    key = (name, fault.question)
    if fault.kind == SKIP:
        return not found.entries.get(key) and not found.none.get(key)
    return not found.holds(name, fault.question, [plain(fault.was)]) and bool(found.none.get(key))


def targets(found: list[Outcome]) -> tuple[tuple[Target, ...], Json]:
    """What a careless model may cost, and the numbers behind it."""
    kinds = {kind: [one for one in found if one.fault.kind == kind] for kind in (DIGIT, INVENT, SKIP, EARLY, DROP)}
    needed = {DIGIT: 95.0, INVENT: 95.0, SKIP: 95.0, EARLY: 100.0}
    told = tuple(
        Target(f"{kind}s caught of {len(kinds[kind])}", least, _caught(kinds[kind]), "%", least=True)
        for kind, least in needed.items()
        if kinds[kind]
    )
    shown = {
        kind: {"planted": len(many), "slipped": sum(one.slipped for one in many),
               "by the lead": sum(not one.fault.item for one in many)}
        for kind, many in kinds.items()
    }  # fmt: skip
    return told, shown


def _caught(many: list[Outcome]) -> float:
    return share(sum(not one.slipped for one in many), len(many))
