"""One directory per run and one below it per agent; an agent's file tools cannot leave theirs."""

from __future__ import annotations

import os
import re
from pathlib import Path

from bot.errors import ModelMustRetry


class Workspace:
    """The files of one agent. Paths are relative, with `/`; inbox/<message>/ holds what colleagues sent."""

    def __init__(self, home: Path, run_id: str, agent_name: str) -> None:
        self.root = home / "runs" / run_id / agent_name
        self.root.mkdir(parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        """The place of a file inside this workspace. Raises ModelMustRetry for one outside."""
        place = (self.root / name).resolve()
        if not place.is_relative_to(self.root.resolve()):
            raise ModelMustRetry(f"{name!r} is outside your workspace; use a relative path such as notes.md.")
        return place

    def existing(self, name: str) -> Path:
        """Like `path`, for a file that must be there. Raises ModelMustRetry with what is."""
        place = self.path(name)
        if not place.is_file():
            known = ", ".join(self.names()[:20]) or "nothing"
            raise ModelMustRetry(f"There is no file {name!r} in your workspace. It holds: {known}.")
        return place

    def write(self, name: str, data: bytes) -> str:
        """Write a whole file or nothing of it; returns its relative name."""
        place = self.path(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = place.with_name(f".{place.name}.{os.getpid()}.part")
        partial.write_bytes(data)
        partial.replace(place)
        return place.relative_to(self.root.resolve()).as_posix()

    def names(self) -> list[str]:
        """Every file's relative name, sorted."""
        root = self.root.resolve()
        return sorted(
            p.relative_to(root).as_posix()
            for p in root.rglob("*")
            if p.is_file() and not p.is_symlink() and not p.name.startswith(".")
        )


def safe_name(text: str) -> str:
    """A file name made of letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._")[:80] or "file"
