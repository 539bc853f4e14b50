"""Compares what stands in each contract with the buyer's positions: issues, and the changes of one contract.

Arguments: results (of work_through), folder, contract (words of its name, or "" for the worst), say (of
work_through). Writes issues.csv, changes.json and report.json.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
SEVERITY = ("high", "medium", "low")
WORDS = {"high": "serious", "medium": "to negotiate", "low": "minor"}
TONES = {"high": "bad", "medium": "warn", "low": "warn"}
COLUMNS = ("contract", "position", "label", "severity", "minded", "quote", "place", "url")
NUMBERING = re.compile(r"^\s*(?:\d+(?:\.\d+)*\.?|\([a-z]\))\s+")
Row = dict[str, Any]


class WrongInput(Exception):
    """Input that cannot be used; the message says what and where."""


def main() -> None:
    """Reads the arguments and prints the answer."""
    try:
        answer = {"ok": True, **work(json.loads(sys.stdin.read() or "{}"))}
    except WrongInput as wrong:
        answer = {"ok": False, "error": str(wrong)}
    print(json.dumps(answer, ensure_ascii=False))


def work(args: Row) -> Row:
    """Issues of all contracts, changes of one."""
    results = Path(args["results"])
    rows = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines() if line.strip()]
    positions = yaml.safe_load((HERE.parent / "positions.yml").read_text(encoding="utf-8"))["positions"]
    read = list(dict.fromkeys(row["name"] for row in rows if row["status"] == "done"))
    unread = {row["name"]: row["reason"] for row in rows if row["status"] != "done"}
    if not read:
        raise WrongInput(f"None of the documents could be read: {'; '.join(unread.values()) or 'there are none'}.")
    found = [issue for name in read for issue in issues(name, [r for r in rows if r["name"] == name], positions)]
    with open("issues.csv", "w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows({**issue, **quote} for issue in found for quote in issue["quotes"] or [{}])
    chosen = choose(str(args.get("contract") or ""), read, found)
    changes = proposals([i for i in found if i["contract"] == chosen], positions)
    Path("changes.json").write_text(json.dumps(changes, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    page = report(args, positions, read, unread, found, chosen, len(changes))
    Path("report.json").write_text(json.dumps(page, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    stem = re.sub(r"\.(docx|md|txt|pdf)$", "", Path(chosen).name)
    return {
        "files": ["issues.csv", "changes.json", "report.json"], "figures": figures(found, read),
        "issues": len(found), "contract": chosen, "contract_file": file_of(rows, chosen), "changes": len(changes),
        "redline": f"redline/{re.sub(r'[^A-Za-z0-9._-]+', '_', stem)}.docx", "title": f"{stem} (redline).docx",
        "summary": summary(args, found, read, chosen, len(changes)),
    }  # fmt: skip


def issues(name: str, rows: list[Row], positions: list[Row]) -> list[Row]:
    """Where a contract is not as the positions want it."""
    made = []
    for position in positions:
        mine = [r for r in rows if r["question"] == position["question"]]
        there = [r for r in mine if r["found"]]
        if not mine or bool(there) != (position["minded"] == "found"):
            continue
        if position["id"] == "no_cap" and any(r["found"] for r in rows if r["question"] == "liability_unlimited"):
            continue  # said already: liability is expressly unlimited
        quotes = [{"quote": r["quote"], "place": r["place"], "url": r["url"]} for r in there]
        kept = {key: position[key] for key in ("label", "severity", "minded", "position", "why")}
        made.append(
            {"contract": name, "id": position["id"], **kept, "quotes": quotes}
            | {"position": position["id"], "wanted": position["position"]}
        )
    return made


def choose(wanted: str, read: list[str], found: list[Row]) -> str:
    """The contract that gets a redline."""
    if wanted:
        words = re.findall(r"\w+", wanted.lower())
        named = [
            name
            for name in read
            if all(word in name.lower() for word in words if word not in ("contract", "agreement"))
        ]
        if len(named) != 1:
            raise WrongInput(f"“{wanted}” must name one contract; there are: {', '.join(named or read)}.")
        return named[0]
    weight = {
        name: tuple(-sum(i["severity"] == s for i in found if i["contract"] == name) for s in SEVERITY)
        for name in read
    }
    word_files = [name for name in read if name.lower().endswith(".docx")] or read
    return min(word_files, key=lambda name: (weight[name], name))


def proposals(found: list[Row], positions: list[Row]) -> list[dict[str, str]]:
    """Changes of the quoted words that come nearest to the positions, and touch as few words as possible."""
    wording = {p["id"]: p["proposals"] for p in positions}
    made: list[dict[str, str]] = []
    for issue in found:
        lines = [line for one in issue["quotes"] for line in one["quote"].split("\n")]
        for quote in (NUMBERING.sub("", line).strip() for line in lines):
            for proposal in wording[issue["id"]]:
                new = re.sub(proposal["words"], proposal["new"], quote, count=1)
                if new != quote:
                    reason = f"{issue['label']}: {issue['wanted']} {issue['why']}"
                    made.append({"quote": quote, "new": new, "reason": reason})
                    break
    once = list({change["quote"]: change for change in made}.values())
    return [c for c in once if all(c is other or other["quote"] not in c["quote"] for other in once)]


def file_of(rows: list[Row], name: str) -> str:
    """The contract's file in the workspace."""
    ref = next(r["ref"] for r in rows if r["name"] == name)
    if ref.startswith("file:"):
        return str(ref.removeprefix("file:"))
    found = [p.as_posix() for p in sorted(Path("documents").glob(f"*_{ref[-6:]}*"))]
    if not found:
        raise WrongInput(f"The file of {name} is not in the workspace.")
    return found[0]


