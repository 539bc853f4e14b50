"""The requirements found in a policy as a form for work_through: each is asked of the filing once."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from evidence import Row, lines_of, main, write_json
from filinglib import form, requirements


def work(args: Row) -> Row:
    """Arguments: policy (the results of work_through with the form requirements)."""
    asked = requirements(lines_of(args["policy"]))
    write_json("filing_form.json", form(asked))
    return {
        "files": ["filing_form.json"],
        "form": "filing_form.json",
        "requirements": [f"{o.number} {o.title}" for o in asked],
    }


if __name__ == "__main__":
    main(work)
