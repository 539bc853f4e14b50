"""What an Office file carries beside its text: macros, objects, links to the outside."""

from __future__ import annotations

import re
from collections.abc import Iterator

_LINK = re.compile(rb"<(?:\w+:)?Relationship\s[^>]{0,4000}>")
_REMARK = re.compile(rb"<(?:\w+:)?(?:comment|cm)[\s>/]")
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".emf", ".wmf", ".bmp", ".tif", ".tiff", ".svg", ".webp")


def beside(parts: dict[str, bytes]) -> tuple[str, ...]:
    """Sentences about what was found in an Office file and neither run, opened nor fetched."""
    names = {name.lower() for name in parts}
    found = []
    if any(name.endswith("vbaproject.bin") or "/macrosheets/" in name for name in names):
        found.append("It carries macros, which were not run.")
    objects = sum(1 for name in names if "/embeddings/" in name or "/activex/" in name)
    if objects:
        found.append(f"It carries {many(objects, 'embedded object')}, which {_were(objects)} not opened.")
    links = [link for name, data in parts.items() if name.endswith(".rels") for link in _external(data)]
    if links:
        shown = ", ".join(dict.fromkeys(links[:3]))
        found.append(
            f"It points to {many(len(links), 'file')} elsewhere, which {_were(len(links))} not fetched: {shown}."
        )
    return tuple(found)


def pictures(parts: dict[str, bytes], folder: str) -> int:
    """How many pictures a folder of the file holds."""
    return sum(1 for name in parts if name.startswith(f"{folder}/") and name.lower().endswith(_PICTURES))


def remarks(parts: dict[str, bytes], start: str) -> int:
    """How many comments the parts hold whose names begin like this."""
    return sum(len(_REMARK.findall(data)) for part, data in parts.items() if part.startswith(start))


def _external(rels: bytes) -> Iterator[str]:
    """Addresses that are fetched when the file is opened: templates, pictures, objects; links to click are not."""
    for match in _LINK.finditer(rels[:1_000_000]):
        entry = match[0].decode("utf-8", "replace")
        if re.search(r"TargetMode\s*=\s*[\"']External", entry) and '/hyperlink"' not in entry:
            target = re.search(r"Target\s*=\s*[\"']([^\"']{0,300})", entry)
            yield target[1] if target else "an address"


def many(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number} {noun}{'s' if number > 1 else ''}"


def _were(number: int) -> str:
    return "were" if number > 1 else "was"
