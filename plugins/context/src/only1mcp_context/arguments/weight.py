"""How much work a schema from outside can make, before it is let make any."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from only1mcp_context.definitions.schemas import target

MOST = 1 << 40
MOST_LOOKS = 20_000_000
"""Subschemas that are looked at for one check: a second at worst."""
MOST_READ = 300_000
"""Characters that are compared with patterns for one check: seconds at worst, and milliseconds for all patterns that
anybody would write."""
_DEEPEST = 64
_BY_NAME = frozenset({"properties", "patternProperties", "dependentSchemas", "dependencies"})
_IN_PLACE = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else"})
_DEEPER = frozenset(
    {
        "properties", "patternProperties", "items", "prefixItems", "additionalItems", "contains",
        "additionalProperties", "propertyNames", "unevaluatedItems", "unevaluatedProperties",
    }
)  # fmt: skip
_TWICE = ("unevaluatedItems", "unevaluatedProperties")
_ELSEWHERE = ("$dynamicRef", "$recursiveRef")


class Weight(NamedTuple):
    total: int
    """Its subschemas, each as often as it is referred to. `MOST` for what can't be told, or never ends."""
    patterns: int = 0
    """Those of them that are patterns."""
    again: int = 0
    """How often it refers to itself."""

    @property
    def light(self) -> int:
        """Arguments of so many bytes make too little work to look at how they are made."""
        if self.again > 1:
            return 0
        return min(MOST_LOOKS // self.total, MOST_READ // max(self.patterns, 1))

    def bears(self, size: int, values: int, depth: int) -> bool:
        """Whether arguments of so many bytes, made of so many values, nested this deep can be checked in good time."""
        return (
            self.looks(values, depth) <= MOST_LOOKS and self._times(depth) * self.patterns * size <= MOST_READ
        )

    def looks(self, values: int, depth: int) -> int:
        """The most subschemas that may be looked at to check them."""
        return values * self.total * self._times(depth)

    def _times(self, depth: int) -> int:
        """How often a value may be looked at by the same subschema. Each time the schema refers to itself goes one
        level down in the values, so `again` of them can come together at every level."""
        return int(min(MOST, max(self.again, 1) ** min(depth, _DEEPEST)))


def weight(schema: Mapping[str, Any]) -> Weight:
    """Of a whole schema, in a time that its size bounds."""
    try:
        if _is_endless(schema, schema, {}):
            return Weight(MOST)
        return _weight(schema, schema, {})
    except RecursionError:
        return Weight(MOST)


def _weight(part: Mapping[str, Any], root: Mapping[str, Any], known: dict[int, Weight | None]) -> Weight:
    if id(part) in known:
        return known[id(part)] or Weight(1, again=1)
    known[id(part)] = None
    total, patterns, again = 1, 0, 0
    for inner, _ in _inner(part, root):
        found = Weight(MOST) if inner is None else _weight(inner, root, known)
        total += found.total
        patterns += found.patterns
        again += found.again
    if any(keyword in part for keyword in _TWICE):
        total *= 2
        patterns *= 2
    total += _length(part.get("enum")) // 8
    patterns += ("pattern" in part) + _length(part.get("patternProperties"))
    known[id(part)] = weight = Weight(min(MOST, total), min(MOST, patterns), min(MOST, again))
    return weight


def _length(found: Any) -> int:
    return len(found) if isinstance(found, list | dict) else 0


def _is_endless(part: Mapping[str, Any], root: Mapping[str, Any], known: dict[int, bool]) -> bool:
    """Whether any part of it refers to itself for the very same value."""
    todo = [part]
    seen = set()
    while todo:
        each = todo.pop()
        if id(each) not in seen:
            seen.add(id(each))
            todo += [inner for inner, _ in _inner(each, root) if inner is not None]
            if _comes_round(each, root, known):
                return True
    return False


def _comes_round(part: Mapping[str, Any], root: Mapping[str, Any], known: dict[int, bool]) -> bool:
    """`known` are the parts that were looked at; true while that is under way."""
    if id(part) in known:
        return known[id(part)]
    known[id(part)] = True
    for inner, deeper in _inner(part, root):
        if not deeper and inner is not None and _comes_round(inner, root, known):
            return True
    known[id(part)] = False
    return False


def _inner(
    part: Mapping[str, Any], root: Mapping[str, Any]
) -> Iterator[tuple[Mapping[str, Any] | None, bool]]:
    """The schemas that a schema is made of, and whether they are for what is within a value rather than for the value.
    None for one that nobody knows."""
    if "$ref" in part:
        yield target(root, part["$ref"]), False
    if any(keyword in part for keyword in _ELSEWHERE) or (part is not root and _has_id(part)):
        yield None, False
    for keyword, found in part.items():
        if keyword in _BY_NAME and isinstance(found, Mapping):
            schemas: Iterable[Any] = found.values()
        elif keyword in _IN_PLACE or keyword in _DEEPER:
            schemas = found if isinstance(found, list) else (found,)
        else:
            continue
        for each in schemas:
            if isinstance(each, Mapping):
                yield each, keyword in _DEEPER


def _has_id(part: Mapping[str, Any]) -> bool:
    """It begins a schema of its own, within which references lead elsewhere."""
    return isinstance(part.get("$id"), str) or isinstance(part.get("id"), str)


def size_of(value: Any) -> tuple[int, int]:
    """How many values a value is made of, and how deep they are nested."""
    values, depth = 0, 0
    level = [value]
    while level:
        values += len(level)
        depth += 1
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return values, depth
