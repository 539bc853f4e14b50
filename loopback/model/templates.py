"""Renders the templates of a playbook: sandboxed, strict about undefined names, native for a lone expression."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2.runtime import Undefined
from jinja2.sandbox import SandboxedEnvironment


class PlaybookTemplateError(Exception):
    """An expression of a playbook could not be evaluated."""

    def __init__(self, expression: str, reason: str) -> None:
        super().__init__(f"{expression}: {reason}")
        self.expression = expression
        self.reason = reason


class _Environment(SandboxedEnvironment):
    """Keys of a mapping win over its methods, so `data.items` and `row.count` read the data."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(plain(value), ensure_ascii=False, indent=indent)


_env = _Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
_env.filters["tojson"] = _to_json
_env.filters["fromjson"] = json.loads


@dataclass(frozen=True)
class _Compiled:
    evaluate: Callable[..., Any]


@lru_cache(maxsize=4096)
def _compile(source: str) -> _Compiled:
    body = _env.parse(source).body
    if len(body) == 1 and isinstance(body[0], nodes.Output) and len(body[0].nodes) == 1:
        inner = source.strip()
        if inner == source and inner.startswith("{{") and not isinstance(body[0].nodes[0], nodes.TemplateData):
            expression = inner[2:-2].strip().removeprefix("-").removesuffix("-")
            return _Compiled(_env.compile_expression(expression, undefined_to_none=False))
    return _Compiled(_env.from_string(source).render)


def plain(value: Any) -> Any:
    """The value as JSON can carry it; generators of filters become lists, undefined names raise."""
    if isinstance(value, Undefined):
        value._fail_with_undefined_error()
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, Iterable):
        return [plain(v) for v in value]
    raise TypeError(f"a {type(value).__name__} cannot be an argument of a tool")


def render(value: Any, context: Mapping[str, Any]) -> Any:
    """Renders every string inside a value of a playbook."""
    if isinstance(value, str):
        if "{{" not in value and "{%" not in value:
            return value
        try:
            return plain(_compile(value).evaluate(context))
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise PlaybookTemplateError(" ".join(value.split()), reason) from error
    if isinstance(value, Mapping):
        return {str(k): render(v, context) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [render(v, context) for v in value]
    return value


def truthy(value: Any, context: Mapping[str, Any]) -> bool:
    """Whether a `when:` holds; the words of a rendered boolean count as booleans."""
    result = render(value, context)
    if isinstance(result, str):
        return result.strip().lower() not in ("", "false", "no", "none", "0")
    return bool(result)
