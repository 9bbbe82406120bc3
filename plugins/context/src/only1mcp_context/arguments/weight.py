"""How much work a schema from outside can make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from only1mcp_context.definitions.schemas import target

MOST = 1_000_000
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


class Weight(Struct):
    total: int
    """Its subschemas, each as often as it is referred to."""
    recursive: bool = False
    """It refers to itself."""


def weight(schema: Mapping[str, Any]) -> Weight:
    """Of a whole schema, in a time that its size bounds."""
    found = Weight(0)
    try:
        found.total = _total(schema, schema, {}, found)
    except RecursionError:
        found.total = MOST
    return found


_UNDER_WAY = -1


def _total(part: Any, root: Mapping[str, Any], known: dict[int, int], found: Weight) -> int:
    if isinstance(part, list):
        return min(MOST, sum(_total(each, root, known, found) for each in part))
    if not isinstance(part, Mapping):
        return 0
    so_far = known.get(id(part))
    if so_far == _UNDER_WAY:
        found.recursive = True
        return 1
    if so_far is not None:
        return so_far
    known[id(part)] = _UNDER_WAY
    total = 1 + sum(
        _total(value, root, known, found)
        for key, value in part.items()
        if key not in ("$defs", "definitions")
    )
    for keyword in _REFERENCES:
        if keyword in part:
            total += _total(target(root, part[keyword]) if keyword == "$ref" else root, root, known, found)
    known[id(part)] = total = min(MOST, total)
    return total


def depth_of(value: Any, limit: int = 64) -> int:
    """How deep objects and arrays are nested; no deeper than `limit`."""
    if limit == 0 or not isinstance(value, dict | list):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max((depth_of(each, limit - 1) for each in inner), default=0)
