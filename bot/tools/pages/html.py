"""Page data as one self-contained HTML file: escaped, with every placeholder filled; its one script is our own."""

from __future__ import annotations

import base64
import hashlib
import re
from decimal import Decimal
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup, escape

from bot.tools.pages.data import Bars, Details, Page, Passage, Table, blocks
from bot.tools.render import Lookup

_INLINE = re.compile(
    r"\{\{\s*(?P<kind>[fe]):(?P<name>[^{}\s]+)\s*\}\}|\*\*(?P<bold>[^*\n]+)\*\*|`(?P<code>[^`\n]+)`"
    r"|\[(?P<label>[^\]\n]+)\]\((?P<url>(?:https?://|#)[^)\s]+)\)"
)
_pages = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
_script = (Path(__file__).parent / "page.js").read_text(encoding="utf-8").strip()
_SCRIPT = Markup(_script)  # sorts tables and opens what a link leads to
_ALLOWED = f"'sha256-{base64.b64encode(hashlib.sha256(_script.encode()).digest()).decode()}'"


def to_html(page: Page, shown: Lookup) -> str:
    """The page; every placeholder in it must be known."""

    def inline(text: str) -> Markup:
        return _inline(text, shown)

    moves = any(isinstance(block, Details) or (isinstance(block, Table) and block.sort) for block in blocks(page))
    return _pages.get_template("page.html").render(
        page=page, inline=inline, marked=_marked, bars=lambda block: _bars(block, shown),
        script=_SCRIPT if moves else "", allowed=Markup(_ALLOWED),
    )  # fmt: skip


def _inline(text: str, shown: Lookup) -> Markup:
    made, at = Markup(), 0
    for found in _INLINE.finditer(text):
        made += escape(text[at : found.start()])
        at = found.end()
        if found["kind"]:
            made += _figure(shown, found["kind"], found["name"])
        elif found["bold"]:
            made += Markup("<b>{}</b>").format(_inline(found["bold"], shown))
        elif found["code"]:
            made += Markup("<q>{}</q>").format(found["code"])
        else:
            made += Markup('<a href="{}">{}</a>').format(found["url"], _inline(found["label"], shown))
    return made + escape(text[at:])


def _marked(passage: Passage) -> Markup:
    """A passage with what is cited of it marked."""
    made, at = Markup(), 0
    for start, end in sorted(passage.marks):
        if at <= start < end <= len(passage.text):
            made += escape(passage.text[at:start]) + Markup("<mark>{}</mark>").format(passage.text[start:end])
            at = end
    return made + escape(passage.text[at:])


def _figure(shown: Lookup, kind: str, name: str) -> Markup:
    """A number that opens its source."""
    known = shown.get(kind, name)
    if known is None:
        raise KeyError(name)
    label = known.label.replace(" ", "\N{NO-BREAK SPACE}")
    if not known.url:
        return Markup('<span class="n">{}</span>').format(label)
    return Markup('<a class="n" href="{}">{}</a>').format(known.url, label)


def _bars(block: Bars, shown: Lookup) -> list[dict[str, object]]:
    """Rows of bars with their lengths in percent of a full bar."""
    values = {name: Decimal(shown.figures[name].value) for row in block.rows for name in row.figures if name}
    full = Decimal(block.max) if block.max else max((abs(v) for v in values.values()), default=Decimal(1))
    rows: list[dict[str, object]] = []
    for row in block.rows:
        bars = [
            {
                "width": f"{min(abs(values[name]) / (full or 1) * 100, Decimal(100)):.2f}",
                "shown": _figure(shown, "f", name),
            }
            if name
            else {"width": "", "shown": Markup('<span class="none">{}</span>').format(block.missing)}
            for name in row.figures
        ]
        rows.append({"label": row.label, "bars": bars, "note": _inline(row.note, shown)})
    return rows
