"""Plain-text journals of ledger and hledger, read by a parser of our own: entries weighed, balanced and checked."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from pathlib import Path

from connectors.ledger.amounts import Amount
from connectors.ledger.journal_files import Files, is_journal
from connectors.ledger.journal_parser import Entry, Journal, Parser, Posting
from connectors.ledger.lines import Account, LedgerError, Line

EXACT = 80  # digits, so that nothing is rounded that amounts can hold
MOST_TOLD = 50  # problems of one journal
MOST_NUMBERS = 5  # lines of one kind that is not read
ROOTS = {
    "assets": "asset", "asset": "asset", "liabilities": "liability", "liability": "liability", "equity": "equity",
    "income": "revenue", "revenue": "revenue", "revenues": "revenue", "expenses": "expense", "expense": "expense",
}  # fmt: skip
ZERO = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Moved:
    """A posting with its amount and what that weighs in the commodity it balances in."""

    posting: Posting
    amount: Amount
    weight: Amount


def read_journals(root: Path) -> tuple[list[Line], dict[str, Account], list[str]]:
    """Lines, accounts, and sentences about what was not read or is wrong, of all journals in a folder.

    Base amounts are in the currency of the first D directive, else in the one most used; what weighs in another is an
    account of its own, named with that commodity. A journal that cannot be read in full gives one sentence and no
    lines.
    """
    with localcontext(prec=EXACT):
        return _read(root)


def _read(root: Path) -> tuple[list[Line], dict[str, Account], list[str]]:
    files = Files(root, (path for path in sorted(root.rglob("*")) if path.is_file() and is_journal(path)))
    journals: list[tuple[Journal, set[str]]] = []  # each with the names of its files that were counted before
    told: list[str] = []
    counted: set[Path] = set()
    for path in files.roots():
        try:
            journal = Parser(files).read(path)
        except LedgerError as error:
            told.append(str(error))
            continue
        twice = {files.name(file) for file in counted & journal.files} & {entry.file for entry in journal.entries}
        if twice:
            told.append(f"{', '.join(sorted(twice))}: included by {files.name(path)} and another, counted once.")
        elif not journal.entries:
            told.append(f"{files.name(path)}: no entries.")
        counted |= journal.files
        journals.append((journal, twice))
    base = _base([journal for journal, _ in journals])
    lines: list[Line] = []
    accounts: dict[str, Account] = {}
    identities = Counter[str]()
    for journal, twice in journals:
        weighed = [(entry, *weigh(entry, base)) for entry in journal.entries]
        plain = dict(zip(journal.kinds, journal.kinds, strict=True))
        for entry, moves, _ in weighed:
            if entry.file not in twice:
                lines += _lines(entry, moves, base, identities, plain)
        accounts |= {name: _account(name, of, journal.kinds) for name, of in plain.items()}
        problems = [_differs(entry, left) for entry, _, left in weighed if left]
        for sentences in (_unread(journal), [*problems, *_wrong_balances([(e, moves) for e, moves, _ in weighed])]):
            told += sentences[:MOST_TOLD]
            if len(sentences) > MOST_TOLD:
                told.append(f"{len(sentences) - MOST_TOLD} more of the same journal.")
    return lines, accounts, told


def weigh(entry: Entry, base: str) -> tuple[list[Moved], list[Amount]]:
    """The postings of an entry with amounts and weights, and by what they differ; real and [virtual] ones apart."""
    moves: list[Moved] = []
    left: list[Amount] = []
    for brackets in ("", "["):
        postings = [posting for posting in entry.postings if posting.brackets == brackets]
        group = [Moved(p, p.amount, p.cost or p.amount) for p in postings if p.amount]
        silent = next((posting for posting in postings if posting.amount is None), None)
        if silent:
            rest = _differences(group) or [Amount(ZERO, group[0].weight.commodity if group else base)]
            filled = [Amount(-amount.value + 0, amount.commodity) for amount in rest]
            group += [Moved(silent, amount, amount) for amount in filled]
        else:
            group = _at_one_another(_without_rounding(group), base)
            left += _differences(group)
        moves += group
    for posting in entry.postings:
        if posting.brackets == "(":
            amount = posting.amount or Amount(ZERO, base)
            moves.append(Moved(posting, amount, amount))
    return sorted(moves, key=lambda move: move.posting.at), left


def _differences(group: Sequence[Moved]) -> list[Amount]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for move in group:
        sums[move.weight.commodity] += move.weight.value
    return [Amount(value, commodity) for commodity, value in sums.items() if value]


def _without_rounding(group: list[Moved]) -> list[Moved]:
    """What prices leave below the decimals that the entry writes is rounding: the last price takes it."""
    for rest in _differences(group):
        priced = [n for n, m in enumerate(group) if m.posting.cost and m.weight.commodity == rest.commodity]
        places = [m.amount.places for m in group if not m.posting.cost and m.amount.commodity == rest.commodity]
        if priced and places and not round(rest.value, max(places)):
            weight = group[priced[-1]].weight
            settled = Amount(weight.value - rest.value, weight.commodity)
            group[priced[-1]] = replace(group[priced[-1]], weight=settled)
    return group


def _at_one_another(group: list[Moved], base: str) -> list[Moved]:
    """Two commodities without a price are each other's price, as in both programs: one is weighed in the other."""
    rest = _differences(group)
    if len(rest) != 2 or any(m.posting.cost for m in group) or (rest[0].value > 0) == (rest[1].value > 0):
        return group
    other, target = rest if rest[0].commodity != base else reversed(rest)
    places = max(m.amount.places for m in group if m.amount.commodity == target.commodity)
    ours = [n for n, m in enumerate(group) if m.amount.commodity == other.commodity]
    open_value = -target.value
    for n in ours:
        share = round(-target.value * group[n].amount.value / other.value, places) if n != ours[-1] else open_value
        open_value -= share
        group[n] = replace(group[n], weight=Amount(share, target.commodity))
    return group


