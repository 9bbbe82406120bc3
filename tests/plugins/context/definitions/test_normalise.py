"""The same tools in fewer tokens."""

from __future__ import annotations

import json
from typing import Any

import pytest

from only1mcp_context.definitions.normalise import compact, normalise, normalised
from only1mcp_sdk import Entry

DRAFT7 = "http://json-schema.org/draft-07/schema#"
NEWEST = "https://json-schema.org/draft/2020-12/schema"


def compacted(schema: dict[str, Any], name: str = "read_file") -> Any:
    return json.loads(compact(json.dumps(schema).encode(), name))


def entry(name: str, **members: Any) -> Entry:
    raw = {member: json.dumps(value).encode() for member, value in members.items()}
    return Entry("tool", "s", name, name, {"name": json.dumps(name).encode(), **raw})


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"$schema": NEWEST, "title": "read_fileArguments", "$defs": {}, "required": []}, {}),
        ({"title": "ReadFile", "type": "object"}, {"type": "object"}),
        ({"title": "Something else"}, {"title": "Something else"}),
        (
            {"properties": {"max_size": {"title": "Max Size", "type": "integer", "default": None}}},
            {"properties": {"max_size": {"type": "integer"}}},
        ),
        (
            {
                "properties": {
                    "a": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}], "default": 2}
                }
            },
            {"properties": {"a": {"type": ["integer", "null"], "minimum": 1, "default": 2}}},
        ),
        ({"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]}, None),
        ({"anyOf": [{"type": "null"}, {"type": "null"}]}, None),
        ({"properties": {"title": {"type": "string"}, "default": {"type": "null"}}}, None),
        (
            {"additionalProperties": True, "properties": {"a": {"additionalProperties": {}}}},
            {"properties": {"a": {}}},
        ),
        ({"additionalProperties": False}, None),
        ({"allOf": [{"additionalProperties": True}], "unevaluatedProperties": False}, None),
        ({"default": {"b": 1, "a": None}, "const": None, "enum": [None]}, None),
    ],
)
def test_what_says_nothing_goes(schema: dict[str, Any], expected: dict[str, Any] | None) -> None:
    assert compacted(schema) == (schema if expected is None else expected)


@pytest.mark.parametrize(
    ("part", "stays"),
    [
        ({"properties": {"id": {"type": "string"}}}, False),
        ({"items": [{}]}, True),
        ({"prefixItems": [{"type": "string"}]}, True),
        ({"id": "urn:x"}, True),
        ({"exclusiveMinimum": True, "minimum": 1}, True),
        ({"$ref": "#/definitions/a", "description": "it"}, False),
        ({"$ref": "#/definitions/a", "maxLength": 1}, True),
    ],
)
def test_the_dialect_stays_where_it_tells(part: dict[str, Any], stays: bool) -> None:
    older = {"$schema": DRAFT7, "properties": {"a": part}, "definitions": {"a": {"type": "string"}}}
    assert ("$schema" in compacted(older)) == stays
    assert "$schema" not in compacted({**older, "$schema": NEWEST})


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("Reads.  \n\n\n\n    It does.\n      So.", "Reads.\n\nIt does.\n  So."),
        (
            "As of 2026-11-23 there are 1,204 documents indexed.",
            "As of \u2026 there are \u2026 documents indexed.",
        ),
        ("Last updated: 2026-11-23", "Last updated: \u2026"),
        ("Started 2026-11-23T10:11:12Z", "Started \u2026"),
        ("Dates look like 2026-11-23; 5 files at most.", "Dates look like 2026-11-23; 5 files at most."),
    ],
)
def test_what_changes_by_itself_is_left_out(said: str, written: str) -> None:
    assert json.loads(normalise(entry("t", description=said)).members["description"]) == written


def test_order() -> None:
    schema = {
        "required": ["b", "a"],
        "properties": {"b": {}, "a": {"default": {"y": 1, "x": 2}}},
        "type": "object",
    }
    one = entry(
        "one", _meta={"z": 1}, inputSchema=schema, annotations={"readOnlyHint": True}, description="It."
    )
    two = entry("two", inputSchema={})
    first, second = normalised([two, one])
    assert [first.name, second.name] == ["one", "two"]
    assert list(first.members) == ["name", "description", "inputSchema", "annotations", "_meta"]
    assert first.members["inputSchema"] == (
        b'{"type":"object","properties":{"a":{"default":{"x":2,"y":1}},"b":{}},"required":["a","b"]}'
    )
    assert first.members["_meta"] == one.members["_meta"]
