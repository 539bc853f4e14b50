"""Claims of a reply against the rows of its run: what was not read is told, and what is quoted was seen."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, select

from bot.store import items, journal, mail
from bot.store import schema as t
from bot.store.documents import Kept
from bot.store.item_tables import item
from bot.tools.render import MARKDOWN_LINK, PLACEHOLDER
from bot.types import Check
from bot.workspace import safe_name
from connectors.documents import quotes
from connectors.documents.document import Document, from_text

_LINE = r"\n(?!\s*\n)"  # a quote may go over lines, not over a blank one
QUOTED = re.compile(
    rf"「([^「」]+)」|『([^『』]+)』|„([^„“”]+)[“”]|“([^“”]+)”|«([^«»]+)»|»([^«»]+)«|<<([^<>]+)>>|(?<!\w)‘((?:[^‘\n]|{_LINE})+?)’(?!\w)"
    rf"|(?<![\w\"])\"(?=\S)((?:[^\"\n]|{_LINE})+)(?<=\S)\"(?!\w)"
)
TICKED = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
ATTRIBUTION = re.compile(r"^\s*[—–-].*$|\s[—–]\s[^—–\n]*\Z", re.MULTILINE)
BLOCK = re.compile(r"(?:^[ \t]*>(?!>).*(?:\n|\Z))+", re.MULTILINE)
CODE = re.compile(r"[=(){}\[\]<>/\\|;*$]|--")
WORDS = 6  # shorter quotes are names and expressions
SENTENCE = 4  # words that are no expression when they end as a sentence does
ENDS = (".", "!", "?", "。", "！", "？")
FINAL = " .,;:!?。，；：！？"  # left off at the end of a quote
# Of scripts that put no blanks between words: how many of their letters are about a word.
UNSPACED = (
    ("[\u3400-\u4dbf\u4e00-\u9fff]", 2),
    ("[\u3041-\u30ff]", 3),
    ("[\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff]", 4),
)
GROUPED = re.compile(
    r"(?<![\d.,'’])[1-9]\d{0,2}(?:[ '’\N{NO-BREAK SPACE}\N{THIN SPACE}\N{NARROW NO-BREAK SPACE}]\d{3})+(?!\d)"
)
EMPTY = hashlib.sha256().hexdigest()
TOLD = 8  # names in a diagnosis
AT_ONCE = 16_000_000  # characters in which quotes are looked up at once; one document holds so many and more
PASSED_ON = ("work_through", "send_message", "finish", "plan", "spawn_agent", "assign", "list_files")
UNSEEN = ("work_through", "finish")
TEXTS = (".md", ".txt", ".json", ".jsonl", ".csv", ".html")


def check_coverage(connection: Connection, run_id: str, reply: str) -> Check:
    """Bulk work that did not reach every document is told as such, in figures of the run."""
    cited = {name for kind, name in PLACEHOLDER.findall(reply) if kind == "f"}
    query = select(t.agent.c.name).where(t.agent.c.run_id == run_id, t.agent.c.kind == items.KIND)
    missing: list[str] = []
    for work in connection.execute(query.order_by(t.agent.c.id)).scalars():
        told = items.counts(connection, run_id, work)
        if told["done"] < told["total"]:
            wanted = ("done", "total", *(end for end in items.ENDS if end != "done" and told[end]))
            missing += [f"{work}.{name}" for name in wanted if f"{work}.{name}" not in cited]
    if not missing:
        return Check("coverage_told", True, "what was not read is told")
    names = ", ".join(f"{{{{f:{name}}}}}" for name in missing)
    return Check("coverage_told", False, f"not every document was read, and the reply does not say it: cite {names}")


def check_handed_in(connection: Connection, run_id: str, reply: str) -> Check:
    """Bulk work took up every document that the request brought or named, or the reply says which it left out."""
    query = select(t.agent.c.inputs).where(t.agent.c.run_id == run_id, t.agent.c.kind == items.KIND)
    works = list(connection.execute(query).scalars())
    if not works:
        return Check("handed_in", True, "no documents were worked through")
    rows = select(item.c.ref, item.c.path, item.c.name, item.c.sha256)
    taken = connection.execute(rows.where(item.c.run_id == run_id, item.c.status != "replaced")).all()
    known = {row.ref for row in taken} | {row.sha256 for row in taken}
    bases = {base for row in taken for base in _bases(row)}
    lists = [json.loads(journal.get_blob(connection, one["named"])) for one in works if one.get("named")]
    wanted = {one["ref"]: one["name"] for told in lists for one in told}
    left = _left(wanted, taken)
    attached = _attached(connection, run_id)
    missing = [name for digest, name in attached if digest not in known and not (
        digest == EMPTY and _base(name) in bases)]  # fmt: skip
    opened = _opened(connection, run_id) if missing else ""
    left += [name for name in missing if name not in opened]
    shared = Counter(map(_base, wanted.values()))
    silent = [name for name in left if (name if shared[_base(name)] > 1 else _base(name)) not in reply]
    if not silent:
        return Check("handed_in", True, "every document that the request brought or named was taken up, or is named")
    names = ", ".join(silent[:TOLD]) + (f" and {len(silent) - TOLD} more" if len(silent) > TOLD else "")
    words = (
        f"{len(silent)} of the {len(wanted) + len(attached)} documents that the request brought or named were not "
        f"handed to work_through: {names}. Hand them in as well, or name in the reply which you left out and why"
    )
    return Check("handed_in", False, words)


def _left(wanted: dict[str, str], taken: Sequence[Any]) -> list[str]:
    """The names of the documents that were not taken up: by their place, or as a copy that bears their name.

    A copy stands for one document only, however many have its name.
    """
    refs = {row.ref for row in taken}
    copies = [_bases(row) for row in taken if row.ref not in wanted]
    left = []
    for ref, name in wanted.items():
        if ref in refs:
            continue
        copy = next((bases for bases in copies if safe_name(_base(name)) in bases), None)
        if copy is None:
            left.append(name)
        else:
            copies.remove(copy)
    return left


def _bases(row: Any) -> set[str]:
    return {_base(row.path), _base(row.name)} - {""}


def _attached(connection: Connection, run_id: str) -> list[tuple[str, str]]:
    """The files that came with the run's requests: content's hash and name."""
    brought = select(t.mail.c.files).where(t.mail.c.run_id == run_id, t.mail.c.sender == mail.HARNESS)
    return [
        (file["sha256"], file["name"])
        for files in connection.execute(brought).scalars()
        for file in files or ()
        if str(file.get("via", "")).startswith("slack:")
    ]


def _opened(connection: Connection, run_id: str) -> str:
    """What the run's other calls were made with: a file named there was opened, not forgotten."""
    call = t.tool_call.c
    made = select(call.args).where(call.run_id == run_id, call.status == "done", call.name.not_in(PASSED_ON))
    return json.dumps(list(connection.execute(made).scalars()), ensure_ascii=False)


