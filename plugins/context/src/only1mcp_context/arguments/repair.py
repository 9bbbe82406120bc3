"""What models get wrong in arguments, put right where the schema says what was meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from only1mcp_context.definitions.schemas import Schema, target

_DEEPEST = 24
_MOST_LOOKS = 50_000
"""Subschemas that are looked at. What is beyond stays as it is."""
_TRUTHS = {"true": True, "false": False}
_COMPOUND = {dict: "object", list: "array"}


def repaired(value: Any, schema: Schema) -> Any:
    """The value with text in place of which the schema wants something else read as that. Changes nothing in place;
    whether the outcome fits is for others to tell."""
    return _Repair(schema).of(value, schema, 0)


class _Repair:
    def __init__(self, root: Schema) -> None:
        self._root = root
        self._left = _MOST_LOOKS

    def of(self, value: Any, schema: Any, depth: int) -> Any:
        schema = self._resolved(schema)
        self._left -= 1
        if depth > _DEEPEST or not schema or self._left <= 0:
            return value
        types = self._types(schema)
        if isinstance(value, str):
            value = value if not types or "string" in types else _read_as(value, types)
        elif isinstance(value, int) and not isinstance(value, bool) and _is_only("string", types):
            value = str(value)
        if _is_only("array", types) and isinstance(value, str | int | float) and not _is_many(value):
            value = [value]
        if isinstance(value, dict | list):
            for each in self._alternatives(schema, _COMPOUND[type(value)]):
                value = self._within(value, each, depth)
        return value

    def _within(self, value: Any, schema: Schema, depth: int) -> Any:
        if isinstance(value, dict):
            return self._members(value, schema, depth)
        items = schema.get("items")
        first = schema.get("prefixItems")
        if not isinstance(first, list):
            first = items if isinstance(items, list) else []
        return [
            self.of(each, first[place] if place < len(first) else items, depth + 1)
            for place, each in enumerate(value)
        ]

    def _members(self, value: dict[str, Any], schema: Schema, depth: int) -> dict[str, Any]:
        properties = schema.get("properties")
        if not isinstance(properties, Mapping):
            properties = {}
        others = schema.get("additionalProperties")
        kept = {}
        for name, each in value.items():
            inner = self._resolved(properties.get(name, others))
            if each is None and name in properties:
                types = self._types(inner)
                if types and "null" not in types:
                    continue  # left out, in the words of other schemas
            kept[name] = self.of(each, inner, depth + 1)
        return kept

    def _resolved(self, schema: Any) -> Schema:
        for _ in range(_DEEPEST):
            if not isinstance(schema, Mapping) or "$ref" not in schema:
                break
            schema = target(self._root, schema["$ref"])
        return schema if isinstance(schema, Mapping) else {}

    def _types(self, schema: Schema, depth: int = 0) -> set[str]:
        """The types a schema allows; empty where it does not say."""
        self._left -= 1
        found = schema.get("type")
        if isinstance(found, str):
            return {found}
        if isinstance(found, list):
            return {each for each in found if isinstance(each, str)}
        for keyword in ("anyOf", "oneOf"):
            alternatives = schema.get(keyword)
            if isinstance(alternatives, list) and depth < _DEEPEST and self._left > 0:
                inner = [self._types(self._resolved(each), depth + 1) for each in alternatives]
                return set().union(*inner) if all(inner) else set()
        return set()

    def _alternatives(self, schema: Schema, kind: str) -> list[Schema]:
        """The schemas that tell what is within an object or array that fits this one: itself, all that it consists of,
        and the one that is meant of those it leaves to choose from."""
        found = [schema]
        for keyword in ("allOf", "anyOf", "oneOf"):
            inner = schema.get(keyword)
            if not isinstance(inner, list):
                continue
            resolved = [self._resolved(each) for each in inner]
            fitting = resolved if keyword == "allOf" else [e for e in resolved if kind in self._types(e)]
            if keyword == "allOf" or len(fitting) == 1:
                found += fitting
        return found


def _read_as(value: str, types: set[str]) -> Any:
    stripped = value.strip()
    if "boolean" in types and stripped.lower() in _TRUTHS:
        return _TRUTHS[stripped.lower()]
    try:
        read = msgspec.json.decode(stripped.encode())
    except (ValueError, RecursionError):
        return value
    if isinstance(read, bool | str):
        return value
    if isinstance(read, dict):
        return read if "object" in types else value
    if isinstance(read, list):
        return read if "array" in types else value
    if read is None:
        return read if "null" in types else value
    return read if "number" in types or ("integer" in types and isinstance(read, int)) else value


def _is_only(kind: str, types: set[str]) -> bool:
    return kind in types and types <= {kind, "null"}


def _is_many(value: str | float) -> bool:
    """Whether a text may stand for several, or for something that was not written well."""
    return isinstance(value, str) and (not value.strip() or any(mark in value for mark in ",;\n[]{}"))
