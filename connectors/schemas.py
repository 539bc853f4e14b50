"""Checks against schemas that a server wrote: none of its patterns is run, nothing is fetched, the work has an end.

Only what certainly does not fit is told; of everything else the server is the judge. So what turns a pattern that was
not run into a finding (`not`, `if`, and that only one of several may fit) is not judged here either.
"""

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import cache
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend, validator_for
from referencing import Registry

_MOST_STEPS = 100_000  # about a second
_MOST_UNIQUE = 1_000  # items that are compared with each other
_NOT_JUDGED = (
    "pattern", "patternProperties", "not", "if", "contains", "disallow", "unevaluatedProperties", "unevaluatedItems",
)  # fmt: skip
_FORMATS = FormatChecker(("date", "email", "ipv4", "ipv6", "time", "uuid"))  # none that could take long
_NOTHING: Registry[Any] = Registry()  # a $ref out of the schema finds nothing
_left: ContextVar[list[int]] = ContextVar("steps left")


class _Endless(Exception):
    """The check takes more steps than an honest schema does."""


class ForeignSchema:
    """A schema of a server, ready for many checks."""

    def __init__(self, schema: Mapping[str, Any], *, formats: bool = False) -> None:
        self._validator: Any = None
        try:
            rest = {key: value for key, value in schema.items() if key != "$schema"}
            if not _changes_dialect(rest):
                made = _judging(validator_for(schema, Draft202012Validator))
                self._validator = made(rest, registry=_NOTHING, format_checker=_FORMATS if formats else None)
        except Exception:  # as below
            pass

    def problems(self, value: Any, most: int = 6) -> tuple[ValidationError, ...]:
        """What in a value does not fit; nothing where the schema cannot be used."""
        if self._validator is None:
            return ()
        token = _left.set([_MOST_STEPS])
        try:
            return tuple(islice(self._validator.iter_errors(value), most))
        except Exception:  # whatever a schema does to who reads it, it is as good as none
            return ()
        finally:
            _left.reset(token)


@cache
def _judging(base: Any) -> Any:
    """The validator of a dialect with only what can be judged."""
    rules = dict(base.VALIDATORS)
    rules["additionalProperties"] = _unless_patterns(rules["additionalProperties"])
    rules["uniqueItems"] = _unless_many(rules["uniqueItems"])
    if "oneOf" in rules:
        rules["oneOf"] = rules["anyOf"]
    return extend(base, {name: _fits if name in _NOT_JUDGED else _counted(rule) for name, rule in rules.items()})


_Rule = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]


def _fits(_validator: Any, _value: Any, _instance: Any, _schema: Any) -> None:
    return None


def _counted(rule: _Rule) -> _Rule:
    def judged(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        left = _left.get()
        left[0] -= 1 + (len(value) if isinstance(value, list | dict) else 0)
        if left[0] < 0:
            raise _Endless
        yield from rule(validator, value, instance, schema) or ()

    return judged


def _unless_patterns(rule: _Rule) -> _Rule:
    """Which properties are additional depends on patterns where there are any."""

    def judged(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError] | None:
        return None if schema.get("patternProperties") else rule(validator, value, instance, schema)

    return judged


def _unless_many(rule: _Rule) -> _Rule:
    def judged(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError] | None:
        many = isinstance(instance, list) and len(instance) > _MOST_UNIQUE
        return None if many else rule(validator, value, instance, schema)

    return judged


def _changes_dialect(schema: Any) -> bool:
    """Whether a part of a schema names a dialect, at which the library would go on with its own rules."""
    parts = [schema]
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            if isinstance(part.get("$schema"), str):
                return True
            parts.extend(part.values())
        elif isinstance(part, list):
            parts.extend(part)
    return False
