"""write_page: page data of a workspace becomes one HTML file whose every number opens its source."""

from __future__ import annotations

from pydantic import Field, ValidationError

from bot.errors import ModelMustRetry
from bot.policy.gate import Effect
from bot.tools import render
from bot.tools.base import Args, Outcome, Tool, ToolContext, refused
from bot.tools.pages.data import Bars, Page, bare, blocks, own_words
from bot.tools.pages.html import to_html

DESCRIPTION = (
    "Make one self-contained HTML page from page data, a JSON file of your workspace: {title, kicker, lead: [text], "
    "wide, sections: [{title, id, blocks}], notes: [text]}. Blocks by type: text {text}; list {items, ordered}; "
    "table {columns: [{label, align, verbatim}], rows, caption, sort}, a cell is a text or {text, tone: good, warn, "
    "bad or none, verbatim}; tiles {items: [{label, text, tone}]}; bars {series, rows: [{label, figures: [id or "
    "null per series], note}], caption, missing, max}; quotes {items: [{text, place, url, note}]}; "
    "sides {items: [{label, text, quotes}], caption}; passages {items: [{id, place, text}]}; "
    "details {summary, blocks}; each may have an id. Texts may hold **bold**, `words of a source`, "
    "[label](https:// or #id), {{f:id}} and {{e:id}}; other numbers are refused."
)


class PageArgs(Args):
    file: str = Field(description="The page data, a .json file.")
    save_as: str = Field(default="", description="The page, a .html file; beside the data unless told.")


class PageTool:
    """write_page with the address of the pages that show figures."""

    def __init__(self, figure_page: str) -> None:
        self._page = figure_page

    async def run(self, ctx: ToolContext, args: PageArgs) -> Outcome:
        try:
            page = Page.model_validate_json(ctx.workspace.read(args.file))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
            raise ModelMustRetry(f"{args.file} is no page data: {wrong}.") from error
        shown = await ctx.db.read(lambda c: render.lookup(c, ctx.run_id, self._page))
        asked = await ctx.db.read(lambda c: render.requested(c, ctx.run_id))
        texts = list(own_words(page))
        used = [name for text in texts for _, name in render.PLACEHOLDER.findall(text)]
        unknown = [name for text in texts for name in shown.fill(text, render.slack_link)[1]]
        drawn = [name for b in blocks(page) if isinstance(b, Bars) for row in b.rows for name in row.figures if name]
        unknown += [name for name in drawn if name not in shown.figures]
        if unknown:
            return refused(f"{args.file} cites what this run does not have: {', '.join(unknown[:8])}.")
        uneven = [
            b.caption or "bars" for b in blocks(page) if isinstance(b, Bars)
            for row in b.rows if len(row.figures) != len(b.series)
        ]  # fmt: skip
        if uneven:
            return refused(f"{uneven[0]}: each row needs one figure, or null, per series.")
        stated = [number for text in texts for number in render.uncited_numbers(bare(text), asked, shown.messages)]
        if stated:
            return refused(f"{args.file} states numbers without a source: {', '.join(stated[:8])}. Use placeholders.")
        name = args.save_as or f"{args.file.removesuffix('.json')}.html"
        if not name.endswith(".html"):
            raise ModelMustRetry("save_as is the name of a .html file.")
        made = ctx.workspace.write(name, to_html(page, shown).encode())
        return Outcome({"ok": True, "file": made, "figures": len({*used, *drawn})}, files=(made,))


def page_tools(figure_page: str) -> list[Tool]:
    return [Tool("write_page", DESCRIPTION, Effect.WORKSPACE, PageTool(figure_page).run, PageArgs)]
