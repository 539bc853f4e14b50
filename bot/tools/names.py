"""Names and roles that are Cadre's own: no agent is appointed under them, or could be taken for one of them."""

from __future__ import annotations

import re

TAKEN = re.compile(r"(cadre|harness|verifier|bulk)[0-9_-]*|all|lead")
JUDGE = re.compile(r"verifier\d+")
ROLES = ("verifier", "item")  # only code appoints these
PLAIN_ROLE = r"^[^/\\.]{1,60}$"  # a role is looked up as a file of its name, so it names no other place


def problem(name: str, role: str) -> str:
    """Why nobody is appointed under this name and role, or ""."""
    if TAKEN.fullmatch(name):
        return f"The name {name} is taken by Cadre itself. Choose another one."
    if role.casefold() == "lead":
        return "A run has one lead. To have a part of the work led, appoint a part_lead."
    if role.casefold() in ROLES:
        return (
            f"Nobody appoints a {role}: Cadre does that itself. For a second opinion appoint a specialist, or ask a "
            "colleague for a review."
        )
    return ""
