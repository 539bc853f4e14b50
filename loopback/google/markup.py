"""Docs from Markdown and back: seeds come as Markdown, exports go as Markdown, HTML or plain text."""

from __future__ import annotations

import html
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

from loopback.google.docmodel import CELL, ROW, TABLE, TABLE_END, Document, Paragraph, Unit, structure, utf16

_MARKS: dict[str, dict[str, Any]] = {"strong": {"bold": True}, "em": {"italic": True}, "s": {"strikethrough": True}}
_CODE = {"weightedFontFamily": {"fontFamily": "Roboto Mono", "weight": 400}}


class _Writer:
    """Builds the units of a document block by block."""

    def __init__(self) -> None:
        self.document = Document(units=[Document().units[0]])
        self.lists: list[str] = []
        self.right = False

    def text(self, tokens: list[Token], base: dict[str, Any]) -> None:
        styles = [base]
        for token in tokens:
            if token.type.endswith("_open"):
                mark = _MARKS.get(token.tag, {})
                if token.tag == "a":
                    mark = {"link": {"url": str(token.attrGet("href"))}, "underline": True}
                styles.append({**styles[-1], **mark})
            elif token.type.endswith("_close"):
                styles.pop()
            elif token.type in ("text", "code_inline", "html_inline"):
                style = {**styles[-1], **(_CODE if token.type == "code_inline" else {})}
                self.document.units += [Unit(c, dict(style)) for c in utf16(token.content)]
            elif token.type in ("softbreak", "hardbreak"):
                self.document.units.append(Unit(" " if token.type == "softbreak" else "\v", dict(styles[-1])))

    def end_paragraph(self, named: str = "NORMAL_TEXT") -> None:
        paragraph = Paragraph({"namedStyleType": named} | ({"alignment": "END"} if self.right else {}))
        if self.lists and named == "NORMAL_TEXT":
            level = len(self.lists) - 1
            paragraph.bullet = {"listId": self.lists[0], "textStyle": {}}
            if level:
                paragraph.bullet["nestingLevel"] = level
        self.document.units.append(Unit("\n", paragraph=paragraph))

    def open_list(self, ordered: bool) -> None:
        list_id = self.document.next_id("kix")
        level = {"bulletAlignment": "START"} | ({"glyphType": "DECIMAL"} if ordered else {"glyphSymbol": "●"})
        self.document.lists[list_id] = {"listProperties": {"nestingLevels": [level] * 9}}
        self.lists.append(list_id)


def from_markdown(text: str) -> Document:
    """A Doc with the headings, paragraphs, lists, tables and links of a Markdown text."""
    writer, units = _Writer(), None
    named, header = "NORMAL_TEXT", False
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text):
        units = writer.document.units
        if token.type == "heading_open":
            named = f"HEADING_{token.tag[1:]}"
        elif token.type == "inline":
            writer.text(token.children or [], {"bold": True} if header else {})
        elif token.type in ("heading_close", "paragraph_close", "th_close", "td_close"):
            writer.end_paragraph(named)
            named = "NORMAL_TEXT"
        elif token.type in ("fence", "code_block"):
            for line in token.content.rstrip("\n").split("\n"):
                units += [Unit(c, dict(_CODE)) for c in utf16(line)]
                writer.end_paragraph()
        elif token.type in ("bullet_list_open", "ordered_list_open"):
            writer.open_list(token.type.startswith("ordered"))
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            writer.lists.pop()
        elif token.type in _TABLE_UNITS:
            units.append(Unit(_TABLE_UNITS[token.type]))
            writer.right = "right" in str(token.attrGet("style"))
        header = token.type == "thead_open" or (header and token.type != "thead_close")
    if writer.document.units[-1].char != "\n":  # a table or nothing: Docs always end with a paragraph
        writer.end_paragraph()
    return _with_leading_paragraph(writer.document)


_TABLE_UNITS = {"table_open": TABLE, "tr_open": ROW, "th_open": CELL, "td_open": CELL, "table_close": TABLE_END}


def _with_leading_paragraph(document: Document) -> Document:
    if document.units[1].char == TABLE:
        document.units.insert(1, Unit("\n", paragraph=Paragraph()))
    return document


def _inline(paragraph: dict[str, Any], as_html: bool) -> str:
    out = []
    for element in paragraph["elements"]:
        run = element["textRun"]
        text, style = run["content"].rstrip("\n"), run["textStyle"]
        if text:
            out.append(_run_html(text, style) if as_html else _run_markdown(text, style))
    return "".join(out)


def _run_markdown(text: str, style: dict[str, Any]) -> str:
    body = text.strip()
    if not body:
        return text
    lead, tail = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    code = style.get("weightedFontFamily", {}).get("fontFamily") == "Roboto Mono"
    body = f"`{body}`" if code else _escaped(body)
    for mark, sign in (("strikethrough", "~~"), ("italic", "*"), ("bold", "**")):
        if style.get(mark):
            body = f"{sign}{body}{sign}"
    if url := style.get("link", {}).get("url"):
        body = f"[{body}]({url})"
    return lead + body.replace("\v", "  \n") + tail


def _escaped(text: str) -> str:
    return "".join("\\" + c if c in "\\`*_[]<|" else c for c in text)


