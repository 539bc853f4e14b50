"""The transcript of a steering meeting of about an hour; dates and numbers in it follow from the seed."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import yaml

SOURCE = Path(__file__).parent / "meeting.yml"
FILE = "Meetings/Steering meeting 2026-10-06.txt"
WORDS_PER_S = 0.85  # with the pauses that people make
FILLED = 0.22  # turns after which somebody says something that matters little


def transcript(seed: int) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The file by path, and what the seed drew."""
    source: dict[str, Any] = yaml.load(SOURCE.read_text(encoding="utf-8"), yaml.CSafeLoader)
    rng = random.Random(f"meeting {seed}")
    drawn = {name: str(rng.choice(options)) for name, options in source["drawn"].items()}
    lines = [f"{source['title']}, {source['day']}", f"Present: {', '.join(source['names'].values())}", ""]
    clock, last = 4.0, ""
    for turn in source["turns"]:
        ((who, said),) = turn.items()
        if who == "*":
            clock += 60 * said
            continue
        clock = _say(lines, clock, source["names"][who], str(said).format(**drawn))
        if last and rng.random() < FILLED:
            clock = _say(lines, clock, source["names"][last], rng.choice(source["fillers"]))
        last = who
    return {FILE: ("\n".join(lines) + "\n").encode()}, drawn


def _say(lines: list[str], clock: float, name: str, words: str) -> float:
    at = int(clock)
    lines.append(f"[{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}] {name}: {words}")
    return clock + 2 + len(words.split()) / WORDS_PER_S
