"""`cadre skills`: the conventions that are installed, shown, searched and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bot.commands.shared import AsJson, print_json, say
from bot.types import Json

skills = typer.Typer(help="A team's conventions: SKILL.md folders.", no_args_is_help=True)


def _library() -> Any:
    from bot.app import SKILLS
    from bot.settings import load
    from bot.skills import SkillLibrary

    return SkillLibrary(SKILLS, load().home / "skills")


def _brief(skill: Any) -> Json:
    return {"name": skill.name, "description": skill.description, "path": str(skill.path)}


def _print(found: list[Json], as_json: bool) -> None:
    if as_json:
        print_json(found)
    for one in [] if as_json else found:
        print(f"{one['name']}: {one['description']}")


@skills.command("list")
def skills_list(as_json: AsJson = False) -> None:
    """Every installed skill, those of the home in place of built-in ones of the same name."""
    _print([_brief(skill) for skill in _library().skills.values()], as_json)


@skills.command("search")
def skills_search(query: Annotated[str, typer.Argument(help="Words.")], as_json: AsJson = False) -> None:
    """Skills that share words with the query, best first."""
    found = [_brief(skill) for skill in _library().search(query)]
    if not found:
        say("No skill shares a word with that.")
    _print(found, as_json)


@skills.command("show")
def skills_show(name: Annotated[str, typer.Argument(help="As `list` prints it.")], as_json: AsJson = False) -> None:
    """One skill: its text, the requests it understands, its roles, scripts and checks."""
    skill = _library().skills.get(name)
    if skill is None:
        raise typer.BadParameter(f"there is no skill {name!r}; see `cadre skills list`.", param_hint="NAME")
    told = {
        **_brief(skill),
        "requests": [entry["pattern"] for _, entry in skill.patterns],
        "roles": [place.stem for place in sorted(skill.path.glob("roles/*.md"))],
        "scripts": [place.name for place in sorted(skill.path.glob("scripts/*.py"))],
        "checks": [check["script"] for check in skill.checks],
        "text": skill.text,
    }
    if as_json:
        print_json(told)
        return
    print(f"{skill.name}: {skill.description}\n{skill.path}\n")
    for title in ("requests", "roles", "scripts", "checks"):
        for one in told[title]:
            print(f"{title.removesuffix('s')}: {one}")
    print(f"\n{skill.text}")


@skills.command("validate")
def skills_validate(
    folder: Annotated[Path, typer.Argument(help="The folder that holds SKILL.md.", exists=True, file_okay=False)],
    as_json: AsJson = False,
) -> None:
    """Name everything in a skill's folder that cannot be used; exits 1 when there is something."""
    from bot.skills import problems

    found = problems(folder)
    if as_json:
        print_json({"path": str(folder), "problems": found})
    for words in [] if as_json else found or [f"{folder} can be used as it is."]:
        print(words)
    if found:
        raise typer.Exit(1)