def _lines(
    entry: Entry, moves: list[Moved], base: str, identities: Counter[str], plain: dict[str, str]
) -> Iterator[Line]:
    """The lines of an entry; notes in `plain` which account each of their accounts is."""
    payee, bar, note = (part.strip() for part in entry.description.partition("|"))
    identity = _identity(entry)
    identities[identity] += 1
    again = f"-{identities[identity]}" if identities[identity] > 1 else ""
    kept = [move for move in moves if move.posting.brackets != "("]
    for number, move in enumerate(kept, start=1):
        units, weight, name = move.amount.value, move.weight.value, move.posting.account
        own = move.weight.commodity == base or not weight
        account = name if own else f"{name} ({move.weight.commodity or 'no commodity'})"
        plain[account] = name
        said = {"counterparty": payee, "document": entry.code, **entry.tags, **move.posting.tags}
        yield Line(
            entry_id=identity + again,
            line=str(number),
            date=entry.day,
            period=f"{entry.day.year}-Q{(entry.day.month + 2) // 3}",
            account=account,
            debit=max(units, ZERO),
            credit=max(-units, ZERO),
            debit_base=max(weight, ZERO),
            credit_base=max(-weight, ZERO),
            source=f"{entry.file}, line {move.posting.at}",
            description=note if bar else payee,
            currency=move.amount.commodity,
            **said,
        )


def _identity(entry: Entry) -> str:
    """A name for an entry that stays when lines above it come and go."""
    postings = [f"{p.brackets}{p.account}|{p.amount}|{p.cost}" for p in entry.postings]
    text = "\n".join([str(entry.day), entry.code, entry.description, *postings])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _wrong_balances(entries: list[tuple[Entry, list[Moved]]]) -> list[str]:
    """A sentence for each asserted balance that is another; entries count by their days, as in hledger."""
    found: list[str] = []
    running: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for entry, moves in sorted(entries, key=lambda pair: pair[0].day):
        for move in moves:
            posting = move.posting
            held = running[posting.account]
            held[move.amount.commodity] += move.amount.value
            if not (stated := posting.balance):
                continue
            # A zero that names no commodity says that nothing is left of any.
            every = [amount for amount in held.items() if amount[1]] if stated == Amount(ZERO, "") else []
            commodity, has = every[0] if every else (stated.commodity, held[stated.commodity])
            if has != stated.value:
                found.append(
                    f"{entry.file}, line {posting.at}: the balance of {posting.account} is stated as "
                    f"{_told(stated)}, "
                    f"but its postings come to {_told(Amount(has, commodity))}."
                )
    return found


def _differs(entry: Entry, left: list[Amount]) -> str:
    by = " and ".join(map(_told, left))
    return f"{entry.file}, line {entry.at}: the entry does not balance; its debits and credits differ by {by}."


def _unread(journal: Journal) -> list[str]:
    told = []
    for (file, what), numbers in journal.unread.items():
        more = f" and {len(numbers) - MOST_NUMBERS} more" if len(numbers) > MOST_NUMBERS else ""
        listed = ", ".join(map(str, numbers[:MOST_NUMBERS])) + more
        told.append(f"{file}, line{'s' if len(numbers) > 1 else ''} {listed}: {what}.")
    virtual = Counter(entry.file for entry in journal.entries for p in entry.postings if p.brackets == "(")
    return told + [
        f"{file}: {n} virtual posting{'s' if n > 1 else ''} in round brackets, which need not balance, left out."
        for file, n in virtual.items()
    ]


def _told(amount: Amount) -> str:
    return f"{amount.value:f} {amount.commodity}".rstrip()


def _base(journals: list[Journal]) -> str:
    """The currency of base amounts, one for all journals of the folder."""
    if named := next((journal.currency for journal in journals if journal.currency), ""):
        return named
    used = Counter(
        (posting.cost or posting.amount).commodity
        for journal in journals
        for entry in journal.entries
        for posting in entry.postings
        if posting.amount and posting.amount.value
    )
    return used.most_common(1)[0][0] if used else ""


def _account(name: str, plain: str, kinds: dict[str, str]) -> Account:
    """An account with its type: as declared for it or the nearest above it, else by its first segment."""
    above = plain
    while not (kind := kinds.get(above, "")) and ":" in above:
        above = above.rpartition(":")[0]
    kind = kind or ROOTS.get(plain.partition(":")[0].lower(), "unknown")
    normal = {"asset": "debit", "expense": "debit", "unknown": ""}.get(kind, "credit")
    return Account(name, name.rpartition(":")[2], kind, normal)
