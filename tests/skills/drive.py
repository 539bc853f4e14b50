"""Runs the skills' scripts on files as agents would have them, without any model."""

from __future__ import annotations

import copy
import csv
import json
import os
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from bot.tools.child import KIT
from connectors.documents.columns import understand, write_long
from connectors.documents.tables import grid_from_rows
from connectors.ledger.books import Books, Filter
from connectors.ledger.server import Answers
from connectors.ledger.server import Sources as LedgerSources
from loopback.company import generate, write

SKILLS = Path(__file__).parents[2] / "skills"
PERIOD = "2026-Q3"


def run_script(skill: str, script: str, args: dict[str, Any], cwd: Path) -> dict[str, Any]:
    """A script's answer, run as the harness runs it: a child with JSON in and out."""
    path = SKILLS / skill / "scripts" / script
    done = subprocess.run(
        [sys.executable, "-s", "-B", str(path)], input=json.dumps(args), capture_output=True, text=True, cwd=cwd,
        env={**os.environ, "PYTHONPATH": KIT},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def keep(path: Path, rows: list[dict[str, Any]]) -> str:
    """Rows as a CSV file, as tool results are kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(dict.fromkeys(key for row in rows for key in row)))
        writer.writeheader()
        writer.writerows(rows)
    return path.name


class Close:
    """The analyst's directory for the company of a seed, and the scripts run in it."""

    def __init__(self, home: Path, seed: int, small: bool = True) -> None:
        self.company = generate(seed, small=small)
        write(self.company, home / "company", home / "truth.json")
        self.home = home
        self.work = home / "analyst"
        self.ledger = Answers(Books(home / "company" / "ledger"), LedgerSources("http://ledger.test"))
        self.readings: list[dict[str, Any]] = []
        self.given: dict[str, Any] = {"period": PERIOD, "currency": "EUR"}
        self._balances()
        self._shared_files()

    def copy(self, home: Path) -> Close:
        """The same company and received files in another directory."""
        other = copy.copy(self)
        other.home, other.work = home, home / "analyst"
        other.given, other.readings = dict(self.given), list(self.readings)
        shutil.copytree(self.work, other.work)
        return other

    def _rows(self, name: str, rows: list[Any]) -> str:
        keep(self.work / "inbox" / name, [row.model_dump(mode="json") for row in rows])
        return f"inbox/{name}"

    def _balances(self) -> None:
        balances = self.ledger.trial_balance(PERIOD)
        self.given |= {
            "trial_balance": self._rows("m1/trial_balance.csv", balances.rows),
            "imbalances": [self._rows("m1/imbalances.csv", balances.imbalances)],
            "accounts": self._rows("m1/accounts.csv", self.ledger.chart().accounts),
        }

    def _shared_files(self) -> None:
        for name, text in self.company.drive.items():
            if name.endswith(".sheet.json"):
                book = json.loads(text)
                for tab in book["tabs"]:
                    self.read_tab(name, book["title"], tab["title"], tab["rows"])
            elif name.endswith(".doc.md"):
                place = self.work / "docs" / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text, encoding="utf-8")

    def read_tab(self, file: str, book: str, tab: str, rows: list[list[Any]]) -> None:
        """A tab as reading a sheet leaves it in a directory."""
        grid = grid_from_rows(book, tab, rows)
        found = understand(grid)
        reading = {"tab": tab, "columns": found.described(), "unknown_columns": list(found.unknown)}
        reading["problems"] = list(found.problems)
        if found.rows:
            path = f"inbox/m2/{len(self.readings)}.long.csv"
            write_long(
                self.work / path,
                grid,
                found,
                f"sheet:{file.split('.')[0]}",
                lambda _, cell: f"http://sheet.test#gid=0&range={cell}",
            )
            reading["long_file"] = path
        self.readings.append(reading)

    def script(self, name: str, **args: Any) -> dict[str, Any]:
        return run_script("quarterly-close", name, args, self.work)

    def pick(self) -> dict[str, Any]:
        documents = [path.relative_to(self.work).as_posix() for path in sorted(self.work.glob("docs/*"))]
        return self.script("pick_tables.py", period=PERIOD, readings=self.readings, documents=documents)

    def variance(self) -> dict[str, Any]:
        """Variance with what was picked."""
        picked = self.pick()
        assert picked["ok"], picked
        self.given |= {kind: picked[kind] for kind in ("forecast", "drivers", "conventions")}
        answer = self.script("variance.py", **self.given)
        assert answer["ok"], answer
        return answer

    def entries(self, lines: list[dict[str, str]]) -> list[str]:
        """What actuals answers for the lines."""
        files = []
        for number, line in enumerate(lines):
            found = self.ledger.books.activity(line["account"], line["department"], None, None)
            files.append(self._rows(f"m3/lines_{number}.csv", self.ledger.rows(found)))
        return files

    def histories(self, parties: list[str]) -> list[str]:
        """What actuals answers for the counterparties."""
        files = []
        for number, party in enumerate(parties):
            found = self.ledger.books.search(Filter("", "", None, party, "", ""))
            files.append(self._rows(f"m4/parties_{number}.csv", self.ledger.rows(found)))
        return files

    def causes(self) -> dict[str, Any]:
        """The whole analysis."""
        lines = self.variance()["lines"]
        self.given |= {"variance": "variance.csv", "activity": self.entries(lines)}
        wanted = self.script("follow_up.py", **self.given)["counterparties"]
        answer = self.script("causes.py", **self.given, counterparties=self.histories(wanted))
        assert answer["ok"], answer
        return answer

    def check(self, name: str) -> tuple[bool, str]:
        """Whether a check passes, and what it says."""
        answer = self.script(f"check_{name}.py")
        checks = answer.get("checks") or [{"passed": False, "detail": answer.get("error", "")}]
        return all(check["passed"] for check in checks), " ".join(check["detail"] for check in checks)


def edit(path: Path, row: int, **values: str) -> None:
    """Changes cells of a CSV file."""
    with path.open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    rows[row] |= values
    keep(path, rows)


class Sources:
    """The cells that figures cite; each file is read once."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.files: dict[str, list[dict[str, str]]] = {}

    def cell(self, source: dict[str, Any]) -> str:
        """The value at a source."""
        name = source["file"]
        if name not in self.files:
            with (self.work / name).open(encoding="utf-8", newline="") as table:
                self.files[name] = list(csv.DictReader(table))
        return self.files[name][source["row"] - 1][source["column"]]


def recompute(work: Path, figures: list[dict[str, Any]], evaluate: Any) -> list[str]:
    """The figures whose inputs do not stand at their sources or do not give the value."""
    sources = Sources(work)
    wrong = []
    for figure in figures:
        values = {i["as"]: Decimal(i["value"] or "0") for i in figure["inputs"]}
        there = all(sources.cell(i["source"]) == i["value"] for i in figure["inputs"])
        if not there or evaluate(figure["formula"], values) != Decimal(figure["value"]):
            wrong.append(figure["id"])
    return wrong
