"""What a request tells the offline model: its playbook, its brief, its mail, and the calls it made so far."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

_PLAYBOOK = re.compile(r"<playbook\b([^>]*)>(.*?)</playbook>", re.DOTALL)
_SKILLS = re.compile(r"<skills>(.*?)</skills>", re.DOTALL)
_TAG = re.compile(r"^[ \t]*<(request|brief|inputs|message|note)\b([^>]*)>", re.MULTILINE)
_ATTRIBUTE = re.compile(r'([A-Za-z_]+)="([^"]*)"')
_SKILL_LINE = re.compile(r"-\s+([^\s:]+):\s*(.*)")
_MATCHES_LINE = re.compile(r"\s+matches:\s*(.+)")
_MENTION = re.compile(r"\s*<@[A-Z0-9]+(?:\|[^>]*)?>\s*")
_decoder = json.JSONDecoder()


@dataclass(frozen=True)
class Skill:
    """One line of the lead's list of skills."""

    name: str
    description: str
    patterns: tuple[str, ...]


@dataclass(frozen=True)
class Call:
    """A tool call of the conversation with what came back."""

    id: str
    name: str
    input: Mapping[str, Any]
    content: Any
    is_error: bool

    @cached_property
    def result(self) -> Any:
        """The result as data where it is JSON, else its text."""
        texts = _texts(self.content)
        for text in texts:
            try:
                return json.loads(text)
            except ValueError:
                continue
        return "\n".join(texts)

    @cached_property
    def error(self) -> str | None:
        """The tool's own sentence about a failure, None when it went well."""
        failed = isinstance(self.result, dict) and self.result.get("ok") is False
        if not (self.is_error or failed):
            return None
        if isinstance(self.result, dict):
            return str(self.result.get("error") or f"{self.name} failed without saying why")
        return str(self.result) or f"{self.name} failed without saying why"


@dataclass(frozen=True)
class Conversation:
    """One request, read once."""

    me: str
    role: str | None
    playbook: str | None
    skills: tuple[Skill, ...]
    request: str | None
    brief: str | None
    task: str
    inputs: Mapping[str, Any]
    today: str
    calls: Mapping[str, Call]
    mail: tuple[Mapping[str, Any], ...]

    def mail_from(self, name: str) -> list[Mapping[str, Any]]:
        return [m for m in self.mail if m.get("from") == name]


def read(body: Mapping[str, Any]) -> Conversation:
    """Reads a valid Messages request."""
    system = "\n".join(_texts(body.get("system")))
    playbook = _PLAYBOOK.search(system)
    attributes = dict(_ATTRIBUTE.findall(playbook.group(1))) if playbook else {}
    listed = _SKILLS.search(system)
    said = _Said()
    for message in body["messages"]:
        said.take(message)
    request_at = said.request_attributes.get("time", "")
    user = (body.get("metadata") or {}).get("user_id") or ""
    return Conversation(
        me=user.rpartition("/")[2],
        role=attributes.get("role"),
        playbook=playbook.group(2) if playbook else None,
        skills=_skills(listed.group(1)) if listed else (),
        request=said.request,
        brief=said.brief,
        task=said.task,
        inputs=said.inputs,
        today=str(said.inputs.get("today") or request_at[:10]),
        calls=said.calls(),
        mail=tuple(said.mail.values()),
    )


class _Said:
    """Collects what the messages of a request hold, in their order."""

    def __init__(self) -> None:
        self.request: str | None = None
        self.request_attributes: dict[str, str] = {}
        self.brief: str | None = None
        self.task = ""
        self.inputs: dict[str, Any] = {}
        self.mail: dict[str, Mapping[str, Any]] = {}
        self._uses: dict[str, Mapping[str, Any]] = {}
        self._results: dict[str, Mapping[str, Any]] = {}

    def take(self, message: Mapping[str, Any]) -> None:
        content = message["content"]
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        for block in content:
            kind = block["type"]
            if message["role"] == "user" and kind == "text":
                self._text(block["text"])
            elif kind == "tool_use":
                self._uses[block["id"]] = block
            elif kind == "tool_result":
                self._results[block["tool_use_id"]] = block
                if self._uses[block["tool_use_id"]]["name"] == "wait":
                    self._waited(block)

    def calls(self) -> dict[str, Call]:
        made = {}
        for use_id, use in self._uses.items():
            result = self._results.get(use_id)
            if result is not None:
                content, failed = result.get("content"), bool(result.get("is_error"))
                made[use_id] = Call(use_id, use["name"], use["input"], content, failed)
        return made

    def _waited(self, block: Mapping[str, Any]) -> None:
        for text in _texts(block.get("content")):
            try:
                found = json.loads(text)
            except ValueError:
                continue
            if isinstance(found, dict):
                for message in found.get("messages") or ():
                    self._deliver(message)

    def _deliver(self, message: Any) -> None:
        if isinstance(message, dict) and message.get("id") is not None:
            self.mail.setdefault(str(message["id"]), message)

    def _text(self, text: str) -> None:
        position = 0
        while found := _TAG.search(text, position):
            tag, start = found.group(1), found.end()
            if tag in ("inputs", "message"):
                position = self._data(tag, text, start)
                continue
            # A person's words may hold a closing tag of their own; the last one is the harness's.
            closing = f"</{tag}>"
            end = text.find(closing, start) if tag == "note" else text.rfind(closing, start)
            end = len(text) if end < 0 else end
            position = end
            self._words(tag, dict(_ATTRIBUTE.findall(found.group(2))), text[start:end].strip())

    def _data(self, tag: str, text: str, start: int) -> int:
        while start < len(text) and text[start].isspace():
            start += 1
        try:
            value, end = _decoder.raw_decode(text, start)
        except ValueError:
            return start
        if tag == "inputs" and isinstance(value, dict):
            self.inputs.update(value)
        elif tag == "message":
            self._deliver(value)
        return end

    def _words(self, tag: str, attributes: dict[str, str], words: str) -> None:
        if tag == "request" and self.request is None:
            self.request, self.request_attributes = _MENTION.sub(" ", words).strip(), attributes
        elif tag == "brief" and self.brief is None:
            self.brief, self.task = words, attributes.get("task", "")


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [block["text"] for block in content or () if block.get("type") == "text"]


def _skills(lines: str) -> tuple[Skill, ...]:
    return tuple(
        Skill(name, description, tuple(patterns)) for name, description, patterns in _skill_lines(lines.splitlines())
    )


def _skill_lines(lines: Iterable[str]) -> list[tuple[str, str, list[str]]]:
    skills: list[tuple[str, str, list[str]]] = []
    for line in lines:
        if entry := _SKILL_LINE.match(line):
            skills.append((entry.group(1), entry.group(2).strip(), []))
        elif skills and (pattern := _MATCHES_LINE.match(line)):
            skills[-1][2].append(pattern.group(1).strip())
    return skills
