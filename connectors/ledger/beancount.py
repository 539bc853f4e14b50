"""Plain-text books in Beancount's format, read by its own library in a process of its own (an optional extra)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from connectors.ledger import beancount_inside
from connectors.ledger.lines import Account, LedgerError, Line

ENDINGS = (".beancount", ".bean", ".beancount.gz")
SECONDS = 60
LIMITS = {"AS": 2 * 1024**3, "CPU": SECONDS, "CORE": 0, "FSIZE": 0, "NOFILE": 128}
TYPES = {
    "assets": "asset",
    "liabilities": "liability",
    "equity": "equity",
    "income": "revenue",
    "expenses": "expense",
}
ZERO = Decimal("0.00")


def is_beancount(path: Path) -> bool:
    """Whether a file is named like Beancount's."""
    return path.name.lower().endswith(ENDINGS)


def read_beancount(path: Path, name: str) -> tuple[list[Line], dict[str, Account], list[str]]:
    """Lines, accounts and what the library complained about. Raises LedgerError.

    Amounts weigh what they balance with: at cost where there is one, else at their price. Base amounts are in the
    ledger's operating currency; what weighs in another is an account of its own, named with that currency.
    """
    told = _run(path, name)
    base = (told["currencies"] or [_usual(told["postings"])])[0]
    lines = list(_lines(told["postings"], base, name))
    accounts = {line.account: _account(line.account, told["roots"]) for line in lines}
    accounts |= {one: _account(one, told["roots"]) for one in told["accounts"] if one not in accounts}
    return lines, accounts, [f"{name}: {complaint}" for complaint in told["complaints"]]


def _run(path: Path, name: str) -> dict[str, Any]:
    """What the program prints. CADRE_BEANCOUNT_PYTHON is the Python that has the library, when it is another one."""
    python = os.environ.get("CADRE_BEANCOUNT_PYTHON") or sys.executable
    order = {"file": str(path.resolve()), "parent": os.getpid(), "limits": LIMITS}
    try:
        done = subprocess.run(
            [python, "-E", "-s", "-P", "-B", beancount_inside.__file__, json.dumps(order)],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS * 2, check=False,
            env={"PATH": os.defpath, "LANG": "C.UTF-8", "BEANCOUNT_DISABLE_LOAD_CACHE": "1"},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LedgerError(f"{name} could not be read with Beancount: {error}.") from error
    if done.returncode == beancount_inside.MISSING:
        raise LedgerError(
            f"{name} is a Beancount file; to read it, install the extra: pip install 'cadre[beancount]'."
        )
    try:
        told: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise LedgerError(f"{name} could not be read with Beancount: {(words or ['no reason given'])[-1]}") from error
    return told


def _lines(postings: list[dict[str, Any]], base: str, name: str) -> Iterator[Line]:
    for posting in postings:
        units, weight = Decimal(posting["units"]), Decimal(posting["weight"])
        day = date.fromisoformat(posting["date"])
        own = posting["in"] == base
        yield Line(
            entry_id=posting["entry"],
            line=str(posting["line"]),
            date=day,
            period=f"{day.year}-Q{(day.month + 2) // 3}",
            account=posting["account"] if own else f"{posting['account']} ({posting['in']})",
            debit=max(units, ZERO),
            credit=max(-units, ZERO),
            debit_base=max(weight, ZERO),
            credit_base=max(-weight, ZERO),
            source=f"{name}, line {posting['at']}",
            counterparty=posting["payee"],
            description=posting["narration"],
            document=" ".join(posting["links"]),
            currency=posting["currency"],
        )


def _account(name: str, roots: Mapping[str, str]) -> Account:
    kind = TYPES.get(roots.get(name.partition(":")[0], ""), "unknown")
    return Account(
        name, name.rpartition(":")[2], kind, "credit" if kind in ("liability", "equity", "revenue") else "debit"
    )


def _usual(postings: list[dict[str, Any]]) -> str:
    return Counter(posting["in"] for posting in postings).most_common(1)[0][0] if postings else ""