def figures(found: list[Row], read: list[str]) -> list[Row]:
    """How many issues of each severity, and in how many contracts, counted in issues.csv."""
    counts = {
        f"issues.{severity}": (
            f"Issues: {WORDS[severity]}",
            f"SELECT count(DISTINCT contract || '/' || position) FROM answers WHERE severity = '{severity}'",
            sum(i["severity"] == severity for i in found),
        )
        for severity in SEVERITY
    }
    counts["issues.contracts"] = (
        "Contracts with an issue",
        "SELECT count(DISTINCT contract) FROM answers",
        len({i["contract"] for i in found}),
    )
    made = []
    for name, (label, sql, value) in counts.items():
        told = {"as": "n", "kind": "query", "value": str(value), "source": {"file": "issues.csv", "sql": sql}}
        made.append(
            {"id": name, "label": label, "value": str(value), "unit": "count", "formula": "n", "inputs": [told]}
        )
    return made


def fig(name: str) -> str:
    return "{{f:" + name + "}}"


def plain(name: str) -> str:
    return re.sub(r"\.(docx|md|txt|pdf)$", "", name.rpartition("/")[2])


def summary(args: Row, found: list[Row], read: list[str], chosen: str, changes: int) -> str:
    """The reply: the point first."""
    lines = [
        f"{fig('issues.high')} serious issues and {fig('issues.medium')} to negotiate, in "
        f"{fig('issues.contracts')} contracts of {args['folder']}."
    ]
    serious: dict[str, list[str]] = defaultdict(list)
    for issue in found:
        if issue["severity"] == "high":
            serious[issue["contract"]].append(issue["label"].lower())
    lines += [f"• {safe(plain(name))}: {', '.join(labels)}" for name, labels in list(serious.items())[:6]]
    if changes:
        lines.append(
            f"The redline of {safe(plain(chosen))} has tracked changes with their reasons; accepted they give the "
            "proposed text, rejected the original."
        )
    else:
        lines.append("No contract needs a redline by these positions.")
    lines.append(str(args.get("say") or "").strip())
    return "\n".join(line for line in lines if line)


def safe(name: str) -> str:
    """A name without numbers of its own, which a reply must not state without a source."""
    return re.sub(r"\s*\b\w*\d\w*\b", "", name).strip()


