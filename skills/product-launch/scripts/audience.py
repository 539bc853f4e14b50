"""Who is written to and what the CRM believes: contacts with consent per segment, and the campaign record."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from launchlib import WrongInput, long_date, main

RECORDED = ("launch_date", "price", "webinar_date")


def work(args: dict[str, Any]) -> dict[str, Any]:
    """Arguments: product, campaigns, segments, contacts (CSV files of the CRM's answers)."""
    campaigns = [r for r in _rows(args["campaigns"]) if r["product"].lower() == args["product"].strip().lower()]
    if not campaigns:
        raise WrongInput(f"The CRM has no campaign for {args['product']}.")
    record = campaigns[0]
    names = {r["segment"]: r["name"] for r in _rows(args["segments"])}
    people = [r for r in _rows(args["contacts"]) if r["segment"] in names]
    willing = [r for r in people if r["consent"] == "yes"]
    _write("audience.csv", ["contact", "segment", "name", "mail", "consent"], willing)
    url = record["url"].rsplit("/", 2)[0]
    counts = [
        {
            "segment": key,
            "name": name,
            "contacts": sum(r["segment"] == key for r in willing),
            "url": f"{url}/segments/{key}",
        }
        for key, name in names.items()
    ]
    _write("segments.csv", ["segment", "name", "contacts", "url"], counts)
    _write("campaign.csv", ["id", "price", "url"], [record])
    stated = {name: record[name] for name in RECORDED if record.get(name)}
    campaign = {
        "id": record["id"], "url": record["url"], "segments": list(names.values()),
        "facts": {n: {"text": long_date(v), "number": v if n == "price" else ""} for n, v in stated.items()},
        "total": len(willing),
    }  # fmt: skip
    Path("campaign.json").write_text(json.dumps(campaign, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return {
        "ok": True, "files": ["audience.csv", "campaign.json"], "left_out": len(people) - len(willing),
        "figures": _figures(record, counts),
    }  # fmt: skip


def _rows(path: str) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _write(name: str, columns: list[str], rows: list[dict[str, Any]]) -> None:
    with Path(name).open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def _figures(record: dict[str, str], counts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    inputs = [
        {
            "as": f"s{number}", "kind": "crm", "ref": f"crm:segments/{row['segment']}", "url": row["url"],
            "value": str(row["contacts"]), "source": {"file": "segments.csv", "row": number, "column": "contacts"},
        }
        for number, row in enumerate(counts, start=1)
    ]  # fmt: skip
    total = sum(row["contacts"] for row in counts)
    made: list[dict[str, Any]] = [
        {
            "id": "audience.total", "label": "Contacts with consent", "value": str(total),
            "unit": "count", "formula": f"sum({', '.join(i['as'] for i in inputs)})", "inputs": inputs,
        }
    ]  # fmt: skip
    if record.get("price"):
        source = {"file": "campaign.csv", "row": 1, "column": "price"}
        cell = {"as": "v", "kind": "crm", "ref": record["ref"], "url": record["url"], "value": record["price"]}
        made.append(
            {
                "id": "crm.price", "label": "Price in the campaign record", "value": record["price"], "formula": "v",
                "unit": record.get("currency", ""), "inputs": [{**cell, "source": source}],
            }
        )  # fmt: skip
    return made


if __name__ == "__main__":
    main(work)
