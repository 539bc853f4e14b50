"""Lines that match a regular expression: {pattern, files} in, {ok, hits, total} out. Runs in a cell."""

from __future__ import annotations

import json
import re
import sys

SHOWN = 200
LINE = 300


def main() -> None:
    """Reads the arguments and prints the answer."""
    args = json.loads(sys.stdin.read())
    pattern = re.compile(args["pattern"])
    hits: list[dict[str, str | int]] = []
    total = 0
    for name in args["files"]:
        with open(name, encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, start=1):
                found = pattern.search(line.rstrip("\n"))
                if not found:
                    continue
                total += 1
                if len(hits) < SHOWN:
                    start = max(0, found.start() - LINE // 2)
                    hits.append({"path": name, "line": number, "text": line[start : start + LINE].rstrip("\n")})
    print(json.dumps({"ok": True, "hits": hits, "total": total}, ensure_ascii=False))


if __name__ == "__main__":
    main()