def matrix(
    positions: list[Row], read: list[str], found: list[Row], anchors: dict[str, str]
) -> tuple[list[Row], list[list[Any]]]:
    """The columns and rows of contracts against positions."""
    by = {(i["contract"], i["id"]): i for i in found}
    columns: list[Row] = [{"label": "Contract"}, *({"label": p["label"]} for p in positions)]
    rows: list[list[Any]] = []
    for name in read:
        cells: list[Any] = [
            f"[`{plain(name)}`](#{anchors[name]})"
            if any(i["contract"] == name for i in found)
            else f"`{plain(name)}`"
        ]
        for position in positions:
            issue = by.get((name, position["id"]))
            cells.append(
                {"text": WORDS[issue["severity"]], "tone": TONES[issue["severity"]]}
                if issue
                else {"text": "–", "tone": "none"}
            )
        rows.append(cells)
    return columns, rows


def rest(positions: list[Row], read: list[str], unread: dict[str, str], found: list[Row]) -> list[Row]:
    """The sections after the issues: contracts without any, what was not read, the positions."""
    sections: list[Row] = []
    clean = [name for name in read if not any(i["contract"] == name for i in found)]
    if clean:
        words = ", ".join(f"`{plain(n)}`" for n in clean)
        sections.append(
            {
                "title": "Nothing found that the positions mind",
                "id": "clean",
                "blocks": [
                    {
                        "type": "text",
                        "text": f"{words}. Looked for: {', '.join(p['label'].lower() for p in positions)}.",
                    }
                ],
            }
        )
    if unread:
        items = [f"`{name}`: {why}" for name, why in unread.items()]
        sections.append({"title": "Not read", "id": "unread", "blocks": [{"type": "list", "items": items}]})
    wanted = [[p["label"], p["position"], WORDS[p["severity"]]] for p in positions]
    table = {
        "type": "table",
        "columns": [{"label": "Position"}, {"label": "What the buyer wants"}, {"label": "A deviation is"}],
        "rows": wanted,
    }
    sections.append({"title": "The positions", "id": "positions", "blocks": [table]})
    return sections


def report(
    args: Row,
    positions: list[Row],
    read: list[str],
    unread: dict[str, str],
    found: list[Row],
    chosen: str,
    changes: int,
) -> Row:
    """The page: a matrix, then the issues of each contract with their words."""
    anchors = {name: f"c{at}" for at, name in enumerate(read, start=1)}
    columns, rows = matrix(positions, read, found, anchors)
    tiles = [
        {"label": "serious", "text": fig("issues.high"), "tone": "bad"},
        {"label": "to negotiate", "text": fig("issues.medium"), "tone": "warn"},
        {"label": "contracts with an issue", "text": fig("issues.contracts")},
    ]  # fmt: skip
    sections: list[Row] = [
        {
            "title": "At a glance",
            "id": "glance",
            "blocks": [{"type": "tiles", "items": tiles}, {"type": "table", "columns": columns, "rows": rows}],
        }
    ]
    for name in read:
        mine = [i for i in found if i["contract"] == name]
        if mine:
            sections.append(
                {"title": f"`{plain(name)}`", "id": anchors[name], "blocks": [b for i in mine for b in blocks(i)]}
            )
    sections += rest(positions, read, unread, found)
    lead = [
        f"{fig('issues.high')} issues are serious: the contract could be lost, or cost without limit.",
        str(args.get("say") or "All documents were read whole."),
    ]
    if changes:
        lead.append(
            f"A redline of **`{plain(chosen)}`** comes with this page: tracked changes, each with its reason."
        )
    notes = [
        "Every quote was found in its contract by code and opens its place. This is a list for a lawyer, not legal "
        "advice."
    ]
    return {
        "title": f"Due diligence: {args['folder']}",
        "kicker": "Contracts against the buyer's positions",
        "lead": lead,
        "sections": sections,
        "notes": notes,
        "wide": True,
    }


def blocks(issue: Row) -> list[Row]:
    """One issue: what is wrong, what is wanted, the words."""
    made: list[Row] = [
        {
            "type": "text",
            "text": f"**{issue['label']}** ({WORDS[issue['severity']]}). {issue['why']} Wanted: {issue['wanted']}",
        }
    ]
    if issue["quotes"]:
        made.append(
            {
                "type": "quotes",
                "items": [{"text": q["quote"], "place": q["place"], "url": q["url"]} for q in issue["quotes"]],
            }
        )
    else:
        made.append({"type": "text", "text": "The contract was read whole and has no such clause."})
    return made


if __name__ == "__main__":
    main()
