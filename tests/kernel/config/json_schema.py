"""As much of JSON Schema 2020-12 as the configuration's schema uses. Fails loudly on what it does not know."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_SILENT = frozenset(
    {"$schema", "$defs", "title", "description", "default", "format", "writeOnly", "examples", "deprecated"}
)


def accepts(schema: Any, value: Any, root: Any) -> bool:
    """Whether `value` is valid; `root` is the whole schema, for its definitions."""
    if isinstance(schema, bool):
        return schema
    return all(
        _keyword(key, given, schema, value, root) for key, given in schema.items() if key not in _SILENT
    )


def _keyword(key: str, given: Any, schema: Any, value: Any, root: Any) -> bool:
    match key:
        case "$ref":
            return accepts(root["$defs"][given.removeprefix("#/$defs/")], value, root)
        case "type":
            return isinstance(value, _TYPES[given]) and (given == "boolean" or not isinstance(value, bool))
        case "enum":
            return value in given
        case "const":
            return bool(value == given)
        case "not":
            return not accepts(given, value, root)
        case "anyOf":
            return any(accepts(each, value, root) for each in given)
        case "oneOf":
            return sum(accepts(each, value, root) for each in given) == 1
        case "required":
            return not isinstance(value, dict) or all(name in value for name in given)
        case "properties":
            return not isinstance(value, dict) or all(
                accepts(inner, value[name], root) for name, inner in given.items() if name in value
            )
        case "additionalProperties":
            others = set(value) - set(schema.get("properties", ())) if isinstance(value, dict) else ()
            return all(accepts(given, value[name], root) for name in others)
        case "propertyNames":
            return not isinstance(value, dict) or all(accepts(given, name, root) for name in value)
        case "items":
            return not isinstance(value, list) or all(accepts(given, item, root) for item in value)
        case "minItems":
            return not isinstance(value, list) or len(value) >= given
        case "minLength":
            return not isinstance(value, str) or len(value) >= given
        case "maxLength":
            return not isinstance(value, str) or len(value) <= given
        case "pattern":
            return not isinstance(value, str) or re.search(given, value) is not None
        case "minimum":
            return isinstance(value, str) or value >= given
        case "maximum":
            return isinstance(value, str) or value <= given
        case "exclusiveMinimum":
            return isinstance(value, str) or value > given
        case _:
            raise AssertionError(f"this test knows nothing of {key!r}")
