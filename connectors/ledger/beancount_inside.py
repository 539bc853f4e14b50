"""Reads one Beancount file with Beancount's own library and prints its postings as JSON; a program of its own.

Beancount is under the GPL, so nothing of Cadre imports it: this file is run by path, behind walls, by whichever
Python has the library, and imports nothing of ours but the walls. A ledger may name plugins, which are programs.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import sys
import warnings
from pathlib import Path
from typing import Any

MISSING = 3  # exit status: this Python has no Beancount


def walls() -> Any:
    """The module that confines a process."""
    path = Path(__file__).resolve().parents[1] / "cell.py"
    spec = importlib.util.spec_from_file_location("cell", path)
    assert spec is not None and spec.loader is not None
    cell = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cell)
    return cell


def main() -> int:
    """Confine this process as the order in its first argument says, then read."""
    order = json.loads(sys.argv[1])
    path = Path(order["file"])
    if importlib.util.find_spec("beancount") is None:
        return MISSING
    cell = walls()
    cell.confine({**order, "see": (*cell.python_paths(), str(path.parent))})
    from beancount import loader  # type: ignore[import-not-found,unused-ignore]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".gz":
            entries, errors, options = loader.load_string(gzip.decompress(path.read_bytes()).decode("utf-8"))
        else:
            entries, errors, options = loader.load_file(str(path))
    json.dump(told(entries, errors, options), sys.stdout)
    return 0


def told(entries: Any, errors: Any, options: Any) -> dict[str, Any]:
    """Postings, accounts and complaints; amounts as text."""
    from beancount.core import compare, convert, data  # type: ignore[import-not-found,unused-ignore]

    postings, accounts = [], []
    for entry in entries:
        if isinstance(entry, data.Open):
            accounts.append(entry.account)
        if not isinstance(entry, data.Transaction):
            continue
        identity = compare.hash_entry(entry)[:12]
        for number, posting in enumerate(entry.postings, start=1):
            weight = convert.get_weight(posting)
            postings.append({
                "entry": identity, "line": number, "date": entry.date.isoformat(), "account": posting.account,
                "units": str(posting.units.number), "currency": posting.units.currency,
                "weight": str(weight.number), "in": weight.currency, "payee": entry.payee or "",
                "narration": entry.narration or "", "at": entry.meta.get("lineno", 0),
                "tags": sorted(entry.tags or ()), "links": sorted(entry.links or ()),
            })  # fmt: skip
    roots = {options[f"name_{kind}"]: kind for kind in ("assets", "liabilities", "equity", "income", "expenses")}
    complaints = [f"line {(error.source or {}).get('lineno', 0)}: {error.message}" for error in errors]
    return {
        "postings": postings, "accounts": accounts, "roots": roots, "complaints": complaints,
        "currencies": list(options["operating_currency"]),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
