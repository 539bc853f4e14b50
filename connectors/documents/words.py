"""The words and value shapes by which columns are recognised: header words, numbers, periods."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from functools import lru_cache

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

# the first role whose word sets all occur in the header wins, so the more telling combinations come first
ROLE_WORDS: tuple[tuple[str, tuple[frozenset[str], ...]], ...] = tuple(
    (role, tuple(frozenset(word.split("/")) for word in words.split()))
    for role, words in (
        ("unit_price", "unit/per price/cost/rate"),
        ("unit_price", "price"),
        ("type", "account/acct/line type/class"),
        ("name", "account/acct/gl name/description/title/label"),
        ("category", "account/acct/budget category/group"),
        ("category", "category/categories"),
        ("service_from", "service from/start/begin"),
        ("service_to", "service to/end/until"),
        ("entry", "entry/journal/transaction/je id/number/no/entry"),
        ("department", "department/dept/division/bureau/team"),
        ("department", "cost center/centre"),
        ("fund", "fund/funds"),
        ("debit", "debit/debits/dr"),
        ("credit", "credit/credits/cr"),
        ("account", "account/acct/accounts/gl"),
        ("product", "product/sku/item"),
        ("counterparty", "counterparty/vendor/supplier/customer/payee"),
        ("period", "period/quarter/year/month/fy/fiscal"),
        ("date", "date/day/posted"),
        ("quantity", "units/unit/quantity/qty/volume"),
        ("currency", "currency/ccy"),
        ("entity", "entity/company/subsidiary"),
        ("measure", "measure/version/scenario"),
        ("description", "description/memo/text/narrative/comment/comments/note/notes"),
        ("type", "type"),
        ("name", "name/title/label"),
        ("amount", "amount/value/sum/balance/total/budget/budgeted/actual/actuals/forecast/plan/planned"),
        ("amount", "adopted/adjusted/approved/proposed/revised/spent/cost/costs/revenue/expense"),
    )
)
NUMERIC_ROLES = frozenset({"amount", "debit", "credit", "quantity", "unit_price", "period_amount"})

# a group of thousands never follows a lone 0, and three digits alone leave open which sign is the decimal mark
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:[, ]\d{3})+(?:\.\d+)?")
_COMMA = re.compile(
    r"[+-]?(?:[1-9]\d{0,2}(?:\.\d{3})+,\d+|[1-9]\d{0,2}(?: \d{3})+,\d{1,2}|[1-9]\d{0,2}(?:\.\d{3}){2,}|0,\d+|"
    r"\d+,\d{1,2})"
)
_POINT = re.compile(
    r"[+-]?(?:[1-9]\d{0,2}(?:[, ]\d{3})+\.\d+|[1-9]\d{0,2}(?:,\d{3}){2,}|0?\.\d+|\d{4,}\.\d{3}|"
    r"\d+\.(?:\d{1,2}|\d{4,}))"
)
_WITH_COMMA = re.compile(r"[+-]?(?:[1-9]\d{0,2}(?:[. ]\d{3})+|\d+)(?:,\d+)?")


def header_words(label: str) -> set[str]:
    """The words of a header label: split at signs and at camel case, in lower case."""
    return set(re.findall(r"[a-z0-9%]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label).lower()))


def role_by_words(label: str) -> str | None:
    """The role that a header label names, if any."""
    words = header_words(label)
    for role, needed in ROLE_WORDS:
        if all(words & choice for choice in needed):
            return role
    return None


def is_header(label: str) -> bool:
    """Whether a cell reads like a header: few words, of which one names a role, or a period."""
    return len(label) <= 60 and (role_by_words(label) is not None or period_of(label) is not None)


def is_number(text: str) -> bool:
    """Whether a cell holds a number."""
    return number_of(text) is not None


def decimal_mark(texts: Iterable[str]) -> str:
    """The decimal mark of the numbers of one column where one of them is decisive and none speaks against it."""
    marks = {_mark_of(text) for text in texts if "," in text or "." in text} - {""}
    return marks.pop() if len(marks) == 1 else ""


@lru_cache(maxsize=65536)
def _mark_of(text: str) -> str:
    body = _bare(text)[0]
    if _COMMA.fullmatch(body):
        return ","
    return "." if _POINT.fullmatch(body) else ""


@lru_cache(maxsize=65536)
def number_of(text: str, mark: str = "") -> Decimal | None:
    """A number as people write it: grouping signs, currency signs, brackets for minus, a decimal comma.

    `mark` is the decimal mark of its column if that is known; it decides 1.250 and 1,250.
    """
    body, negative = _bare(text)
    if _COMMA.fullmatch(body) or (mark == "," and _WITH_COMMA.fullmatch(body)):
        body = re.sub(r"[. ]", "", body).replace(",", ".")
    elif _GROUPED.fullmatch(body):
        body = re.sub(r"[, ]", "", body)
    if not re.fullmatch(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,2})?", body):
        return None
    try:
        number = Decimal(body)
    except InvalidOperation:
        return None
    return -number if negative else number


def _bare(text: str) -> tuple[str, bool]:
    """A number without its signs of currency and brackets, and whether these mean a minus."""
    body = text.strip().replace("\u00a0", "").replace("\u202f", "").replace("\u2212", "-").replace("'", "")
    negative = body.startswith("(") and body.endswith(")")
    body = body.strip("()") if negative else body
    return re.sub(r"^([+-]?)\s*(?:[$€£¥]|EUR|USD|GBP|CHF)\s*|\s*(?:[$€£¥]|EUR|USD|GBP|CHF)$", r"\1", body), negative


@lru_cache(maxsize=65536)
def period_of(text: str) -> str | None:
    """A period in one spelling: 2026-Q3, 2026-09, FY16-17, FY2026 or 2026; None when the text is not one."""
    body = text.strip().lower().replace("’", "'")
    year = r"(?P<y>(?:19|20)\d\d|'?\d\d)"
    for pattern in (rf"q(?P<q>[1-4])[\s/_-]*(?:fy)?\s*{year}", rf"(?:fy)?\s*{year}[\s/_-]*q(?P<q>[1-4])"):
        match = re.fullmatch(pattern, body)
        if match:
            return f"{_full_year(match['y'])}-Q{match['q']}"
    match = re.fullmatch(r"(?:fy|fiscal year)\s*(\d\d(?:\d\d)?)\s*[-/–]\s*(\d\d(?:\d\d)?)", body)
    if match:
        return f"FY{match[1][-2:]}-{match[2][-2:]}"
    match = re.fullmatch(rf"(?P<m>{'|'.join(MONTHS)})[a-z]*\.?[\s/_-]*{year}", body)
    if match:
        return f"{_full_year(match['y'])}-{MONTHS.index(match['m']) + 1:02d}"
    match = re.fullmatch(r"((?:19|20)\d\d)[-/](0[1-9]|1[0-2])", body)
    if match:
        return f"{match[1]}-{match[2]}"
    match = re.fullmatch(r"(?:fy|fiscal year)\s*(\d\d(?:\d\d)?)", body)
    if match:
        return f"FY{_full_year(match[1])}"
    match = re.fullmatch(r"(?:19|20)\d\d", body)
    return match[0] if match else None


def _full_year(text: str) -> str:
    digits = text.strip("'")
    return digits if len(digits) == 4 else f"20{digits}"
