"""The table of failures is whole: every kind that code can raise has a rule, and the rules are what happens."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from bot.slack import messages
from bot.team import recovery
from bot.team.recovery import RULES, Who

BOT = Path(recovery.__file__).parents[1]
KIND_AT = {"fail": 2, "_failed": 2, "fail_agent": 3, "RunFailed": 0, "given_up": 0, "rule": 0, "pause": 0}


def raised_kinds():
    """Every kind of failure that stands as a constant where a failure is made: (kind, file)."""
    found = set()
    for place in BOT.rglob("*.py"):
        tree = ast.parse(place.read_text(encoding="utf-8"))
        names = {
            target.id: node.value.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                found |= {(kind, place.name) for kind in _kinds_of(node, names)}
    return found


def _kinds_of(node, names):
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    given = [node.args[KIND_AT[name]]] if name in KIND_AT and len(node.args) > KIND_AT[name] else []
    if name == "__init__" and any(isinstance(a, ast.Constant) for a in node.args[:1]) and len(node.args) == 2:
        given.append(node.args[0])  # an error class of a fixed kind
    if name == "end_run":
        given += [k.value for k in node.keywords if k.arg == "kind"]
    for value in given:
        for one in [] if isinstance(value, ast.Subscript) else ast.walk(value):
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                yield one.value
            elif isinstance(one, ast.Name) and isinstance(names.get(one.id), str):
                yield names[one.id]


def test_every_kind_of_failure_that_code_can_raise_is_in_the_table():
    found = {kind for kind, _ in raised_kinds()}
    assert {"verification", "poison", "model_rejected", "google", "conflict", "stopped", "budget"} <= found
    missing = sorted((kind, file) for kind, file in raised_kinds() if kind not in RULES and kind != "drill")
    assert missing == []
    assert set(messages.UNREACHABLE) <= RULES.keys()


def test_every_rule_says_who_acts_and_what_a_person_reads():
    for rule in RULES.values():
        assert rule.words.endswith("."), rule.kind
        assert rule.tries or rule.by is not Who.AGENT, rule.kind
        assert rule.by is Who.CADRE or not rule.first_s, rule.kind


@pytest.mark.parametrize("kind", [k for k, rule in RULES.items() if rule.by is Who.COLLEAGUE])
def test_a_colleague_takes_over_as_often_as_the_table_says(kind):
    assert recovery.can_be_taken_over(kind)
    assert recovery.owners(kind) == RULES[kind].tries


def test_checks_are_tried_as_often_as_the_table_says():
    tries = RULES["verification"].tries
    assert not recovery.given_up("verification", tries - 1, 0.0, 0.0)
    assert recovery.given_up("verification", tries, 0.0, 0.0)
    assert not recovery.can_be_taken_over("verification")
