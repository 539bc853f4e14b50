"""write_document and draw_plot: what people get as files, out of Markdown and tables of the workspace."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Literal

from pydantic import Field

from bot.errors import ModelMustRetry
from bot.policy.gate import Effect
from bot.tools import render
from bot.tools.base import Args, Outcome, Tool, ToolContext, refused
from connectors.documents.words import number_of

KINDS = (".docx", ".pdf", ".xlsx")
MAX_ROWS = 100_000
MAX_POINTS = 5_000
MAX_SERIES = 8


class DocumentArgs(Args):
    file: str = Field(description="A Markdown file for .docx and .pdf; a CSV file for .xlsx.")
    more: list[str] = Field(default=[], max_length=20, description="Further CSV files, a tab each.")
    title: str = Field(min_length=1, max_length=200)
    save_as: str = Field(description="Ends in .docx, .pdf or .xlsx.")


class PlotArgs(Args):
    file: str = Field(description="A CSV file with a header row.")
    kind: Literal["bar", "line", "scatter"]
    x: str = Field(description="The column of the horizontal axis.")
    y: list[str] = Field(min_length=1, max_length=MAX_SERIES, description="Columns of numbers, one series each.")
    title: str = Field(min_length=1, max_length=200)
    x_label: str = Field(min_length=1, max_length=80)
    y_label: str = Field(min_length=1, max_length=80, description="What is measured, with its unit.")
    save_as: str = Field(description="Ends in .png or .svg.")


class WritingTools:
    """Files for people. Every number in them is a recorded figure or comes out of a table."""

    def __init__(self, figure_page: str) -> None:
        self._page = figure_page

    async def write(self, ctx: ToolContext, args: DocumentArgs) -> Outcome:
        ending = PurePosixPath(args.save_as).suffix
        if ending not in KINDS:
            raise ModelMustRetry(f"save_as ends in one of {', '.join(KINDS)}.")
        if args.more and ending != ".xlsx":
            raise ModelMustRetry("more is for the tabs of an .xlsx file.")
        shown = await ctx.db.read(lambda c: render.lookup(c, ctx.run_id, self._page))
        asked = await ctx.db.read(lambda c: render.requested(c, ctx.run_id))
        sources = [ctx.workspace.text(name) for name in (args.file, *args.more)]
        link = render.markdown_link if ending != ".xlsx" else _label_only
        texts = []
        for name, source in zip((args.file, *args.more), sources, strict=True):
            text, unknown = shown.fill(source, link)
            if unknown:
                return refused(f"{name} cites what this run does not have: {', '.join(unknown[:8])}.")
            texts.append(text)
        words = "" if ending == ".xlsx" else f"{args.title}\n{sources[0]}"
        stated = render.uncited_numbers(words, asked, shown.messages)
        if stated:
            return refused(f"{args.file} states numbers without a source: {', '.join(stated[:8])}. Use placeholders.")
        now = datetime.fromtimestamp(ctx.db.now(), UTC)
        names = [PurePosixPath(name).stem for name in (args.file, *args.more)]
        data = await asyncio.to_thread(_made, ending, args.title, list(zip(names, texts, strict=True)), now)
        made = ctx.workspace.write(args.save_as, data)
        return Outcome({"ok": True, "file": made, "bytes": len(data)}, files=(made,))

    async def plot(self, ctx: ToolContext, args: PlotArgs) -> Outcome:
        ending = PurePosixPath(args.save_as).suffix
        if ending not in (".png", ".svg"):
            raise ModelMustRetry("save_as ends in .png or .svg.")
        rows = _rows(args.file, ctx.workspace.text(args.file))
        asked = await ctx.db.read(lambda c: render.requested(c, ctx.run_id))
        stated = render.uncited_numbers("\n".join((args.title, args.x_label, args.y_label)), asked)
        if stated:
            return refused(f"The words of the plot state numbers without a source: {', '.join(stated[:8])}.")
        data = await asyncio.to_thread(_drawn, args, rows, ending)
        made = ctx.workspace.write(args.save_as, data)
        return Outcome({"ok": True, "file": made, "points": len(rows) - 1, "series": len(args.y)}, files=(made,))

    def tools(self) -> list[Tool]:
        return [
            Tool("write_document", "Make a Word file or PDF of a Markdown file, or a workbook of CSV files with "
                 "numbers as numbers. {{f:id}} and {{e:id}} become linked figures.", Effect.WORKSPACE, self.write,
                 DocumentArgs),
            Tool("draw_plot", "Draw columns of a CSV file as bars, lines or points.", Effect.WORKSPACE, self.plot,
                 PlotArgs),
        ]  # fmt: skip


def _made(ending: str, title: str, texts: list[tuple[str, str]], now: datetime) -> bytes:
    # These libraries take a second to import, and most runs write no such file.
    if ending == ".docx":
        from connectors.documents.writing.word import to_docx

        return to_docx(texts[0][1], title, now)
    if ending == ".pdf":
        from connectors.documents.writing.pdf import missing, to_pdf

        if letters := missing(texts[0][1]):
            raise ModelMustRetry(f"A PDF has no letters for {letters[:40]}; write a .docx file instead.")
        return to_pdf(texts[0][1], title)
    from connectors.documents.writing.workbook import Table, to_xlsx

    return to_xlsx([Table(name, _rows(name, text)) for name, text in texts], now)


def _drawn(args: PlotArgs, rows: list[list[str]], ending: str) -> bytes:
    from connectors.documents.writing import plots

    header, body = rows[0], rows[1:]
    missing = [column for column in (args.x, *args.y) if column not in header]
    if missing:
        raise ModelMustRetry(f"{args.file} has no column {', '.join(missing)}; it has {', '.join(header)[:600]}.")
    if len(body) > MAX_POINTS:
        raise ModelMustRetry(f"{args.file} has {len(body):,} rows; {MAX_POINTS:,} can be drawn. Group them first.")
    at = header.index(args.x)
    names = [row[at] for row in body]
    numbers = [number_of(name) for name in names]
    x = numbers if args.kind == "scatter" or (args.kind == "line" and not _years(names)) else names
    if any(number is None for number in x):
        if args.kind == "scatter":
            raise ModelMustRetry(f"{args.file}: column {args.x} has to hold numbers to draw points.")
        x = names
    series = [
        plots.Series(column, [_value(args.file, column, row[header.index(column)]) for row in body])
        for column in args.y
    ]
    plot = plots.Plot(
        args.kind, args.title, [one for one in x if one is not None], series, args.x_label, args.y_label
    )
    return plots.draw(plot, "png" if ending == ".png" else "svg")


def _value(file: str, column: str, text: str) -> Decimal | None:
    if not text.strip():
        return None
    number = number_of(text)
    if number is None:
        raise ModelMustRetry(f"{file}, column {column}: {text[:60]!r} is no number.")
    return number


def _years(names: list[str]) -> bool:
    """Years are names along the axis, not amounts."""
    return all(len(name) == 4 and name.isdigit() for name in names)


def _rows(name: str, text: str) -> list[list[str]]:
    """The rows of a CSV file, all as long as the header. Raises ModelMustRetry."""
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except csv.Error as error:
        raise ModelMustRetry(f"{name} is no CSV file: {error}.") from error
    if len(rows) < 2:
        raise ModelMustRetry(f"{name} has no rows below a header.")
    if len(rows) > MAX_ROWS:
        raise ModelMustRetry(f"{name} has more than {MAX_ROWS:,} rows.")
    width = max(map(len, rows))
    return [row + [""] * (width - len(row)) for row in rows]


def _label_only(label: str, _url: str) -> str:
    return label
