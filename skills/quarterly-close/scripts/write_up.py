"""The variance report, the rows of the sheet and the summary, with placeholders where figures and entries belong.

Arguments: period; variance, causes (CSV files of the analyst); optional notes (sentences for the reader).
Writes report.md, sheet.csv and summary.md.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from closelib import Answer, Row, main, quarter_bounds, read_rows, slug, wanted, write_rows
from wording import KINDS, LABELS, WORDS, better, cite, fig, headline, spoken, statement, without_numbers

SUMMARY_LINES = 12
SHEET = (
    "Account", "Name", "Type", "Department", "Forecast", "Actual", "Variance", "%", "F/U", "Cause", "Sources",
)  # fmt: skip


def work(args: dict[str, Any]) -> Answer:
    """Writes the three texts."""
    period = wanted(args, "period")
    quarter_bounds(period)
    columns = ("account", "name", "type", "department", "forecast", "actual", "variance", "effect", "material")
    lines = read_rows(wanted(args, "variance"), columns, "variance")
    causes = read_rows(
        wanted(args, "causes"), ("cause", "kind", "account", "amount", "entries", "sentence"), "causes"
    )
    notes = [without_numbers(note) for note in args.get("notes") or []]
    summary = "\n".join(summary_lines(period, lines, causes, notes))
    answer = Answer()
    for name, text in (("report.md", report(period, lines, causes, notes)), ("summary.md", summary + "\n")):
        Path(name).write_text(text, encoding="utf-8")
    write_rows("sheet.csv", SHEET, (sheet_row(line, causes) for line in lines))
    answer.files = ["report.md", "sheet.csv", "summary.md"]
    answer.more = {
        "summary": summary, "title": f"Variance report {spoken(period)}", "tab": f"{spoken(period)} variance",
    }  # fmt: skip
    return answer


def of_line(line: Row, causes: list[Row]) -> list[Row]:
    """The causes in one account and department."""
    return [c for c in causes if c["account"] == line["account"] and c["department"] == line["department"]]


def summary_lines(period: str, lines: list[Row], causes: list[Row], notes: list[str]) -> list[str]:
    """At most twelve lines, the result first; what does not fit stands in the report."""
    head = [
        f"The close of {spoken(period)} is ready for review.",
        statement("revenue", lines),
        statement("gross_margin", lines),
        statement("operating_result", lines),
    ]
    # what does not balance comes first, so that no cut can hide it
    ordered = sorted(causes, key=lambda cause: cause["kind"] != "imbalance")
    points = [point for cause in ordered if (point := bullet(cause, causes))]
    tail = [" ".join(notes)] if notes else []
    tail += [f"The rest is in the report and in the tab “{spoken(period)} variance”."]
    room = SUMMARY_LINES - len(head) - len(tail)
    if len(points) > room:
        head = [head[0], statement("operating_result", lines)]
        room = SUMMARY_LINES - len(head) - len(tail)
    if not causes:
        points = ["• No variance is material and every entry balances."]
    if len(points) > room:
        points = [*points[: room - 1], "• Further causes stand in the report."]
    return [*head, *points, *tail]


def bullet(cause: Row, causes: list[Row]) -> str:
    """One cause in a line; the two sides of a misposting share one."""
    entries = cause["entries"].split()
    shown = cite(entries[:3]) + (" and others" if len(entries) > 3 else "")
    if cause["kind"] == "imbalance":
        return f"• Imbalance: {shown} is out of balance by {fig(cause['cause'])}; it was not corrected."
    if cause["kind"] == "unexplained":
        return f"• Unexplained: a part of {place(cause)} has no cause in the entries and needs a person."
    if cause["kind"] == "misposting":
        first = next(c for c in causes if c["kind"] == "misposting" and c["entries"] == cause["entries"])
        if first.number != cause.number:
            return ""
    sentence = without_numbers(cause["sentence"]).rstrip(".")
    return f"• {KINDS[cause['kind']]}, {place(cause)}: {fig(cause['cause'])}. {sentence} ({shown})."


def place(row: Row) -> str:
    """An account and department by name."""
    return without_numbers(f"{row['name']} ({row['department']})" if row["department"] else row["name"])


def report(period: str, lines: list[Row], causes: list[Row], notes: list[str]) -> str:
    """The report in Markdown."""
    parts = [
        f"# Variance report {spoken(period)}",
        "Actual amounts come from the ledger, forecast amounts from the forecast workbook. Variance is actual minus "
        "forecast, both stated as positive amounts; each number opens its source.",
        "## Result",
        "| | Actual | Forecast | Variance | Share | |\n|---|---|---|---|---|---|",
    ]
    for measure, label in LABELS.items():
        has_percent, word = headline(measure, lines)
        share = fig(measure + "_percent") if has_percent else ""
        cells = (label, *(fig(f"{measure}_{side}") for side in ("actual", "forecast", "variance")), share, word)
        parts[-1] += "\n| " + " | ".join(cells) + " |"
    material = [line for line in lines if line["material"] == "yes"]
    parts.append("## Material variances")
    if not material:
        parts.append("No line reaches the materiality of the close conventions.")
    else:
        table = "| Account | Department | Actual | Forecast | Variance | |\n|---|---|---|---|---|---|"
        for line in material:
            name = slug("line", line["account"], line["department"])
            sides = (fig(f"{name}_{side}") for side in ("actual", "forecast", "variance"))
            cells = (f"GL-{line['account']} {line['name']}", line["department"], *sides, WORDS[line["effect"]])
            table += "\n| " + " | ".join(cells) + " |"
        parts.append(table)
    parts += [text for line in material for text in explained(line, of_line(line, causes))]
    parts.append("## Entries that do not balance")
    spoiled = [cause for cause in causes if cause["kind"] == "imbalance"]
    parts += [
        f"- {cite(cause['entries'].split())} is out of balance by {fig(cause['cause'])}. It was not corrected."
        for cause in spoiled
    ] or ["Every entry of the quarter balances."]
    parts += ["## Not understood", *(f"- {note}" for note in notes)] if notes else []
    parts.append("All other lines stand in the sheet; they are below materiality.")
    return "\n\n".join(parts) + "\n"


def explained(line: Row, causes: list[Row]) -> list[str]:
    """The causes of one line under its own heading."""
    texts = [f"### {line['name']}, {line['department']}"]
    for cause in causes:
        if cause["kind"] == "unexplained":
            texts.append("- Unexplained: a part of this variance has no cause in the entries and needs a person.")
            continue
        word = better(line, cause.amount("amount"))
        texts.append(
            f"- {KINDS[cause['kind']]}, {fig(cause['cause'])} ({word}): {without_numbers(cause['sentence'])} "
            f"Entries: {cite(cause['entries'].split())}."
        )
    return texts


def sheet_row(line: Row, causes: list[Row]) -> dict[str, str]:
    """A line as a row of the new tab."""
    mine = of_line(line, causes)
    return {
        "Account": line["account"], "Name": line["name"], "Type": line["type"], "Department": line["department"],
        "Forecast": line["forecast"], "Actual": line["actual"], "Variance": line["variance"], "%": line["percent"],
        "F/U": line["effect"],
        "Cause": " ".join(f"{KINDS[c['kind']]} {c['amount']}: {c['sentence']}" for c in mine),
        "Sources": " ".join(dict.fromkeys(f"{{{{e:{entry}}}}}" for c in mine for entry in c["entries"].split())),
    }  # fmt: skip


if __name__ == "__main__":
    main(work)
