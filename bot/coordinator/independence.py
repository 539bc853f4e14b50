"""Work that must not be influenced: what the rows say about who could have read whom."""

from __future__ import annotations

from sqlalchemy import Connection, select

from bot.skills import Skill
from bot.store.mail import HARNESS
from bot.store.schema import agent, mail
from bot.types import Check


def check(connection: Connection, run_id: str, skill: Skill) -> list[Check]:
    """Whether those whom a playbook names as independent worked without word from anybody until all had handed in.

    An agent has its own workspace and context, so mail is the only way by which work could have reached it.
    """
    names = list(skill.playbook.get("independent", []))
    if not names:
        return []
    roles = select(agent.c.name).where(agent.c.run_id == run_id, agent.c.role.in_(names), agent.c.kind == "agent")
    people = list(connection.execute(roles).scalars())
    query = select(mail.c.seq, mail.c.sender, mail.c.recipient, mail.c.data).where(mail.c.run_id == run_id)
    letters = connection.execute(query.order_by(mail.c.seq)).all()
    handed: dict[str, int] = {}
    for letter in letters:
        if letter.sender in people and letter.data.get("report") and letter.data.get("status") == "done":
            handed.setdefault(letter.sender, letter.seq)
    missing = [name for name in names if name not in handed]
    if missing or len(people) != len(names):
        return [Check("independent", False, f"not handed in: {', '.join(missing) or 'one of them'}")]
    last = max(handed.values())
    early = [
        f"{letter.sender} wrote to {letter.recipient}"
        for letter in letters
        if letter.recipient in people and letter.sender != HARNESS and letter.seq < last
    ]
    words = f"{', '.join(names)} handed in before anybody wrote to any of them"
    return [Check("independent", not early, "; ".join(early[:6]) or words)]
