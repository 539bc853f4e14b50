"""Recognises the turns of a transcript in plain text: who speaks, when, and under which number."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

MIN_TURNS = 3

_STAMP = r"(?P<stamp>(?:\d{1,2}:)?\d{1,2}:\d{2}(?:[.,]\d{1,3})?)"
_NAME = r"(?P<speaker>[^\W\d_](?:[^:\[\]<>\t\"]{0,120}?[^:\[\]<>\t\" ])?)"
_SMALL = frozenset({"of", "the", "and", "for", "de", "da", "du", "la", "van", "von", "der"})
_NUMBER = r"(?:\[?#?(?P<number>\d{1,6})(?:\]|[.):])?\s+)?"
# shapes of the line that opens a turn, the most telling first
_OPENINGS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_STAMP}\s*-->\s*[\d:.,]+(?:\s.*)?$",  # cue of a subtitle file; the words stand below
        rf"{_NUMBER}[\[(]?{_STAMP}[\])]?(?:\s*[-–—|:])?\s+<?{_NAME}>?\s*(?::|>)\s",  # [0:12] Ann: … · 0:12 <ann> …
        rf"{_NAME}\s*[\[(]{_STAMP}[\])]\s*:?(?:\s|$)",  # Ann (00:12:31): …
        rf"{_NAME}\s{{2,}}{_STAMP}\s*$",  # Ann  00:12, the words below
        rf"{_NUMBER}[\[(]{_STAMP}[\])]\s",  # [00:12:31] …
        r"\((?P<speaker>[A-Z][A-Za-z]+[ _]?\d{1,3})\)\s",  # (PERSON12) …
        rf"{_NUMBER}{_NAME}:\s",  # Ann: … · 12. Ann: …
    )
)
_VOICE = re.compile(rf"[^\n]*\n(?:<v(?:\.\S+)? (?P<voice>[^>\n]+)>|{_NAME}:\s)")  # the line below a cue
_CUE = 0
_UNTIMED = len(_OPENINGS) - 1


@dataclass(frozen=True)
class Turn:
    """One turn: `start` is the offset of its opening line."""

    start: int
    number: int  # as the transcript numbers it, else counted from 1
    speaker: str = ""
    stamp: str = ""
    seconds: int | None = None


def turns_of(text: str) -> tuple[Turn, ...]:
    """The turns of a transcript; empty when the text does not read like one."""
    filled = 0
    openings: list[tuple[int, int, re.Match[str]]] = []
    for start, line in _filled_lines(text):
        filled += 1
        if ":" not in line and line[0] != "(":
            continue  # no shape fits
        for shape, pattern in enumerate(_OPENINGS):
            match = pattern.match(line)
            if match and _is_name(match.groupdict().get("speaker") or ""):
                openings.append((start, shape, match))
                break
    if len(openings) < MIN_TURNS:
        return ()
    # the shape that most lines have decides; others are words like "Note: …" inside a turn, or the name below a cue
    counts = Counter(shape for _, shape, _ in openings)
    usual = _CUE if counts[_CUE] >= MIN_TURNS else counts.most_common(1)[0][0]
    family = {1, 4} if usual in (1, 4) else {usual}
    openings = [opening for opening in openings if opening[1] in family]
    if not _reads_like_one(openings, filled, usual):
        return ()
    turns = tuple(_numbered(openings))
    return tuple(_voiced(text, turn) for turn in turns) if usual == _CUE else turns


def seconds_of(stamp: str) -> int:
    """ "1:02:03" → 3723, "12:31.5" → 751."""
    total = 0
    for part in re.split(r"[.,]", stamp)[0].split(":"):
        total = total * 60 + int(part)
    return total


def _voiced(text: str, turn: Turn) -> Turn:
    """A cue with the name that the line below it begins with, if it does."""
    below = _VOICE.match(text, turn.start)
    name = "" if below is None else (below["voice"] or below["speaker"]).strip()
    return replace(turn, speaker=name) if name and _is_name(name) else turn


def _is_name(speaker: str) -> bool:
    """Up to three words, or a longer name and office in which all words that count begin like names."""
    words = re.sub(r"\(.*", "", speaker).split()
    return len(words) <= 3 or not any(word[0].islower() for word in words if word not in _SMALL)


def _reads_like_one(openings: list[tuple[int, int, re.Match[str]]], filled: int, usual: int) -> bool:
    share = len(openings) / filled
    if len(openings) < MIN_TURNS:
        return False
    if usual == _UNTIMED:  # "Definitions: …" looks the same, but people speak more than once, and not one alone
        said = {(match["speaker"], match.string) for _, _, match in openings}  # the footer of each page counts once
        names = Counter(speaker for speaker, _ in said)
        again = [count for count in names.values() if count > 1]
        several = len(again) > 1 or (len(names) > 1 and len(openings) <= 5)
        if share < 0.5 or not again or not several or _is_form([match["speaker"] for _, _, match in openings]):
            return False
        return sum(again) * 3 >= len(said) * 2 and max(again) * 4 <= len(said) * 3
    return share >= 0.1


def _is_form(labels: list[str]) -> bool:
    """Whether the same labels come round in the same order, as in a list of filled-in forms."""
    for cycle in range(3, min(12, len(labels) // 2) + 1):
        same = sum(1 for one, other in zip(labels, labels[cycle:], strict=False) if one == other)
        if same * 10 >= (len(labels) - cycle) * 9:
            return len(set(labels)) > 2
    return False


def _numbered(openings: list[tuple[int, int, re.Match[str]]]) -> Iterator[Turn]:
    given = [int(match.groupdict().get("number") or -1) for _, _, match in openings]
    counted = all(number >= 0 and number - given[0] == at for at, number in enumerate(given))
    for at, (start, _, match) in enumerate(openings):
        parts = match.groupdict()
        stamp = parts.get("stamp") or ""
        yield Turn(
            start=start,
            number=given[at] if counted else at + 1,
            speaker=(parts.get("speaker") or "").strip(),
            stamp=stamp,
            seconds=seconds_of(stamp) if stamp else None,
        )


def _filled_lines(text: str) -> Iterator[tuple[int, str]]:
    """Offset and text of each line that is not blank, without the blanks before it."""
    for match in re.finditer(r"[^\n\r\f]*\S[^\n\r\f]*", text):
        line = match[0].lstrip()
        yield match.end() - len(line), line[:400] + " "
