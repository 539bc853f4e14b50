"""Roles are data, and each field of them counts: what is wrong in a file is told by its name and field."""

from __future__ import annotations

import asyncio
import json
import typing
from decimal import Decimal
from pathlib import Path

import pytest
from anthropic.types import OutputConfigParam

from bot.app import SKILLS
from bot.errors import OperatorMustFix
from bot.model.client import AnthropicModel
from bot.policy.gate import Call, Effect, Verdict, decide, reaches
from bot.skills import RoleHead, SkillLibrary
from bot.store import schema as t
from bot.team.roles import all_roles, system_blocks
from loopback.model.scripted import call
from tests.team.harness import worker

SKILL = "---\nname: tidy\ndescription: Tidies things.\n---\nTidy up.\n"
ROLE = {"name": "cleaner", "purpose": "Cleans.", "tools": "[read_channel, mcp__crm__*, google__*]"}


def folder(home, **fields):
    """A skill with one role."""
    place = home / "skills" / "tidy"
    (place / "roles").mkdir(parents=True)
    (place / "SKILL.md").write_text(SKILL)
    head = "".join(f"{key}: {value}\n" for key, value in {**ROLE, **fields}.items())
    (place / "roles" / "cleaner.md").write_text(f"---\n{head}---\nYou clean.\n")
    return home / "skills"


def test_every_role_that_comes_along_is_whole():
    found = {role.name: role for role in all_roles(SkillLibrary(SKILLS))}
    assert {"lead", "specialist", "verifier", "actuals", "press"} <= found.keys()
    assert found["actuals"].data == ("ledger",) and found["analyst"].data == ()
    assert found["verifier"].effort == "high"
    for role in found.values():
        assert Path(role.place).stem == role.name


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("effort", "extreme"), ("model", "[a, b]"), ("model", "two words"), ("budget", "-1"), ("budget", "cheap"),
        ("tools", "all"), ("data", "['Über alles']"), ("skills", "[nothing-of-the-kind]"), ("ends", "never"),
        ("purpose", "''"), ("name", "A B"), ("modell", "claude-sonnet-5-5"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_with_the_file_and_the_field_before_any_work(tmp_path, field, value):
    with pytest.raises(OperatorMustFix) as told:
        SkillLibrary(folder(tmp_path, **{field: value}))
    assert "cleaner.md" in str(told.value)
    assert f"{field}" in str(told.value)


def test_the_levels_of_effort_are_those_of_the_messages_api():
    ours = set(typing.get_args(RoleHead.model_fields["effort"].annotation)) - {""}
    hints = typing.get_type_hints(OutputConfigParam)["effort"]
    theirs = {level for part in typing.get_args(hints) for level in typing.get_args(part)}
    assert ours == theirs


def test_model_and_effort_of_a_role_stand_in_its_requests():
    async def scenario():
        model = AnthropicModel(name="claude-sonnet-5-5", api_key="k", base_url="http://127.0.0.1:1")
        model.efforts["claude-haiku-5-5"] = frozenset({"low"})
        try:
            own = json.loads(model.head(system=[], tools=[], model="claude-haiku-5-5", effort="low") + b"}")
            assert (own["model"], own["output_config"]) == ("claude-haiku-5-5", {"effort": "low"})
            usual = json.loads(model.head(system=[], tools=[], effort="low") + b"}")
            assert usual["model"] == "claude-sonnet-5-5" and "output_config" not in usual
        finally:
            await model.close()

    asyncio.run(scenario())


def test_a_role_reads_only_its_data_and_works_only_by_its_skills():
    def verdict(tool, effect=Effect.READ, **more):
        return decide(Call(tool, effect, ("*",), **more))

    crm = {"data": ("crm",)}
    assert verdict("mcp__crm__contacts", **crm).verdict is Verdict.ALLOW
    refused = verdict("mcp__ledger__trial_balance", **crm)
    assert refused.verdict is Verdict.REFUSE
    assert refused.reason == "the role's data are crm, not ledger"
    assert verdict("google__docs_create", Effect.SHARED, **crm).verdict is Verdict.REFUSE
    assert verdict("read_channel", data=()).verdict is Verdict.REFUSE
    assert verdict("read_file", data=()).verdict is Verdict.ALLOW
    assert verdict("google__drive_read", data=("google:Finance",)).verdict is Verdict.ALLOW
    assert verdict("work_through", args={"folder": "People"}, data=("google:Finance",)).verdict is Verdict.REFUSE
    assert verdict("work_through", args={"folder": "Finance"}, data=("google:Finance",)).verdict is Verdict.ALLOW
    tidy = {"skills": ("tidy",)}
    assert verdict("run_script", args={"skill": "tidy", "script": "x.py"}, **tidy).verdict is Verdict.ALLOW
    other = verdict("run_script", args={"skill": "quarterly-close", "script": "x.py"}, **tidy)
    assert other.reason == "the role works by tidy, not by quarterly-close"
    assert verdict("skill_open", args={"name": "quarterly-close"}, **tidy).verdict is Verdict.REFUSE


def test_a_file_is_reached_by_its_name_its_id_and_the_folders_it_lies_in():
    assert reaches(None, "google", ("f1",))
    assert reaches(("google",), "google", ("f1", "Plan"))
    assert reaches(("google:Finance*",), "google", ("f1", "Plan", "d7", "Finance 2026"))
    assert not reaches(("google:Finance",), "google", ("f1", "Finance of others"))
    assert not reaches(("crm:Finance",), "google", ("f1", "Finance"))


def test_the_index_of_skills_shows_a_role_what_it_may_use(tmp_path):
    library = SkillLibrary(SKILLS, folder(tmp_path, skills="[tidy]"))
    role = library.skills["tidy"].role("cleaner")
    shown = str(system_blocks(library, role, "", lead=True))
    assert "tidy: Tidies things." in shown and "quarterly-close" not in shown


def test_a_role_with_a_budget_gives_each_of_its_agents_a_limit(tmp_path):
    skills = folder(tmp_path, budget="0.25", data="[crm]", effort="low")

    def script(body):
        turn = sum(m["role"] == "assistant" for m in body["messages"])
        if body["metadata"]["user_id"].endswith("/lead"):
            spawn = {"name": "vic", "role": "cleaner", "skill": "tidy", "brief": "clean"}
            done = {"status": "done", "summary": "done", "reply": "Done."}
            steps = [("spawn_agent", spawn), ("wait", {"from": ["vic"]}), ("finish", done)]
            return [call(*steps[turn])]
        steps = [("list_files", {}), ("finish", {"status": "done", "summary": "ok"})]
        return [call(*steps[turn])]

    async def scenario():
        async with worker(tmp_path, script, skills=skills) as here:
            view = await here.ended(await here.ask())
            assert view.run.status == "done"
            return await here.db.read(lambda c: c.execute(t.budget.select()).mappings().all())

    (limit,) = asyncio.run(scenario())
    assert (limit["scope"], limit["period"], Decimal(limit["hard"])) == ("agent", "run", Decimal("0.25"))
    assert limit["scope_id"].endswith("/vic")
