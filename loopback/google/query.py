"""The search language of files.list: comparisons joined by and, or, not and brackets."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from loopback.google.errors import GoogleError
from loopback.google.files import File

Test = Callable[[File], bool]
Text = Callable[[File], str]

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<word>[A-Za-z]\w*)|(?P<sign><=|>=|!=|=|<|>|[(){}]))""", re.X | re.S
)
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _bad(value: str = "") -> GoogleError:
    return GoogleError(400, f"Invalid Value{value}", reason="invalid", location=("parameter", "q"))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _epoch(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise _bad() from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


class _Parser:
    """Recursive descent: or, and, not, comparison."""

    def __init__(self, query: str, full_text: Text, root: str) -> None:
        self.full_text = full_text
        self.root = root
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while query[at:].strip():
            found = _TOKEN.match(query, at)
            if not found:
                raise _bad()
            kind = found.lastgroup or ""
            text = found[kind]
            if kind == "text":
                text = re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.S)
            self.tokens.append((kind, text))
            at = found.end()

    def take(self, *wanted: str) -> str | None:
        if self.tokens and self.tokens[0][0] != "text" and self.tokens[0][1] in wanted:
            return self.tokens.pop(0)[1]
        return None

    def need(self, *wanted: str) -> str:
        found = self.take(*wanted)
        if found is None:
            raise _bad()
        return found

    def text(self) -> str:
        if not self.tokens or self.tokens[0][0] != "text":
            raise _bad()
        return self.tokens.pop(0)[1]

    def any_of(self) -> Test:
        tests = [self.all_of()]
        while self.take("or"):
            tests.append(self.all_of())
        return lambda file: any(test(file) for test in tests)

    def all_of(self) -> Test:
        tests = [self.one()]
        while self.take("and"):
            tests.append(self.one())
        return lambda file: all(test(file) for test in tests)

    def one(self) -> Test:
        if self.take("not"):
            inner = self.one()
            return lambda file: not inner(file)
        if self.take("("):
            inner = self.any_of()
            self.need(")")
            return inner
        if self.tokens and self.tokens[0][0] == "text":
            return self.membership(self.text())
        if not self.tokens:
            raise _bad()
        field = self.tokens.pop(0)[1]
        if field not in _FIELDS:
            raise _bad()
        return _FIELDS[field](self)

    def membership(self, who: str) -> Test:
        self.need("in")
        where = self.need("parents", "owners", "writers", "readers")
        if where == "parents":
            folder = self.root if who == "root" else who
            return lambda file: folder in file.parents
        return lambda file: file.owner == who.split("@")[0]

    def name(self) -> Test:
        operator = self.need("contains", "=", "!=")
        text = self.text()
        if operator != "contains":
            return lambda file: (file.name == text) == (operator == "=")
        wanted = text.lower()  # as Drive does it: the beginning of a word of the name
        return lambda file: re.search(r"(?:^|[\W_])" + re.escape(wanted), file.name.lower()) is not None

    def mime(self) -> Test:
        operator = self.need("contains", "=", "!=")
        text = self.text()
        if operator == "contains":
            return lambda file: file.mime.startswith(text)
        return lambda file: (file.mime == text) == (operator == "=")

    def full(self) -> Test:
        self.need("contains")
        text = self.text()
        if text.startswith('"') and text.endswith('"') and len(text) > 1:
            phrase = " ".join(_words(text))
            return lambda file: phrase in " ".join(_words(self.full_text(file)))
        wanted = set(_words(text))
        return lambda file: wanted <= set(_words(self.full_text(file)))

    def time(self, attribute: str) -> Test:
        compare = _ORDER[self.need(*_ORDER)]
        moment = _epoch(self.text())
        return lambda file: compare(getattr(file, attribute), moment)

    def flag(self, attribute: str) -> Test:
        operator = self.need("=", "!=")
        value = (self.need("true", "false") == "true") == (operator == "=")
        return lambda file: getattr(file, attribute) == value

    def pairs(self, attribute: str) -> Test:
        self.need("has")
        self.need("{")
        self.need("key")
        self.need("=")
        key = self.text()
        self.need("and")
        self.need("value")
        self.need("=")
        value = self.text()
        self.need("}")
        return lambda file: getattr(file, attribute).get(key) == value


_FIELDS: dict[str, Callable[[_Parser], Test]] = {
    "name": _Parser.name,
    "mimeType": _Parser.mime,
    "fullText": _Parser.full,
    "modifiedTime": lambda p: p.time("modified"),
    "createdTime": lambda p: p.time("created"),
    "trashed": lambda p: p.flag("trashed"),
    "starred": lambda p: p.flag("starred"),
    "appProperties": lambda p: p.pairs("app_properties"),
    "properties": lambda p: p.pairs("properties"),
}


def compile_query(query: str, full_text: Text, root: str) -> Test:
    """A test for files; raises 400 as Drive does for what it cannot read."""
    parser = _Parser(query, full_text, root)
    if not parser.tokens:
        return lambda file: True
    test = parser.any_of()
    if parser.tokens:
        raise _bad()
    return test
