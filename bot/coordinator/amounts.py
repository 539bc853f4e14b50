"""Amounts of money as people write them: 1,000.50, 1.000,50, 1 000, 12,5, 0.05. What could mean two is none."""

from __future__ import annotations

import re
from decimal import Decimal

_SPACES = " \N{NO-BREAK SPACE}\N{THIN SPACE}\N{NARROW NO-BREAK SPACE}"
_SIGNS = rf"[.,'’{_SPACES}]"
DIGITS = 9  # of whole dollars; more is a slip
WRITTEN = rf"\d+(?:{_SIGNS}\d+)*"
_WHOLE = re.compile(rf"\d+|[1-9]\d{{0,2}}(?P<sign>{_SIGNS})\d{{3}}(?:(?P=sign)\d{{3}})*")
_CENTS = re.compile(r"(?P<whole>.+)(?P<sign>[.,])(?P<cents>\d{1,2})")
_BELOW_ONE = re.compile(r"0[.,](\d{1,9})")


def read(text: str) -> Decimal | None:
    """The amount, or None when the signs in it do not say which it is."""
    if small := _BELOW_ONE.fullmatch(text):
        return Decimal(f"0.{small[1]}")
    cents = _CENTS.fullmatch(text)
    whole = _WHOLE.fullmatch(cents["whole"] if cents else text)
    if whole is None or (cents and whole["sign"] == cents["sign"]):
        return None
    digits = re.sub(r"\D", "", whole[0])
    if len(digits) > DIGITS:
        return None
    return Decimal(f"{digits}.{cents['cents']}" if cents else digits)
