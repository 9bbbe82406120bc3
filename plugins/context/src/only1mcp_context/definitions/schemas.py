"""Walking JSON schemas that come from outside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias
from urllib.parse import unquote

import msgspec

from only1mcp_sdk import Json

Schema: TypeAlias = Mapping[str, Any]
MAX_BYTES = 1 << 20
"""A schema larger than this is left as it is."""
DEEPEST = 100
"""Objects and arrays within each other; what is nested deeper is left as it is."""

SCHEMAS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Keywords whose members are schemas, by names of the author's choice."""
SUBSCHEMA = frozenset(
    {
        "items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames",
        "unevaluatedProperties", "unevaluatedItems", "additionalItems",
    }
)  # fmt: skip
"""Keywords that are a schema."""
SUBSCHEMAS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems", "items"})
"""Keywords that are a list of schemas."""

_PLACE = re.compile(r"[0-9]{1,6}\Z")


def read(raw: Json | None) -> Schema | None:
    """A schema; None for what is none, can't be written again as it was, or is beyond all measure."""
    if raw is None or len(raw) > MAX_BYTES:
        return None
    try:
        found = msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and _is_shallow(found) else None


def _is_shallow(schema: Schema) -> bool:
    level: list[Any] = [schema]
    for _ in range(DEEPEST):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return True
    return False


def target(root: Schema, reference: Any) -> Schema | None:
    """What a `$ref` within a schema leads to, where it does so by a path."""
    if reference == "#":
        return root
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return None
    found: Any = root
    for step in unquote(reference[2:]).split("/"):
        step = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and step in found:
            found = found[step]
        elif isinstance(found, list) and _PLACE.match(step) and int(step) < len(found):
            found = found[int(step)]
        else:
            return None
    return found if isinstance(found, Mapping) else None