def _base(path: str) -> str:
    return path.rstrip("/").rsplit("/", 1)[-1]


def check_quotes(connection: Connection, run_id: str, reply: str, asked: str) -> Check:
    """Whole sentences in quote marks stand in something that this run has seen."""
    said = list(_quoted(reply))
    if said:
        proven = connection.execute(select(t.evidence.c.value).where(t.evidence.c.run_id == run_id)).scalars()
        said = strange(said, [asked, *proven], AT_ONCE)
    if said:
        said = strange(said, _seen(connection, run_id), AT_ONCE)
    if not said:
        return Check("quotes_known", True, "every quote was seen in this run")
    shown = "; ".join(f"“{words[:120]}”" for words in said[:3])
    return Check("quotes_known", False, f"quoted, but seen nowhere in this run: {shown}")


def _quoted(reply: str) -> Iterator[str]:
    """What a text gives as somebody's words, where it is long enough to be a sentence; figures are not part of it."""
    rest = BLOCK.sub("\n\n", reply)
    said = [*_marked(rest), *(one for one in TICKED.findall(rest) if not CODE.search(PLACEHOLDER.sub("", one)))]
    for found in BLOCK.finditer(reply):
        block = MARKDOWN_LINK.sub(r"\1", re.sub(r"(?m)^[ \t]*>[ \t]?|\*\*", "", found[0]))
        said += _marked(block) or re.split(r"\n\s*\n", ATTRIBUTION.sub("", block.rstrip()))
    for words in said:
        for piece in PLACEHOLDER.sub("\0", words).split("\0"):
            if len(piece.split()) + _unspaced(piece) >= (SENTENCE if piece.rstrip().endswith(ENDS) else WORDS):
                yield piece.strip()


