"""Formulas computed exactly in decimal: + - * /, brackets, references and a few functions.

What is not understood is shown as it was entered, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, DivisionByZero, InvalidOperation, localcontext
from typing import Any

from loopback.google import a1

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d*)?|\.\d+)(?P<percent>%)?
    |(?P<ref>(?:(?:'(?:[^']|'')*'|[A-Za-z_][\w.]*)!)?\$?[A-Za-z]{1,3}\$?\d+(?::\$?[A-Za-z]{1,3}\$?\d+)?)(?![\w(])
    |(?P<name>[A-Za-z]+)(?=\()
    |(?P<sign>[-+*/(),;]))""",
    re.X,
)


class NotUnderstood(Exception):
    """The formula uses something this module does not compute."""


class FormulaError(Exception):
    """What a cell shows instead of a value, such as #DIV/0!."""


Value = Decimal | str | bool | None
Lookup = Callable[[str | None, int, int], Value]
Result = Decimal | list[Value]


def _number(value: Any) -> Decimal:
    if isinstance(value, list):
        if len(value) != 1:
            raise FormulaError("#VALUE!")
        value = value[0]
    if value is None:
        return Decimal(0)
    if isinstance(value, bool):
        return Decimal(int(value))
    if isinstance(value, Decimal):
        return value
    raise FormulaError("#VALUE!")


def _numbers(arguments: list[Result]) -> list[Decimal]:
    """The numbers of ranges and arguments; text, blanks and booleans in ranges do not count."""
    out: list[Decimal] = []
    for argument in arguments:
        items = argument if isinstance(argument, list) else [argument]
        out += [i for i in items if isinstance(i, Decimal)]
    return out


def _round(arguments: list[Result]) -> Decimal:
    places = int(_number(arguments[1])) if len(arguments) > 1 else 0
    return _number(arguments[0]).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def _average(arguments: list[Result]) -> Decimal:
    numbers = _numbers(arguments)
    if not numbers:
        raise FormulaError("#DIV/0!")
    return sum(numbers, Decimal(0)) / len(numbers)


_FUNCTIONS: dict[str, Callable[[list[Result]], Decimal]] = {
    "SUM": lambda a: sum(_numbers(a), Decimal(0)),
    "AVERAGE": _average,
    "MIN": lambda a: min(_numbers(a), default=Decimal(0)),
    "MAX": lambda a: max(_numbers(a), default=Decimal(0)),
    "COUNT": lambda a: Decimal(len(_numbers(a))),
    "ABS": lambda a: abs(_number(a[0])),
    "ROUND": _round,
}


class _Parser:
    """Recursive descent over the tokens of one formula."""

    def __init__(self, text: str, lookup: Lookup) -> None:
        self.tokens: list[tuple[str, str]] = []
        self.lookup = lookup
        at = 0
        while at < len(text.rstrip()):
            found = _TOKEN.match(text, at)
            if not found:
                raise NotUnderstood(text)
            kind = found.lastgroup or ""
            if kind == "percent":
                self.tokens.append(("number", str(Decimal(found["number"]) / 100)))
            else:
                self.tokens.append((kind, found[kind]))
            at = found.end()

    def take(self, *signs: str) -> str | None:
        if self.tokens and self.tokens[0][0] == "sign" and self.tokens[0][1] in signs:
            return self.tokens.pop(0)[1]
        return None

    def sum(self) -> Result:
        value = self.product()
        while sign := self.take("+", "-"):
            right = _number(self.product())
            value = _number(value) + (right if sign == "+" else -right)
        return value

    def product(self) -> Result:
        value = self.unary()
        while sign := self.take("*", "/"):
            left, right = _number(value), _number(self.unary())
            if sign == "/" and not right:
                raise FormulaError("#DIV/0!")
            value = left * right if sign == "*" else left / right
        return value

    def unary(self) -> Result:
        if sign := self.take("-", "+"):
            value = _number(self.unary())
            return -value if sign == "-" else value
        return self.atom()

    def atom(self) -> Result:
        if self.take("("):
            value = self.sum()
            self.expect(")")
            return value
        if not self.tokens:
            raise NotUnderstood("the formula ends too soon")
        kind, text = self.tokens.pop(0)
        if kind == "number":
            return Decimal(text)
        if kind == "ref":
            return self.cells(text)
        if kind == "name" and text.upper() in _FUNCTIONS:
            return self.call(text.upper())
        raise NotUnderstood(text)

    def call(self, name: str) -> Decimal:
        self.expect("(")
        arguments = [self.sum()]
        while self.take(",", ";"):
            arguments.append(self.sum())
        self.expect(")")
        return _FUNCTIONS[name](arguments)

    def expect(self, sign: str) -> None:
        if not self.take(sign):
            raise NotUnderstood(f"{sign} expected")

    def cells(self, text: str) -> Result:
        area = a1.parse(text, [])
        if area is None or area.row_end is None or area.column_end is None:
            raise NotUnderstood(text)
        columns = range(area.column, area.column_end)
        return [self.lookup(area.tab, r, c) for r in range(area.row, area.row_end) for c in columns]


def evaluate(formula: str, lookup: Lookup) -> Value:
    """The value of a formula (with its equals sign); raises NotUnderstood or FormulaError."""
    with localcontext() as context:
        context.prec = 40
        try:
            parser = _Parser(formula[1:], lookup)
            value = parser.sum()
            if parser.tokens:
                raise NotUnderstood(formula)
        except (InvalidOperation, DivisionByZero, OverflowError) as error:
            raise FormulaError("#NUM!") from error
        except RecursionError as error:
            raise FormulaError("#ERROR!") from error
        except IndexError as error:
            raise FormulaError("#N/A") from error
        if isinstance(value, list):
            if len(value) != 1:
                raise FormulaError("#VALUE!")
            return value[0]
        return +value
