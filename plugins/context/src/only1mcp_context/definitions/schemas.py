"""Walking JSON schemas that come from outside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from only1mcp_sdk import Json

Schema: TypeAlias = Mapping[str, Any]
MAX_BYTES = 1 << 20
"""A schema larger than this is left as it is."""

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


def read(raw: Json | None) -> Schema | None:
    """A schema; None for what is none, or is beyond all measure."""
    if raw is None or len(raw) > MAX_BYTES:
        return None
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def target(root: Schema, reference: Any) -> Schema | None:
    """What a `$ref` within a schema leads to."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found: Any = root
    for step in reference[1:].split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, Mapping) or step not in found:
            return None
        found = found[step]
    return found if isinstance(found, Mapping) else None
