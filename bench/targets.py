"""What a bench must reach, beside what it measured, as one table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """One measured value and the most (or, with `least`, the least) that it may be. None was not measured."""

    what: str
    limit: float
    measured: float | None
    unit: str = ""
    least: bool = False

    @property
    def met(self) -> bool:
        if self.measured is None:
            return False
        return self.measured >= self.limit if self.least else self.measured <= self.limit


def report(title: str, targets: Sequence[Target]) -> bool:
    """Print the table with the machine's load; returns whether every target is met."""
    load = os.getloadavg()[0]
    print(f"\n{title} (load {load:.1f} on {os.cpu_count()} cores)\n")
    print("| what | target | measured | |\n|---|---:|---:|---|")
    for one in targets:
        bound = f"{'≥' if one.least else '≤'} {one.limit:g}"
        value = "–" if one.measured is None else f"{one.measured:.4g}"
        unit = f" {one.unit}" if one.unit else ""
        print(f"| {one.what} | {bound}{unit} | {value}{unit} | {'ok' if one.met else 'MISSED'} |")
    print(flush=True)
    return all(one.met for one in targets)
