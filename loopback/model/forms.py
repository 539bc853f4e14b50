"""Answers a form about a window of a document by the form's own patterns: what the offline model does for items.

Everything it uses is in the request: the form and its offline rules in the system prompt, the window in the message.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

_FORM = re.compile(r"<form\b[^>]*>\n(.*?)\n</form>", re.DOTALL)
_RULES = re.compile(r"<offline>(.*?)</offline>", re.DOTALL)
_ITEM = re.compile(r"<item>(.*?)</item>", re.DOTALL)
_LINE = re.compile(r"\[([^\]\s]+)\] (.*)")
_SENTENCE = re.compile(r"(?<=[.;:!?])\s+(?=[A-Z0-9(\"“‘'\[])|\n(?=\s*(?:\d+[.)]|\([a-z]\)|[-•*#]))")
_LONG = 1_500  # characters; where a sentence seems longer, the line is quoted
_MOST = 200  # entries of one question in one window

Rules = Mapping[str, list[Mapping[str, Any]]]


def answer(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments of `report` for a request that asks for them, else None."""
    system = "\n".join(_texts(body.get("system")))
    form = _FORM.search(system)
    first = _texts(body["messages"][0]["content"])
    item = _ITEM.match(first[0]) if len(first) > 1 else None
    if form is None or item is None:
        return None
    rules = _RULES.search(system, form.end())
    questions = [question["id"] for question in json.loads(form.group(1))["questions"]]
    answers = _answers(questions, _parsed(rules.group(1)) if rules else {}, first[1])
    return {"window": json.loads(item.group(1))["window"], "answers": answers}


@lru_cache(maxsize=64)
def _parsed(text: str) -> Rules:
    rules: Rules = json.loads(text)
    return rules


def _answers(questions: Iterable[str], rules: Rules, shown: str) -> list[dict[str, Any]]:
    """Each question once, in the form's order; a question without rules is answered as absent."""
    anchors, starts, text = [], [], ""
    for found in filter(None, map(_LINE.match, shown.splitlines())):
        anchors.append(found.group(1))
        starts.append(len(text))
        text += found.group(2) + "\n"
    told = []
    for question in questions:
        entries: dict[tuple[int, int], dict[str, Any]] = {}
        for rule in rules.get(question, ()):
            for match in re.finditer(rule["pattern"], text):
                start, end = _around(text, *match.span()) if rule.get("whole") == "sentence" else match.span()
                quote = text[start:end].strip()
                if not quote or len(entries) >= _MOST:
                    continue
                start += len(text[start:end]) - len(text[start:end].lstrip())
                at = max(i for i, begin in enumerate(starts) if begin <= start)
                entry: dict[str, Any] = {"quote": quote, "at": anchors[at]}
                if "value" in rule:
                    entry["value"] = _filled(rule["value"], match.groupdict(default=""))
                entries.setdefault((start, end), entry)
        told.append({"question": question, "found": bool(entries), "entries": [entries[s] for s in sorted(entries)]})
    return told


def _around(text: str, start: int, end: int) -> tuple[int, int]:
    """The sentence that a match stands in."""
    low, high = max(0, start - _LONG), min(len(text), end + _LONG)
    before = [cut.end() for cut in _SENTENCE.finditer(text, low, start)]
    after = _SENTENCE.search(text, max(start, end - 1), high)
    first = before[-1] if before else (0 if low == 0 else -1)
    last = after.start() if after else (len(text) if high == len(text) else -1)
    if first < 0 or last < 0 or last - first > _LONG:
        first = text.rfind("\n", 0, start) + 1
        last = text.find("\n", end)
    return first, last if last >= 0 else len(text)


def _filled(value: Any, groups: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return value.format_map(groups)
    if isinstance(value, dict):
        return {name: _filled(part, groups) for name, part in value.items()}
    return value


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [block["text"] for block in content or () if block.get("type") == "text"]