def _run_html(text: str, style: dict[str, Any]) -> str:
    body = html.escape(text).replace("\v", "<br>")
    if style.get("weightedFontFamily", {}).get("fontFamily") == "Roboto Mono":
        body = f"<code>{body}</code>"
    for mark, tag in (("strikethrough", "s"), ("italic", "em"), ("bold", "strong")):
        if style.get(mark):
            body = f"<{tag}>{body}</{tag}>"
    url = style.get("link", {}).get("url", "")
    if urlsplit(url).scheme in ("http", "https", "mailto"):
        body = f'<a href="{html.escape(url)}" rel="noopener noreferrer">{body}</a>'
    return body


def _ordered(document: Document, bullet: dict[str, Any]) -> bool:
    levels = document.lists.get(bullet["listId"], {}).get("listProperties", {}).get("nestingLevels", [{}])
    return "glyphType" in levels[0]


def _level(paragraph: dict[str, Any]) -> int:
    named: str = paragraph["paragraphStyle"]["namedStyleType"]
    return 1 if named == "TITLE" else int(named[-1]) if named.startswith("HEADING_") else 0


def to_markdown(document: Document) -> str:
    """Markdown as Drive exports it."""
    blocks: list[tuple[str, str]] = []  # text, and the list it is an item of
    for element in structure(document)[1:]:
        if "table" in element:
            blocks.append((_table_markdown(element["table"]), ""))
            continue
        paragraph = element["paragraph"]
        text = _inline(paragraph, as_html=False)
        if not text:
            continue
        level, bullet = _level(paragraph), paragraph.get("bullet")
        if level:
            blocks.append((f"{'#' * level} {text}", ""))
        elif bullet:
            sign = "1." if _ordered(document, bullet) else "-"
            blocks.append(("   " * bullet.get("nestingLevel", 0) + f"{sign} {text}", bullet["listId"]))
        else:
            blocks.append((text, ""))
    out = ""
    for number, (text, of_list) in enumerate(blocks):
        tight = of_list and number > 0 and blocks[number - 1][1] == of_list
        out += ("" if number == 0 else "\n" if tight else "\n\n") + text
    return out + "\n" if out else ""


def _table_markdown(table: dict[str, Any]) -> str:
    rows = []
    for number, row in enumerate(table["tableRows"]):
        cells = [" ".join(_cell_parts(c, as_html=False)) for c in row["tableCells"]]
        if number == 0:  # the header row is bold in the Doc and plain in Markdown
            cells = [c[2:-2] if c.startswith("**") and c.endswith("**") and len(c) > 4 else c for c in cells]
        rows.append("| " + " | ".join(cells) + " |")
    last = table["tableRows"][-1]["tableCells"]
    rows.insert(1, "|" + "".join(" ---: |" if _right(cell) else " --- |" for cell in last))
    return "\n".join(rows)


def _right(cell: dict[str, Any]) -> bool:
    return any(e.get("paragraph", {}).get("paragraphStyle", {}).get("alignment") == "END" for e in cell["content"])


def _cell_parts(cell: dict[str, Any], as_html: bool) -> list[str]:
    inner = [_inline(e["paragraph"], as_html) for e in cell["content"] if "paragraph" in e]
    return [part for part in inner if part]


def to_text(document: Document) -> str:
    """Plain text as Drive exports it: cells on lines of their own."""
    out = []
    for unit in document.units:
        if unit.char not in (TABLE, ROW, CELL, TABLE_END) and unit is not document.units[0]:
            out.append(unit.char.replace("\v", "\n"))
    return "".join(out).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def to_html(document: Document) -> str:
    """The body as HTML with everything escaped; paragraphs carry their start index as an anchor."""
    out: list[str] = []
    open_lists: list[str] = []
    last_list = None
    for element in structure(document)[1:]:
        bullet = element.get("paragraph", {}).get("bullet")
        depth = bullet.get("nestingLevel", 0) + 1 if bullet else 0
        list_id = bullet["listId"] if bullet else None
        while len(open_lists) > (depth if list_id == last_list else 0):
            out.append(f"</{open_lists.pop()}>")
        last_list = list_id
        while bullet and len(open_lists) < depth:
            open_lists.append("ol" if _ordered(document, bullet) else "ul")
            out.append(f"<{open_lists[-1]}>")
        out.append(_element_html(element, bullet is not None))
    out += [f"</{tag}>" for tag in reversed(open_lists)]
    return "".join(out)


def _element_html(element: dict[str, Any], item: bool) -> str:
    if "table" in element:
        rows = element["table"]["tableRows"]
        body = ""
        for number, row in enumerate(rows):
            tag = "th" if number == 0 else "td"
            cells = ""
            for cell in row["tableCells"]:
                inner = "<br>".join(_cell_parts(cell, as_html=True))
                cells += f"<{tag} class='n'>{inner}</{tag}>" if _right(cell) else f"<{tag}>{inner}</{tag}>"
            body += f"<tr>{cells}</tr>"
        return f'<div class="scroll"><table>{body}</table></div>'
    text = _inline(element["paragraph"], as_html=True)
    level = _level(element["paragraph"])
    tag = f"h{level}" if level else "li" if item else "p"
    return f'<{tag} id="i{element["startIndex"]}">{text}</{tag}>' if text else ""
