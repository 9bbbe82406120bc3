"""Tools with their types and first sentences. What is left out is said on demand.

Nothing changes that decides which arguments are valid: only what explains them goes.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec

from only1mcp_context.definitions import schemas, texts
from only1mcp_context.definitions.texts import first_sentence
from only1mcp_sdk import Entry, Members
from only1mcp_sdk.members import encode, quoted

LONGEST = 160
"""Characters of a description."""
LONGEST_DEFAULT = 24
_EXPLAINING = frozenset({"description", "title", "examples", "example", "$comment"})
_LEFT_OUT = ("outputSchema", "icons")


def slim(entry: Entry) -> Entry:
    """The tool as it is listed; its name, title, annotations and `_meta` stay as they are."""
    members: Members = {name: value for name, value in entry.members.items() if name not in _LEFT_OUT}
    said = texts.read(members.get("description"))
    if said is not None:
        members["description"] = quoted(first_sentence(said, LONGEST))
    schema = schemas.read(members.get("inputSchema"))
    if schema is not None:
        with suppress(RecursionError):  # then it stays as it is
            members["inputSchema"] = encode(_bare(schema))
    return msgspec.structs.replace(entry, members=members)


def _bare(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in schemas.SCHEMAS and isinstance(value, dict):
            kept[keyword] = {name: _bare(each) for name, each in value.items()}
        elif keyword in schemas.SUBSCHEMAS and isinstance(value, list):
            kept[keyword] = [_bare(each) for each in value]
        elif keyword in schemas.SUBSCHEMA:
            kept[keyword] = _bare(value)
        elif keyword not in _EXPLAINING and (keyword != "default" or _short(value)):
            kept[keyword] = value
    return kept


def _short(default: Any) -> bool:
    return isinstance(default, bool | int | float | str) and len(str(default)) <= LONGEST_DEFAULT
