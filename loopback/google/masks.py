"""Partial responses: the `fields` parameter, as in `files(id,name),nextPageToken` or `sheets.properties`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loopback.google.errors import GoogleError

Mask = dict[str, Any]  # name -> Mask; an empty mask keeps everything below


def parse(text: str) -> Mask:
    """A mask as nested names; raises 400 when brackets do not match."""
    mask, rest = _parse(text.replace(" ", ""), text)
    if rest:
        raise _bad(text)
    return mask


def _bad(text: str) -> GoogleError:
    return GoogleError(
        400, f"Invalid field selection {text}", reason="invalidParameter", location=("parameter", "fields")
    )


def _parse(text: str, whole: str) -> tuple[Mask, str]:
    mask: Mask = {}
    while True:
        cut = next((i for i, c in enumerate(text) if c in ",()"), len(text))
        names, text = text[:cut].replace("/", ".").split("."), text[cut:]
        if "" in names:
            raise _bad(whole)
        inner: Mask = {}
        if text.startswith("("):
            inner, text = _parse(text[1:], whole)
            if not text.startswith(")"):
                raise _bad(whole)
            text = text[1:]
        _merge(mask, names, inner)
        if not text.startswith(","):
            return mask, text
        text = text[1:]


def _merge(mask: Mask, names: list[str], inner: Mask) -> None:
    for name in names[:-1]:
        mask = mask.setdefault(name, {})
    mask.setdefault(names[-1], {}).update(inner)


def check(mask: Mask, schema: Mapping[str, Any], known: Mapping[str, Any], at: str = "") -> None:
    """Raise 400 for a name that the response does not have."""
    for name, inner in mask.items():
        path = f"{at}/{name}" if at else name
        if name == "*":
            continue
        spec = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
        if spec is None:
            raise _bad(path)
        spec = spec.get("items", spec)
        check(inner, known[spec["$ref"]] if "$ref" in spec else spec, known, path)


def apply(value: Any, mask: Mask) -> Any:
    """The part of a value that the mask names."""
    if not mask or "*" in mask:
        return value
    if isinstance(value, list):
        return [apply(item, mask) for item in value]
    if not isinstance(value, dict):
        return value
    return {k: apply(v, mask[k]) for k, v in value.items() if k in mask}
