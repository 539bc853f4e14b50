"""Roles as data: purpose, tools, skills, data, model, effort and budget, from files here or in the skill at work."""

from __future__ import annotations

from pathlib import Path

from bot.skills import Role, SkillLibrary, read_role
from bot.team.context import text
from bot.types import Json

HERE = Path(__file__).parent / "roles"
# Every role may work with its own files, colleagues and an explicit end.
EVERYONE = (
    "read_file", "write_file", "edit_file", "list_files", "search_files", "query_table", "run_script",
    "send_message", "wait", "ask_person", "finish", "skill_open", "skill_search", "tool_search",
    "list_team", "claim_task", "release_task", "depend", "report", "review",
)  # fmt: skip


def find_role(library: SkillLibrary, skill: str, name: str) -> Role:
    """The skill's own role of that name, else ours, else the general specialist."""
    owner = library.skills.get(skill)
    found = owner.role(name) if owner else None
    if found is None:
        place = HERE / f"{name}.md"
        found = read_role(place if place.is_file() else HERE / "specialist.md")
    return found


def all_roles(library: SkillLibrary) -> list[Role]:
    """Every role there is. Raises OperatorMustFix naming the file and the field that is wrong."""
    return [*(read_role(place) for place in sorted(HERE.glob("*.md"))), *library.roles()]


def allowed(role: Role) -> tuple[str, ...]:
    """The tools of a role, with those that everyone has."""
    return (*EVERYONE, *role.tools)


def system_blocks(library: SkillLibrary, role: Role, skill: str, *, lead: bool) -> list[Json]:
    """The system prompt: stable for the agent's whole life, so that it is read from the cache."""
    blocks = [text(role.prompt)]
    if lead:
        blocks.append(text(f"<skills>\n{library.index(role.skills)}\n</skills>"))
    owner = library.skills.get(skill)
    if owner is not None and not lead:
        blocks.append(text(f'<skill name="{owner.name}">\n{owner.text}\n</skill>'))
        playbook = owner.role_playbook(role.name)
        if playbook:
            blocks.append(text(f'<playbook skill="{owner.name}" role="{role.name}">\n{playbook}</playbook>'))
    own = HERE / f"{role.name}.playbook.yml"
    if own.is_file():
        playbook = own.read_text(encoding="utf-8")
        blocks.append(text(f'<playbook skill="cadre" role="{role.name}">\n{playbook}</playbook>'))
    blocks[-1] = {**blocks[-1], "cache_control": {"type": "ephemeral"}}
    return blocks
