"""The economy's own tools, as they are listed."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from only1mcp_context.definitions.signatures import LEGEND
from only1mcp_context.modes.catalogue import Catalogue
from only1mcp_sdk import Entry
from only1mcp_sdk.members import encode, quoted

SEARCH, DESCRIBE, CALL, READ, RESULT = "tool_search", "tool_describe", "tool_call", "tool_read", "result_read"
HARMLESS = {"readOnlyHint": True, "idempotentHint": True, "openWorldHint": False}


def free_name(name: str, taken: Container[str]) -> str:
    """This name, or one like it that no tool has."""
    tried = name
    number = 1
    while tried in taken:
        tried = f"gateway_{name}" if number == 1 else f"gateway{number}_{name}"
        number += 1
    return tried


def entry(
    name: str, description: str, schema: Mapping[str, Any], annotations: Mapping[str, Any] | None = None
) -> Entry:
    members = {"name": quoted(name), "description": quoted(description), "inputSchema": encode(schema)}
    if annotations:
        members["annotations"] = encode(annotations)
    return Entry("tool", "", name, name, members)


def search(name: str, catalogue: Catalogue, describe: str, call: str) -> Entry:
    description = (
        f"Finds tools; most are not listed. Search once per step of your plan, then use {call}. Answers with signatures"
        f" ({LEGEND}); {describe} tells all about one.\n{catalogue.about_servers()}"
    )
    properties = {
        "queries": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "maxItems": 10,
            "description": "What to do, in a few words each",
        },
        "server": {"type": "string", "description": "Only its tools"},
        "limit": {"type": "integer", "minimum": 1, "maximum": 20},
    }
    return entry(name, description, _object(properties, "queries"), HARMLESS)


def describe(name: str) -> Entry:
    properties = {"names": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 10}}
    return entry(name, "The whole definitions of tools", _object(properties, "names"), HARMLESS)


def call(name: str, about: str, *, reads: bool = False) -> Entry:
    properties = {
        "name": {"type": "string"},
        "arguments": {"type": "object"},
        "select": {"type": "string", "description": "JMESPath: only this of a JSON result"},
    }
    annotations = {"readOnlyHint": True} if reads else None
    return entry(name, about, _object(properties, "name"), annotations)


def _object(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}