def _marked(text: str) -> list[str]:
    return [next(filter(None, found.groups())) for found in QUOTED.finditer(text)]


def strange(said: list[str], texts: Iterable[str], most: int) -> list[str]:
    """Those of some quotes that stand in none of the texts; no more than `most` characters are searched at once."""
    left = {words: _plain(words).rstrip(FINAL) for words in said}
    overlap = 2 * max(map(len, said), default=0)
    for text in _heaps(map(_plain, texts), most, overlap):
        if not left:
            break
        if text.strip():
            document = from_text("seen", text, "seen")
            left = {words: plain for words, plain in left.items() if not _stands(document, plain)}
    return list(left)


def _plain(text: str) -> str:
    """A text with each letter in one form and each number in one piece, so that a part of one is not taken for it."""
    return GROUPED.sub(lambda found: re.sub(r"\D", "", found[0]), unicodedata.normalize("NFC", text))


def _unspaced(text: str) -> int:
    """About how many words a text has that no blank ends."""
    return sum(len(re.findall(letters, text)) // of_a_word for letters, of_a_word in UNSPACED)


def _stands(document: Document, words: str) -> bool:
    """Whether words stand in a text; without blanks between words one may begin and end anywhere but in a number."""
    if quotes.find(document, words) is not None:
        return True
    if not _unspaced(words):
        return False
    tight = "".join(words.split())
    before, behind = (r"(?<!\d)" if tight[0].isdigit() else ""), (r"(?![.,]?\d)" if tight[-1].isdigit() else "")
    return re.search(f"{before}{re.escape(tight)}{behind}", "".join(document.text.split())) is not None


def _heaps(texts: Iterable[str], most: int, overlap: int) -> Iterator[str]:
    """Texts put together up to a size; one that is larger alone is cut, with what a quote needs on both sides."""
    heap: list[str] = []
    size = 0
    for text in texts:
        for start in range(0, len(text) or 1, most):
            piece = text[max(0, start - overlap) : start + most]
            if heap and size + len(piece) > most:
                yield "\n\n".join(heap)
                heap, size = [], 0
            heap.append(piece)
            size += len(piece)
    yield "\n\n".join(heap)


def _seen(connection: Connection, run_id: str) -> Iterator[str]:
    """What tools showed the run's agents, what people wrote, the documents of bulk work, and the artifacts.

    Answers and files of `UNSEEN` are left out, and refusals: why something was refused repeats what a model made up.
    """
    call, row = t.tool_call.c, t.journal.c
    ours = select(call.agent_id, call.id).where(call.run_id == run_id, call.name.in_(UNSEEN))
    left_out = {tuple(found) for found in connection.execute(ours)}
    rows = select(row.agent_id, row.body).where(row.run_id == run_id, row.kind == "tool.result")
    for agent, body in connection.execute(rows):
        if not body["is_error"] and (agent, body["id"]) not in left_out:
            yield from _strings(body["content"])
    told = select(t.mail.c.text).where(t.mail.c.run_id == run_id, t.mail.c.sender == mail.HARNESS)
    yield from connection.execute(told).scalars()
    files = select(row.agent_id, row.body).where(row.run_id == run_id, row.kind == "tool.files")
    of_bulk = {
        f"{agent.rsplit('/', 1)[-1]}/{name}"
        for agent, body in connection.execute(files)
        if (agent, body["call"]) in left_out
        for name in body["files"]
    }
    read = select(item.c.document).where(item.c.run_id == run_id, item.c.document.is_not(None)).distinct()
    for digest in connection.execute(read).scalars():
        yield Kept.load(journal.get_blob(connection, digest)).text
    made = select(t.artifact.c.name, t.artifact.c.sha256).where(t.artifact.c.run_id == run_id)
    for name, digest in connection.execute(made):
        if name.endswith(TEXTS) and name not in of_bulk:
            yield journal.get_blob(connection, digest).decode(errors="replace")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)
