"""A server's form as questions to a person, field by field, and their words as values of its schema. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.schemas import ForeignSchema

DECLINE, SKIP, YES, NO, GO_ON = "Decline", "Skip", "Yes", "No", "Yes, go on"
OPTIONS_MAX = 17  # with the words of our own below what one question has room for
_WORDS = {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}


class Unfit(ValueError):
    """The words are no value of the field; the message says why, for the person."""


@dataclass(frozen=True)
class Field:
    """One field of a form."""

    name: str
    schema: Mapping[str, Any]
    required: bool

    @property
    def title(self) -> str:
        return _line(self.schema.get("title") or self.name)

    @property
    def choices(self) -> list[tuple[str, Any]]:
        """What can be chosen: label and value, in the form's order."""
        schema = self.schema
        if schema.get("type") == "array":
            schema = schema.get("items") or {}
        if schema.get("type") == "boolean":
            return [(YES, True), (NO, False)]
        told = schema.get("oneOf") or schema.get("anyOf")
        if isinstance(told, list):
            return [(_line(one.get("title") or one["const"]), one["const"]) for one in told if "const" in one]
        values = schema.get("enum") or []
        names = schema.get("enumNames") or []
        return [(_line(names[n] if n < len(names) else value), value) for n, value in enumerate(values)]

    @property
    def several(self) -> bool:
        return bool(self.schema.get("type") == "array")


def fields(schema: Mapping[str, Any]) -> list[Field]:
    """The fields of a form in its order."""
    found = schema.get("properties")
    required = schema.get("required") or []
    if not isinstance(found, Mapping):
        return []
    return [Field(str(n), f if isinstance(f, Mapping) else {}, n in required) for n, f in found.items()]


def asks(server: str, message: str, field: Field | None, number: int, total: int, wrong: str = "") -> str:
    """The words of one question. They name the server: what it says is not said by Cadre."""
    part = f"{field.title}{_hint(field)}?" if field is not None else ""
    if wrong:
        return f"{server} cannot use that: {wrong}\n{part}".rstrip()
    if number > 1:
        return f"{server} asks ({number} of {total}): {part}"
    return f"{server} asks: {' '.join(message.split())}\n{part}".rstrip()


def options(field: Field | None) -> list[str]:
    """The answers that are offered as buttons."""
    if field is None:
        return [GO_ON, DECLINE]
    labels = [label for label, _ in field.choices]
    offered = [] if field.several or len(labels) > OPTIONS_MAX else labels
    default = field.schema.get("default")
    if default is not None and not offered and not field.several:
        offered = [_line(default)]
    return [*offered, *([] if field.required else [SKIP]), DECLINE]


def value(field: Field, words: str) -> Any:
    """A person's words as a value of the field. Raises Unfit."""
    text = words.strip()
    found = _converted(field, text)
    schema = {k: v for k, v in field.schema.items() if k != "enumNames"}
    for problem in ForeignSchema(schema, formats=True).problems(found, 1):
        raise Unfit(f"{problem.message[:200]}.")
    return found


def several_at_once(form: list[Field], words: str) -> dict[str, str] | None:
    """Lines of `field: value`, when a reply is nothing but those; else None."""
    by_name = {one.name.lower(): one.name for one in form} | {one.title.lower(): one.name for one in form}
    found: dict[str, str] = {}
    for line in filter(str.strip, words.splitlines()):
        name, colon, words_of_it = line.partition(":")
        if not colon or name.strip().lower() not in by_name:
            return None
        found[by_name[name.strip().lower()]] = words_of_it.strip()
    return found or None


def _converted(field: Field, text: str) -> Any:
    kind = field.schema.get("type")
    if field.several:
        return [_chosen(field, part.strip()) for part in re.split(r"[,;\n]", text) if part.strip()]
    if kind == "boolean":
        if text.lower() not in _WORDS:
            raise Unfit("answer Yes or No.")
        return _WORDS[text.lower()]
    if field.choices:
        return _chosen(field, text)
    if kind in ("integer", "number"):
        plain = text.replace(" ", "").replace("\u00a0", "")
        try:
            return int(plain) if kind == "integer" or re.fullmatch(r"[+-]?\d+", plain) else float(plain)
        except ValueError:
            what = "a whole number" if kind == "integer" else "a number, with a point before decimals"
            raise Unfit(f"{text[:60]!r} is not {what}.") from None
    return text


def _chosen(field: Field, text: str) -> Any:
    """One of the choices by its label, its value or its number."""
    choices = field.choices
    for label, chosen in choices:
        if text.lower() in (label.lower(), str(chosen).lower()):
            return chosen
    if text.isdigit() and 1 <= int(text) <= len(choices):
        return choices[int(text) - 1][1]
    raise Unfit(f"{text[:60]!r} is not one of {', '.join(label for label, _ in choices[:30])}.")


def _hint(field: Field) -> str:
    told = [_line(field.schema.get("description") or "").rstrip(".")]
    labels = [label for label, _ in field.choices]
    if labels and (field.several or len(labels) > OPTIONS_MAX):
        told.append(f"{'any of' if field.several else 'one of'}: {', '.join(labels[:60])}")
    kind = {"integer": "a whole number", "number": "a number"}.get(str(field.schema.get("type")), "")
    if kind and not labels:
        bounds = [field.schema.get("minimum"), field.schema.get("maximum")]
        told.append(f"{kind} from {bounds[0]} to {bounds[1]}" if None not in bounds else kind)
    if field.schema.get("format"):
        told.append(f"as {field.schema['format']}")
    if not field.required:
        told.append("can be skipped")
    return f" ({'; '.join(part for part in told if part)})" if any(told) else ""


def _line(text: Any) -> str:
    return " ".join(str(text).split())[:300]
