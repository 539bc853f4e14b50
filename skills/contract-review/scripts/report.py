"""Results of a review to review.md and counts.csv: what is flagged where, and what was not read."""

import csv
import json
import sys
from collections import defaultdict
from pathlib import Path

QUOTE = 400


def main() -> None:
    given = json.load(sys.stdin)
    rows = [json.loads(line) for line in Path(given["results"]).read_text(encoding="utf-8").splitlines()]
    answered = [row for row in rows if row["status"] == "done"]
    names = list(dict.fromkeys(row["name"] for row in answered))
    labels: dict[str, str] = {}
    found: dict[str, list[dict]] = defaultdict(list)
    for row in answered:
        labels.setdefault(row["question"], row["label"])
        if row["found"]:
            found[row["question"]].append(row)
    counts = [
        {
            "question": question,
            "label": label,
            "contracts": len({row["name"] for row in found[question]}),
            "places": len(found[question]),
        }
        for question, label in labels.items()
    ]
    with Path("counts.csv").open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, ["question", "label", "contracts", "places"])
        writer.writeheader()
        writer.writerows(counts)
    Path("review.md").write_text(review(given, rows, counts, found, names), encoding="utf-8")
    print(
        json.dumps(
            {"ok": True, "files": ["review.md", "counts.csv"], "figures": figures(counts), "lines": lines(counts)}
        )
    )


def figures(counts: list[dict]) -> list[dict]:
    """Each count as a figure that cites its cell."""
    return [
        {
            "id": f"contracts.{row['question']}",
            "label": f"contracts with: {row['label']}",
            "unit": "count",
            "value": str(row["contracts"]),
            "formula": "n",
            "inputs": [
                {
                    "as": "n",
                    "kind": "count",
                    "ref": f"counts.csv row {place} column contracts",
                    "value": str(row["contracts"]),
                    "source": {"file": "counts.csv", "row": place, "column": "contracts"},
                }
            ],
        }
        for place, row in enumerate(counts, 1)
    ]


def lines(counts: list[dict]) -> str:
    """The most frequent clauses, one line each, with placeholders for the counts."""
    most = sorted((row for row in counts if row["contracts"]), key=lambda row: -row["contracts"])[:8]
    return "\n".join(f"- {row['label']}: {{{{f:contracts.{row['question']}}}}}" for row in most)


def review(given: dict, rows: list[dict], counts: list[dict], found: dict, names: list[str]) -> str:
    unread = [row for row in rows if row["status"] != "done"]
    out = [f"# {given.get('title') or 'Contract review'}", "", f"{len(names)} contracts were read.", ""]
    if unread:
        out += ["## Not read", ""]
        out += [f"- {line(row['name'])}: {row['status']}, {line(row['reason'])}" for row in unread] + [""]
    out += ["## Clauses", "", "| Clause | Contracts | Places |", "|---|---:|---:|"]
    out += [f"| {row['label']} | {row['contracts']} | {row['places']} |" for row in counts] + [""]
    by_name: dict[str, list[dict]] = defaultdict(list)
    for question in found.values():
        for row in question:
            by_name[row["name"]].append(row)
    out += ["## Contracts", ""]
    for name in names:
        out += [f"### {line(name)}", ""]
        out += [entry(row) for row in by_name[name]] or ["Nothing is flagged."]
        out += [""]
    return "\n".join(out)


def entry(row: dict) -> str:
    value = row.get("value")
    shown = " ".join(map(str, value.values())) if isinstance(value, dict) else value
    told = f" ({line(str(shown))})" if shown else ""
    words = line(row["quote"])
    words = words if len(words) <= QUOTE else words[: QUOTE - 1] + "…"
    place = f"[{row['place']}]({row['url']})" if row.get("url") else row["place"]
    return f"- **{row['label']}**{told}: “{words}” {place}"


def line(text: str) -> str:
    return " ".join(text.split())


main()
