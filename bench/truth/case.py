"""A data set as the bench uses it: documents, a request, what the oracle knows, and how the result is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import yaml

from bench.targets import Target
from bench.truth.delivered import Delivered
from bench.truth.labels import Json, Label


@dataclass(frozen=True)
class Case:
    """One request with the documents it is about."""

    name: str  # of its folder and its skill
    request: str
    documents: Mapping[str, str]  # text by file name
    questions: Sequence[Json]  # of its form
    instructions: str
    labels: Mapping[str, Sequence[Label]]
    window: int = 48_000
    overlap: int = 1_500
    max_tokens: int = 32_000

    def lay_out(self, drive: Path, skills: Path) -> None:
        """Put the documents into a Drive, and a skill with the form beside those of the product."""
        folder = drive / self.name
        folder.mkdir(parents=True)
        for name, text in self.documents.items():
            (folder / name).write_text(text, encoding="utf-8", newline="")
        place = skills / self.name
        (place / "forms").mkdir(parents=True)
        about = f"Reads {self.name} by its form."
        (place / "SKILL.md").write_text(f"---\nname: {self.name}\ndescription: {about}\n---\n{about}\n")
        _dump(place / "playbook.yml", self._playbook())
        form = {
            "title": self.name,
            "instructions": self.instructions,
            "window": {"characters": self.window, "overlap": self.overlap},
            "max_tokens": self.max_tokens,
            "questions": list(self.questions),
        }
        _dump(place / "forms" / "form.yml", form)

    def steps(self) -> list[Json]:
        """What the playbook's lead does: the work by the form, and its tables to the requester."""
        files = ["{{ results.work.table }}", "{{ results.work.manifest }}"]
        return [
            step("work", "work_through", folder=self.name, skill=self.name, form="form"),
            finish("{{ results.work.say }}", files),
        ]

    def _playbook(self) -> Json:
        match = {"pattern": f"(?i)^{self.request}$", "understood": self.request, "mode": "delegation", "role": "lead"}
        return {"skill": self.name, "match": [match], "roles": {"lead": {"steps": self.steps()}}}


def step(name: str, call: str, **arguments: Any) -> Json:
    """One call of a playbook."""
    return {"id": name, "call": call, "with": arguments}


def finish(reply: str, files: list[str]) -> Json:
    """The end of a playbook: a reply with files attached."""
    return step("end", "finish", status="done", summary="It is done.", reply=reply, outputs=files, attach=files)


def _dump(place: Path, value: Any) -> None:
    place.write_text(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1000), encoding="utf-8")


@dataclass(frozen=True)
class Verdict:
    """What one delivered result is worth."""

    targets: tuple[Target, ...]
    figures: Json = field(default_factory=dict)  # reported, without a target
    examples: tuple[str, ...] = ()  # of what was missed


class DataSet(Protocol):
    """One kind of data of the folder."""

    name: str

    def cases(self) -> list[Case]:
        """The requests that are made of it."""
        ...

    def judge(self, results: Mapping[str, Delivered]) -> Verdict:
        """What the results of a perfect oracle are worth; by the name of the case."""
        ...
