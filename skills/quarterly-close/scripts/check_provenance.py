"""Each cited entry stands, at the row named, in a file that a colleague's message brought to the analyst."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from closelib import Answer, Row, main, read_rows
from outputs import rows_of


def work(args: dict[str, Any]) -> Answer:
    """Opens each named file at the named row."""
    _, causes = rows_of(("cause", "kind", "account", "department", "amount", "entries", "sentence"), "causes")
    base, proofs = rows_of(("cause", "entry_id", "line", "effect", "file", "row", "ref"), "cited entries")
    files: dict[str, list[Row]] = {}
    wrong: list[str] = []
    shown: dict[str, set[str]] = {}
    for proof in proofs:
        name, entry = proof["file"], proof["entry_id"]
        shown.setdefault(proof["cause"], set()).add(entry)
        if PurePosixPath(name).parts[:1] != ("inbox",) or ".." in PurePosixPath(name).parts:
            wrong.append(f"{entry} is cited from {name}, which no message brought")
            continue
        if not (base / name).is_file():
            wrong.append(f"{entry} is cited from {name}, which was not handed in")
            continue
        if name not in files:
            files[name] = read_rows(str(base / name), ("entry_id",), "cited file")
        at = int(proof["row"]) - 1
        if not 0 <= at < len(files[name]) or files[name][at]["entry_id"] != entry:
            wrong.append(f"{entry} does not stand in {name}, row {proof['row']}")
    for cause in causes:
        for entry in cause["entries"].split():
            if entry not in shown.get(cause["cause"], set()):
                wrong.append(f"{entry} of {cause['cause']} is cited without a place")
    answer = Answer()
    detail = "; ".join(dict.fromkeys(wrong[:8])) or f"{len(proofs)} cited lines stand in messages of colleagues"
    answer.check("provenance", not wrong, detail)
    return answer


if __name__ == "__main__":
    main(work)
