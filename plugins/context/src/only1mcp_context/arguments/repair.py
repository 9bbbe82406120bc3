"""What models get wrong in arguments, put right where the schema says what was meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from only1mcp_context.definitions.schemas import target

_DEEPEST = 12
_TRUTHS = {"true": True, "false": False}


def repaired(value: Any, schema: Mapping[str, Any]) -> Any:
    """The value with text in place of which the schema wants something else read as that. Changes nothing in place;
    whether the outcome fits is for others to tell."""
    return _repaired(value, schema, schema, 0)


def _repaired(value: Any, schema: Any, root: Mapping[str, Any], depth: int) -> Any:
    if depth > _DEEPEST or not isinstance(schema, Mapping):
        return value
    schema = _resolved(schema, root)
    types = _types(schema, root, depth)
    if isinstance(value, str) and types and "string" not in types:
        value = _read_as(value, types)
    elif isinstance(value, int | float) and not isinstance(value, bool) and types == {"string"}:
        value = str(value)
    elif types == {"array"} and not isinstance(value, list | dict) and value is not None:
        value = [value]
    if isinstance(value, dict):
        return _members(value, schema, root, depth)
    if isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        return [_repaired(each, schema["items"], root, depth + 1) for each in value]
    return value


def _members(
    value: dict[str, Any], schema: Mapping[str, Any], root: Mapping[str, Any], depth: int
) -> dict[str, Any]:
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return value
    needed = schema.get("required")
    required = needed if isinstance(needed, list) else []
    kept = {}
    for name, each in value.items():
        inner = properties.get(name)
        given = each is not None or inner is None or name in required
        if not given and "null" not in _types(_resolved(inner, root), root, depth):
            continue  # left out
        kept[name] = _repaired(each, inner, root, depth + 1)
    return kept


def _resolved(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(_DEEPEST):
        if not isinstance(schema, Mapping) or "$ref" not in schema:
            break
        schema = target(root, schema["$ref"]) or {}
    return schema if isinstance(schema, Mapping) else {}


def _types(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> set[str]:
    """The types a schema allows; empty where it does not say."""
    found = schema.get("type")
    if isinstance(found, str):
        return {found}
    if isinstance(found, list):
        return {each for each in found if isinstance(each, str)}
    for keyword in ("anyOf", "oneOf"):
        if isinstance(schema.get(keyword), list) and depth <= _DEEPEST:
            inner = [_types(_resolved(each, root), root, depth + 1) for each in schema[keyword]]
            return set().union(*inner) if all(inner) else set()
    return set()


def _read_as(value: str, types: set[str]) -> Any:
    stripped = value.strip()
    if "boolean" in types and stripped.lower() in _TRUTHS:
        return _TRUTHS[stripped.lower()]
    try:
        read = msgspec.json.decode(stripped.encode())
    except (ValueError, RecursionError):
        return [value] if types == {"array"} and stripped else value
    if isinstance(read, dict):
        return read if "object" in types else value
    if isinstance(read, list):
        return read if "array" in types else value
    if isinstance(read, bool):
        return value
    if isinstance(read, int):
        return read if types & {"integer", "number"} else [value] if types == {"array"} else value
    if isinstance(read, float):
        return read if "number" in types else value
    return read if read is None and "null" in types else value
