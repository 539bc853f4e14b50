"""The published interface as data: routes, parameters and message schemas from the discovery documents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import googleapiclient

from loopback.google.errors import GoogleError

APIS = ("drive.v3", "docs.v1", "sheets.v4", "slides.v1", "calendar.v3", "gmail.v1")
_DOCUMENTS = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
_INTEGERS = {"int32": (-(2**31), 2**31 - 1), "uint32": (0, 2**32 - 1)}


@dataclass(frozen=True)
class Method:
    """One method of one service; `schemas` are those of its service."""

    id: str
    service: str
    http: str
    pattern: re.Pattern[str]
    order: tuple[int, int]
    parameters: Mapping[str, Any]
    request: str | None
    response: str | None
    schemas: Mapping[str, Any]
    upload: bool = False

    @property
    def older(self) -> bool:
        """Whether errors take the older shape with its list of reasons."""
        return self.service in ("drive", "calendar", "gmail")


@dataclass(frozen=True)
class Match:
    """A method found for a path, with the path's variables decoded."""

    method: Method
    path: dict[str, str]


def _load(api: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((_DOCUMENTS / f"{api}.json").read_text("utf-8"))
    return document


def _walk(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from node.get("methods", {}).values()
    for child in node.get("resources", {}).values():
        yield from _walk(child)


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{\+?(\w+)\}", path)
    out = [re.escape(p) if i % 2 == 0 else f"(?P<{p}>[^/]+?)" for i, p in enumerate(parts)]
    return re.compile("".join(out) + "$")


@cache
def methods() -> tuple[Method, ...]:
    """All methods of all services, the most literal paths first."""
    found: list[Method] = []
    for api in APIS:
        document = _load(api)
        for spec in _walk(document):
            flat = spec.get("flatPath", spec["path"])
            if flat.count("{") == spec["path"].count("{"):  # a flat path may name its variables otherwise
                flat = spec["path"]
            path = "/" + document["servicePath"] + flat
            uploads = spec.get("mediaUpload", {}).get("protocols", {})
            paths = [(path, False)] + [(p["path"], True) for p in uploads.values()]
            for route, upload in paths:
                found.append(
                    Method(
                        id=spec["id"],
                        service=document["name"],
                        http=spec["httpMethod"],
                        pattern=_pattern(route),
                        order=(route.count("{"), -len(route)),
                        parameters={**document["parameters"], **spec.get("parameters", {})},
                        request=spec.get("request", {}).get("$ref"),
                        response=spec.get("response", {}).get("$ref"),
                        schemas=document["schemas"],
                        upload=upload,
                    )
                )
    return tuple(sorted(found, key=lambda m: m.order))


@cache
def schemas(service: str) -> Mapping[str, Any]:
    """The message schemas of one service."""
    return next(m.schemas for m in methods() if m.service == service)


def match(http: str, raw_path: str) -> Match | None:
    """The method a request is for; variables are matched while still percent-encoded."""
    for method in methods():
        if method.http == http and (hit := method.pattern.fullmatch(raw_path)):
            return Match(method, {k: unquote(v) for k, v in hit.groupdict().items()})
    return None


def _snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda m: "_" + m.group(1).lower(), name)


def _unknown(name: str, where: str) -> str:
    at = f" at '{where}'" if where else ""
    return f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.'


def check_query(method: Method, query: Mapping[str, list[str]], path: Mapping[str, str]) -> dict[str, Any]:
    """The typed parameters of a request: path and query together; raises 400 as Google words it."""
    values: dict[str, Any] = dict(path)
    for name, given in query.items():
        spec = method.parameters.get(name)
        if spec is None:
            text = f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter. '
            text += f"Field '{name}' could not be found in request message."
            raise GoogleError(400, text, location=("parameter", name), violations=[("", text)])
        typed = [_parameter(name, v, spec) for v in given]
        values[name] = typed if spec.get("repeated") else typed[-1]
    for name, spec in method.parameters.items():
        if spec.get("required") and name not in values:
            raise GoogleError(400, f"Required parameter: {name}", reason="required", location=("parameter", name))
        if name not in values and "default" in spec:
            values[name] = _parameter(name, spec["default"], spec)
    return values


def _parameter(name: str, text: str, spec: Mapping[str, Any]) -> Any:
    bad = GoogleError(
        400,
        f"Invalid value at '{_snake(name)}', \"{text}\"",
        reason="invalidParameter",
        location=("parameter", name),
    )
    if spec["type"] == "boolean":
        if text.lower() not in ("true", "false"):
            raise bad
        return text.lower() == "true"
    if spec["type"] == "integer":
        if not re.fullmatch(r"-?\d{1,10}", text):
            raise bad
        number = int(text)
        low = int(spec.get("minimum", -(2**31)))
        high = int(spec.get("maximum", 2**32))
        if not low <= number <= high:
            message = f"Invalid value '{number}'. Values must be within the range: [{low}, {high}]"
            raise GoogleError(400, message, reason="invalidParameter", location=("parameter", name))
        return number
    if "enum" in spec and text not in spec["enum"]:
        raise bad
    return text


def check_body(method: Method, body: Any) -> None:
    """Raise 400 naming every field of the body that the interface does not have or that has a wrong type."""
    if method.request is None:
        return
    if not isinstance(body, dict):
        raise GoogleError(400, "Invalid JSON payload received. Expected an object.", reason="parseError")
    problems: list[tuple[str, str]] = []
    _check_object(body, method.schemas[method.request], method.schemas, "", problems)
    if problems:
        text = "\n".join(description for _, description in problems)
        raise GoogleError(400, text, violations=problems)


def _check_object(
    value: Mapping[str, Any],
    schema: Mapping[str, Any],
    known: Mapping[str, Any],
    where: str,
    problems: list[tuple[str, str]],
) -> None:
    properties = schema.get("properties", {})
    for name, item in value.items():
        spec = properties.get(name, schema.get("additionalProperties"))
        if spec is None:
            problems.append((where, _unknown(name, where)))
        elif item is not None:
            inner = f"{where}.{_snake(name)}" if where else _snake(name)
            _check_value(item, spec, known, inner, problems)


def _check_value(
    value: Any, spec: Mapping[str, Any], known: Mapping[str, Any], where: str, problems: list[tuple[str, str]]
) -> None:
    if "$ref" in spec:
        spec = known[spec["$ref"]]
    kind = spec.get("type", "any")
    if kind == "object" and isinstance(value, dict):
        _check_object(value, spec, known, where, problems)
    elif kind == "array" and isinstance(value, list):
        for i, item in enumerate(value):
            _check_value(item, spec["items"], known, f"{where}[{i}]", problems)
    elif not _scalar_fits(value, kind, spec):
        name = {"string": "TYPE_STRING", "boolean": "TYPE_BOOL", "number": "TYPE_DOUBLE"}
        shown = name.get(kind, f"TYPE_{spec.get('format', kind)}".upper())
        problems.append((where, f"Invalid value at '{where}' ({shown}), {json.dumps(value, default=str)}"))


def _scalar_fits(value: Any, kind: str, spec: Mapping[str, Any]) -> bool:
    if kind == "any":
        return True
    if kind == "string":
        return isinstance(value, str) and ("enum" not in spec or value in spec["enum"])
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "number":
        return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    if kind == "integer":
        low, high = _INTEGERS.get(spec.get("format", "int32"), (-(2**63), 2**63 - 1))
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    return False
