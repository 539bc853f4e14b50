"""Understands journals of ledger and hledger: entries with their postings, and the directives that bear on them."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from connectors.ledger.amounts import AMOUNT, Amount, Marks, product
from connectors.ledger.journal_files import Block, Files, blocks
from connectors.ledger.lines import LedgerError
from connectors.ledger.roles import column_role

DAY = r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})"
HEAD = re.compile(
    rf"{DAY}(?:=[0-9]{{1,4}}[-/.][0-9]{{1,2}}(?:[-/.][0-9]{{1,2}})?)?(?:\s+|\Z)"
    r"(?:[*!]\s*)?(?:\((?P<code>[^)]*)\)\s*)?(?P<description>.*)"
)
WIDE_GAP = re.compile(r" {2,}\s*| ?\t\s*")
COMMENT = re.compile(r"(?:\A|(?<=\s));")
TAG = re.compile(r"(?:\A|(?<=[\s,]))([^\s:,;]+):([^,]*)")
PIECES = re.compile(r"\"[^\"]*\"|@@|@|==?\*?|[^\"@=]+|\"")
LIKE_MONEY = re.compile(r"[.,][0-9]|[-+$€£¥]|[0-9] ?[A-Z]{3}\Z|\A[A-Z]{3} ?[0-9]")
TAG_ROLES = ("entity", "department", "counterparty", "document", "service_from", "service_to", "product")
KINDS = {
    "a": "asset", "asset": "asset", "c": "asset", "cash": "asset", "l": "liability", "liability": "liability",
    "e": "equity", "equity": "equity", "v": "equity", "conversion": "equity", "r": "revenue", "revenue": "revenue",
    "x": "expense", "expense": "expense",
}  # fmt: skip
SILENT = ("P", "payee", "tag")  # prices of the day and lists of names: nothing in the books rests on them
DEEPEST = 50  # includes within includes, and names applied to accounts within one another


@dataclass(frozen=True, slots=True)
class Posting:
    """A line of an entry as written. `cost` is what it balances with, `balance` what is asserted after it."""

    at: int
    account: str
    brackets: str  # ( for virtual, [ for virtual but balanced, else empty
    amount: Amount | None
    cost: Amount | None
    balance: Amount | None
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """A dated entry as written; tags are those that name a role of a line."""

    file: str
    at: int
    day: date
    code: str
    description: str
    tags: Mapping[str, str]
    postings: tuple[Posting, ...]


@dataclass
class Journal:
    """What a file and all it includes say."""

    entries: list[Entry] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)  # declared accounts, each with its type or nothing
    currency: str = ""  # of a D directive
    files: set[Path] = field(default_factory=set)
    unread: dict[tuple[str, str], list[int]] = field(default_factory=dict)  # file and what -> lines

    def leave(self, file: str, at: int, what: str) -> None:
        """Note something that is not read."""
        self.unread.setdefault((file, what), []).append(at)


class Parser:
    """Reads a journal with its includes. A line that bears on figures and cannot be read ends it with LedgerError."""

    def __init__(self, files: Files) -> None:
        """Read from these files."""
        self.journal = Journal()
        self._files = files
        self._marks = Marks()
        self._applied: list[str] = []
        self._name = ""  # of the file at hand
        self._floor = 0  # how many names were applied when the file at hand began
        self._open: list[Path] = []
        self._directives: dict[str, Callable[[str, Block], None]] = {
            "account": self._account, "commodity": self._commodity, "D": self._default, "include": self._include,
            "apply": self._apply, "end": self._end, "decimal-mark": self._decimal_mark,
        }  # fmt: skip

    def read(self, path: Path) -> Journal:
        """Read a file from the top. Raises LedgerError."""
        before = self._name, self._marks.usual, self._floor
        self._name, self._floor = self._files.name(path), len(self._applied)
        self._open.append(path)
        self.journal.files.add(path)
        name = self._name
        for block in blocks(self._files.text(path), name):
            word = block.head.split(maxsplit=1)[0]
            if "0" <= word[0] <= "9":
                self.journal.entries.append(self._entry(block))
            elif word[0] in "~=":
                kind = "periodic entries (~)" if word[0] == "~" else "automated entries (=)"
                self.journal.leave(name, block.at, f"{kind} are not read")
            elif word in self._directives:
                self._directives[word](block.head[len(word) :].strip(), block)
            elif word not in SILENT:
                self.journal.leave(name, block.at, f"“{word[:40]}” is not among the directives that are read")
        if len(self._applied) > self._floor:
            self.journal.leave(
                name, len(self._files.text(path).split("\n")), "“apply account” has no end; it ends here"
            )
            del self._applied[self._floor :]
        self._open.pop()
        self._name, self._marks.usual, self._floor = before
        return self.journal

    def _place(self, at: int) -> str:
        return f"{self._name}, line {at}"

    def _include(self, rest: str, block: Block) -> None:
        place = self._place(block.at)
        target = self._files.included(self._open[-1], rest, place)
        name = self._files.name(target)
        if target in self._open:
            raise LedgerError(f"{place} includes {name}, which is being read already: the includes run in a circle.")
        if target in self.journal.files:
            raise LedgerError(f"{place} includes {name} a second time; its entries would count twice.")
        if len(self._open) > DEEPEST:
            raise LedgerError(f"{place}: includes stand more than {DEEPEST} deep within one another.")
        self.read(target)

    def _apply(self, rest: str, block: Block) -> None:
        what, _, name = rest.partition(" ")
        if what != "account":
            self.journal.leave(self._name, block.at, f"“apply {what[:40]}” is not among the directives that are read")
        elif not name.strip():
            raise LedgerError(f"{self._place(block.at)}: “apply account” names no account.")
        elif len(self._applied) >= DEEPEST:
            raise LedgerError(
                f"{self._place(block.at)}: “apply account” stands more than {DEEPEST} deep within itself."
            )
        else:
            self._applied.append(name.strip())

    def _end(self, rest: str, block: Block) -> None:
        if " ".join(rest.split()) not in ("apply account", "apply"):
            self.journal.leave(self._name, block.at, f"“end {rest[:40]}” is not among the directives that are read")
        elif len(self._applied) <= self._floor:
            raise LedgerError(f"{self._place(block.at)} ends an “apply account” that does not begin in this file.")
        else:
            self._applied.pop()

    def _decimal_mark(self, rest: str, block: Block) -> None:
        if rest[:1] not in (".", ","):
            raise LedgerError(f"{self._place(block.at)}: “decimal-mark” is followed by a point or a comma.")
        self._marks.usual = rest[0]

    def _default(self, rest: str, block: Block) -> None:
        self._marks.default = self._marks.learn(_split(rest)[0], self._place(block.at))
        self.journal.currency = self.journal.currency or self._marks.default

    def _commodity(self, rest: str, block: Block) -> None:
        if sample := _split(rest)[0]:
            self._marks.learn(sample, self._place(block.at))
        for at, line in block.body:
            word, _, sample = _split(line)[0].partition(" ")
            if word == "format":
                self._marks.learn(sample, self._place(at))
            elif word not in ("", "note", "nomarket"):
                self.journal.leave(self._name, at, f"“{word[:40]}” of a commodity is not read")

    def _account(self, rest: str, block: Block) -> None:
        name, remark = _split(rest)
        account = self._full(WIDE_GAP.split(name)[0])
        kind = _tags(remark).get("type", "").lower()
        for at, line in block.body:
            word, remark = _split(line)
            kind = _tags(remark).get("type", kind).lower()
            if word.partition(" ")[0] not in ("", "note"):
                self.journal.leave(self._name, at, f"“{word.partition(' ')[0][:40]}” of an account is not read")
        if kind and kind not in KINDS:
            self.journal.leave(self._name, block.at, f"the type “{kind[:40]}” of an account is not known")
        self.journal.kinds[account] = KINDS.get(kind, "") or self.journal.kinds.get(account, "")

    def _full(self, account: str) -> str:
        return ":".join([*self._applied, account])

    def _entry(self, block: Block) -> Entry:
        head, remark = _split(block.head)
        found = HEAD.fullmatch(head)
        try:
            day = date(int(found[1]), int(found[3]), int(found[4])) if found else None
        except ValueError:  # no such day
            day = None
        if not found or day is None:
            raise LedgerError(
                f"{self._place(block.at)}: “{head[:40]}” does not begin with a date; expected is a day with its "
                "year, like 2026-01-31."
            )
        # Comments above the first posting are the entry's, those below a posting are that posting's.
        remarks, written = [remark], list[tuple[int, str, list[str]]]()
        for at, line in block.body:
            text, remark = _split(line)
            if text:
                written.append((at, text, [remark]))
            else:
                (written[-1][2] if written else remarks).append(remark)
        return Entry(
            self._name, block.at, day, (found["code"] or "").strip(), found["description"].strip(),
            _roles(_tags(*remarks)), tuple(self._postings(written)),
        )  # fmt: skip

    def _postings(self, written: list[tuple[int, str, list[str]]]) -> Iterator[Posting]:
        elided: set[str] = set()
        for at, text, remarks in written:
            tags = _tags(*remarks)
            if tags.get("date"):
                self.journal.leave(self._name, at, "a date of a posting's own is not read; the entry's counts")
            posting = self._posting(at, text, _roles(tags))
            if posting.amount is None and posting.brackets != "(":
                if posting.brackets in elided:
                    raise LedgerError(
                        f"{self._place(at)}: a second posting of the entry has no amount; expected is one at most."
                    )
                elided.add(posting.brackets)
            yield posting

    def _posting(self, at: int, text: str, tags: Mapping[str, str]) -> Posting:
        place = self._place(at)
        account, *more = WIDE_GAP.split(text.lstrip("*!").lstrip(), maxsplit=1)
        brackets = account[:1] if account[:1] in ("(", "[") else ""
        if brackets:
            closed = account.endswith(")" if brackets == "(" else "]")
            account = account[1:-1].strip() if closed else ""
        if not account.strip(":"):
            raise LedgerError(f"{place}: “{text[:40]}” names no account; expected is one like Assets:Bank.")
        parts = self._parts(more[0] if more else "", place)
        amount = self._marks.read(parts[""], place) if parts[""] else None
        if amount is None and len(parts) > 1:
            raise LedgerError(
                f"{place}: a price or a balance stands without an amount; expected is the amount before it."
            )
        if amount is None and _ends_in_money(account):
            raise LedgerError(
                f"{place}: “{account[-60:]}” ends like an amount; expected are two spaces or a tab before an amount, "
                "or an amount behind such a name."
            )
        cost = None
        if amount and (sign := next((sign for sign in ("@", "@@") if sign in parts), "")):
            price = self._marks.read(parts[sign], place)
            value = product(amount.value, price.value) if sign == "@" else abs(price.value).copy_sign(amount.value)
            if value is None:
                raise LedgerError(f"{place}: amount times price has more digits than are read.")
            cost = Amount(value, price.commodity)
        if "==" in parts:
            self.journal.leave(self._name, at, "== is checked like =, for its own commodity only")
        if "=*" in parts or "==*" in parts:
            self.journal.leave(self._name, at, "balances with =* or ==* are not checked")
        stated = parts.get("=", parts.get("=="))
        balance = None if stated is None else self._marks.read(stated, place)
        return Posting(at, self._full(account), brackets, amount, cost, balance, tags)

    def _parts(self, rest: str, place: str) -> dict[str, str]:
        """The amount under no sign, and what follows @, @@ or = under these."""
        parts, key = {"": ""}, ""
        for piece in PIECES.findall(rest):
            if piece[0] not in "@=":
                parts[key] += piece
            elif key.startswith("=") or (piece[0] == "@" and key):
                raise LedgerError(
                    f"{place}: “{rest[:60]}” holds more than one price or balance; expected is an amount, then a "
                    "price, then a balance."
                )
            else:
                key = piece
                parts[key] = ""
        return {key: text.strip() for key, text in parts.items()}


def _split(line: str) -> tuple[str, str]:
    """A line without its comment, and the comment: it begins at a ; after a space, or anywhere behind a wide gap."""
    text = line.strip()
    found, gap = COMMENT.search(text), WIDE_GAP.search(text)
    ends = [found.start() if found else -1, text.find(";", gap.end()) if gap else -1]
    at = min((end for end in ends if end >= 0), default=len(text))
    return text[:at].rstrip(), text[at + 1 :].strip()


def _tags(*remarks: str) -> dict[str, str]:
    return {name: value.strip() for remark in remarks for name, value in TAG.findall(remark)}


def _roles(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that say something a line has a field for, by the words that head such columns in tables."""
    found = ((column_role(name), value) for name, value in tags.items())
    return {role: value for role, value in found if role in TAG_ROLES}


def _ends_in_money(account: str) -> bool:
    words = account.split(" ")
    tails = (" ".join(words[-count:]) for count in (1, 2, 3) if len(words) > count)
    return any(len(tail) < 40 and AMOUNT.fullmatch(tail) and LIKE_MONEY.search(tail) for tail in tails)
