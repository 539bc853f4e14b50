"""Amounts as journals write them: a number with its commodity before or after it, and its decimal mark."""

import re
from dataclasses import dataclass
from decimal import Decimal, localcontext

from connectors.ledger.lines import LedgerError

MOST_LETTERS = 200
WHOLE, PLACES, DIGITS = 16, 18, 24  # so many digits can be summed by the thousand without rounding
SYMBOL = r"\"[^\"]+\"|[^\s0-9\"+\-.,;:@={}()\[\]*/^?!<>|&~#]+"
AMOUNT = re.compile(
    rf"(?P<before>[-+])? ?(?:(?P<left>{SYMBOL}) ?)?(?P<after>[-+])? ?"
    rf"(?P<number>[0-9.,]+(?: [0-9.,]+)*) ?(?P<right>{SYMBOL})?"
)
WHOLE_PART = re.compile(r"[0-9]*|[0-9]{1,3}(?P<group>[., ])(?:[0-9]{2,3}(?P=group))*[0-9]{3}")
TWO_WAYS = re.compile(r"[0-9]{1,3},[0-9]{3}")


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of a commodity; the commodity is empty where none is named."""

    value: Decimal
    commodity: str

    @property
    def places(self) -> int:
        """How many decimals were written."""
        return max(-int(self.value.as_tuple().exponent), 0)


class Marks:
    """The decimal mark of each commodity, as the directives above an amount say."""

    def __init__(self) -> None:
        """Know nothing yet: a point is the decimal mark, and commas group."""
        self.default = ""  # the commodity of amounts that name none
        self.usual = ""  # the mark of commodities without a directive of their own
        self._marks: dict[str, str] = {}

    def learn(self, sample: str, place: str) -> str:
        """Take the mark from a directive's sample, like `1.000,00 €`; answers its commodity. Raises LedgerError."""
        if re.fullmatch(SYMBOL, sample.strip()):
            return sample.strip().strip('"')
        _, number, commodity = _parts(sample, place)
        signs = re.findall(r"[.,]", number)
        if len(set(signs)) == 2 or len(signs) == 1:
            if TWO_WAYS.fullmatch(number):
                raise LedgerError(_two_ways(number, commodity, place))
            self._marks[commodity] = signs[-1]
        elif signs:
            self._marks[commodity] = _other(signs[0])
        return commodity

    def read(self, text: str, place: str) -> Amount:
        """An amount. Raises LedgerError naming the place when it is none, or can be read in two ways."""
        sign, number, commodity = _parts(text, place)
        commodity = commodity or self.default
        mark = self._marks.get(commodity, self.usual)
        if not mark and TWO_WAYS.fullmatch(number):
            raise LedgerError(_two_ways(number, commodity, place))
        value = _number(number, mark or ".")
        if value is None:
            raise LedgerError(_no_amount(text, place))
        return Amount(+value if sign > 0 else -value, commodity)


def product(amount: Decimal, price: Decimal) -> Decimal | None:
    """An amount times its price; None when it is too large to be summed exactly."""
    with localcontext(prec=DIGITS):
        value = amount * price
    return value if value.adjusted() < WHOLE else None


def _parts(text: str, place: str) -> tuple[int, str, str]:
    """Sign, number and commodity of an amount."""
    found = AMOUNT.fullmatch(" ".join(text.split())) if len(text) <= MOST_LETTERS else None
    if not found or (found["before"] and found["after"]) or (found["left"] and found["right"]):
        raise LedgerError(_no_amount(text, place))
    symbol = (found["left"] or found["right"] or "").strip('"')
    return -1 if "-" in (found["before"], found["after"]) else 1, found["number"], symbol


def _number(text: str, mark: str) -> Decimal | None:
    """A number without a sign; None when marks and groups do not fit together."""
    whole, _, places = text.partition(mark)
    found = WHOLE_PART.fullmatch(whole)
    if not found or found["group"] == mark or not re.fullmatch(r"[0-9]*", places):
        return None
    digits = re.sub(r"[., ]", "", whole)
    if not digits + places or len(digits) > WHOLE or len(places) > PLACES or len(digits + places) > DIGITS:
        return None
    return Decimal(f"{digits or 0}.{places}" if places else digits)


def _other(mark: str) -> str:
    return "," if mark == "." else "."


def _no_amount(text: str, place: str) -> str:
    return (
        f"{place}: “{' '.join(text.split())[:60]}” is not an amount that can be read; expected is one like "
        "1,234.56 EUR or $-10.00, and a decimal comma only below a line like “commodity 1.000,00 EUR”."
    )


def _two_ways(number: str, commodity: str, place: str) -> str:
    return (
        f"{place}: “{number}” may be {number.replace(',', '')} or {number.replace(',', '.')}. Say which above it, "
        f"with a line like “commodity 1,000.00 {commodity or 'EUR'}” or “commodity 1.000,00 {commodity or 'EUR'}”."
    )
