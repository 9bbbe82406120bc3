"""The same tools in fewer tokens, written the same way every time.

Which arguments are valid does not change. Members, properties and tools get one order, so that a list is the same bytes
after a restart and however its servers order things: a model's prompt cache survives. Dates and counts that change
while the tool does not are left out of descriptions; what is asked for by name is told with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from only1mcp_context.definitions import schemas, texts
from only1mcp_context.definitions.schemas import Schema
from only1mcp_context.definitions.texts import tidy
from only1mcp_sdk import Entry, Json, Members
from only1mcp_sdk.members import encode, quoted

_ORDER = ("name", "title", "description", "inputSchema", "outputSchema", "annotations", "execution", "_meta")
_FIRST = ("$ref", "type", "title", "description", "enum", "const", "properties", "required", "items")
_TELLING = frozenset(
    {
        "additionalItems", "dependencies", "$recursiveRef", "$recursiveAnchor",
        "prefixItems", "dependentSchemas", "dependentRequired", "minContains", "maxContains", "$anchor",
    }
)  # fmt: skip
"""Keywords that mean something in some dialects only."""
_ANNOTATING = frozenset(
    {"$ref", "title", "description", "default", "examples", "deprecated", "$comment", "$defs"}
)
_UNITS = r"(?:items?|records?|documents?|rows?|entries|files|users|tools|results|pages|articles|issues|tables|rules)"
_CHANGING = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?"
    rf"|(?<![\w.,])\d[\d,]*+(?= {_UNITS} (?:available|indexed|in total|total|loaded|cached|online|connected|known)\b)"
    r"|(?i:(?<=\bas of )|(?<=last updated )|(?<=last updated: )|(?<=last refreshed )|(?<=last synced )"
    r"|(?<=generated on )|(?<=generated at ))\d{4}-\d{2}-\d{2}"
)


def normalised(entries: Iterable[Entry]) -> list[Entry]:
    """Each of these tools in fewer tokens; those of one server by their names."""
    places: dict[str, int] = {}
    tools = [(places.setdefault(entry.server, len(places)), entry) for entry in entries]
    return [normalise(entry) for _, entry in sorted(tools, key=lambda each: (each[0], each[1].shown))]


def normalise(entry: Entry) -> Entry:
    members = entry.members
    found: Members = {name: members[name] for name in _ORDER if name in members}
    found.update({name: members[name] for name in sorted(members) if name not in found})
    said = texts.read(members.get("description"))
    if said is not None:
        found["description"] = quoted(_CHANGING.sub("\u2026", tidy(said)))
        if not said.strip():
            del found["description"]
    for name in ("inputSchema", "outputSchema"):
        if name in found:
            found[name] = compact(found[name], entry.name)
    return msgspec.structs.replace(entry, members=found)


def compact(raw: Json, name: str) -> Json:
    """A schema without what says nothing; `name` is the tool's, which generators repeat as a title."""
    schema = schemas.read(raw)
    if schema is None:
        return raw
    try:
        if b"unevaluated" in raw:
            return encode(_in_order(schema))  # there, even what allows anything means something
        found = _compact(schema, name, required=True)
        if "2020-12" not in str(schema.get("$schema", "2020-12")) and _tells_dialects(schema):
            found = {"$schema": schema["$schema"], **found}
        return encode(found)
    except RecursionError:
        return raw


def _tells_dialects(schema: Any) -> bool:
    """Whether it would mean something else in another dialect than its own."""
    if isinstance(schema, list):
        return any(map(_tells_dialects, schema))
    if not isinstance(schema, dict):
        return False
    if not _TELLING.isdisjoint(schema) or isinstance(schema.get("items"), list):
        return True
    if isinstance(schema.get("id"), str) or ("$ref" in schema and not _ANNOTATING.issuperset(schema)):
        return True
    if isinstance(schema.get("exclusiveMinimum"), bool) or isinstance(schema.get("exclusiveMaximum"), bool):
        return True
    return any(map(_tells_dialects, schema.values()))


def _compact(schema: Any, name: str, required: bool) -> Any:
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for keyword in sorted(schema, key=_place):
        value = schema[keyword]
        if keyword in schemas.SCHEMAS and isinstance(value, dict):
            value = _members(keyword, value, schema)
        elif keyword in schemas.SUBSCHEMAS and isinstance(value, list):
            value = [_compact(each, "", required=True) for each in value]
        elif keyword in schemas.SUBSCHEMA:
            value = _compact(value, "", required=True)
        elif keyword == "description" and isinstance(value, str):
            value = tidy(value)
        elif keyword == "required" and isinstance(value, list):
            value = sorted(value, key=str)
        else:
            value = _in_order(value)
        if not _says_nothing(keyword, value, name, required):
            kept[keyword] = value
    return _joined(kept)


def _in_order(value: Any) -> Any:
    """A value, with the members of objects in order."""
    if isinstance(value, dict):
        return {name: _in_order(value[name]) for name in sorted(value)}
    return [_in_order(each) for each in value] if isinstance(value, list) else value


def _members(keyword: str, members: dict[str, Any], schema: Schema) -> dict[str, Any]:
    needed = schema.get("required")
    required = needed if isinstance(needed, list) else []
    if keyword == "properties":
        return {name: _compact(members[name], name, name in required) for name in sorted(members)}
    return {name: _compact(members[name], name, required=True) for name in sorted(members)}


def _says_nothing(keyword: str, value: object, name: str, required: bool) -> bool:
    if keyword == "title":
        return isinstance(value, str) and _letters(value) in (
            _letters(name), _letters(name) + "arguments", _letters(name) + "output",
        )  # fmt: skip
    if keyword == "default":
        return value is None and not required
    if keyword == "description":
        return value == ""
    if keyword == "required":
        return value == []
    if keyword in ("$defs", "definitions"):
        return value == {}
    return keyword == "$schema" or (keyword == "additionalProperties" and (value is True or value == {}))


def _joined(schema: dict[str, Any]) -> dict[str, Any]:
    """`anyOf` a plain type and null, as one list of types."""
    alternatives = schema.get("anyOf")
    if not isinstance(alternatives, list) or len(alternatives) != 2 or "type" in schema:
        return schema
    one, other = alternatives
    if other != {"type": "null"} or not isinstance(one, dict) or not isinstance(one.get("type"), str):
        return schema
    if one["type"] == "null":
        return schema
    beside = {name: value for name, value in schema.items() if name != "anyOf"}
    if not beside.keys().isdisjoint(one) or not _NULL_SAFE.issuperset(one):
        return schema
    merged = {**one, "type": [one["type"], "null"], **beside}
    return {keyword: merged[keyword] for keyword in sorted(merged, key=_place)}


_NULL_SAFE = frozenset(
    {
        "type", "description", "title", "format", "pattern", "minLength", "maxLength", "minimum", "maximum",
        "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "items", "minItems", "maxItems", "uniqueItems",
        "properties", "required", "additionalProperties", "examples",
    }
)  # fmt: skip
"""Keywords that say nothing about null."""


def _place(keyword: str) -> tuple[int, str]:
    return (_FIRST.index(keyword), "") if keyword in _FIRST else (len(_FIRST), keyword)


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()
