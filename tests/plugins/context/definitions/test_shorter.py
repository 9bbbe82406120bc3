"""Signatures, and slim tools."""

from __future__ import annotations

import json
from typing import Any

import pytest

from only1mcp_context.definitions.signatures import by_server, signature
from only1mcp_context.definitions.slim import slim
from only1mcp_context.definitions.texts import first_sentence
from only1mcp_context.definitions.tokens import estimate
from only1mcp_sdk import Entry


def entry(name: str = "t", server: str = "s", **members: Any) -> Entry:
    raw = {member: json.dumps(value).encode() for member, value in members.items()}
    return Entry("tool", server, name, name, {"name": json.dumps(name).encode(), **raw})


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"a": {"type": "string"}}, "a?: string"),
        ({"a": {"type": "integer", "default": 2}}, "a?: int = 2"),
        ({"a": {"enum": ["x", "y"]}}, 'a?: "x"|"y"'),
        ({"a": {"enum": list(range(20))}}, "a?: 0|1|2|3|4|5|6|7|8|9|10|11|..."),
        ({"a": {"type": "array", "items": {"type": "number"}}}, "a?: number[]"),
        ({"a": {"type": "array", "items": {"enum": ["x", "y"]}}}, 'a?: ("x"|"y")[]'),
        ({"a": {"anyOf": [{"type": "boolean"}, {"type": "null"}]}}, "a?: bool"),
        ({"a": {"type": ["string", "null"], "default": None}}, "a?: string"),
        ({"a": {"$ref": "#/$defs/p"}}, "a?: {x: int, y?: int}"),
        ({"a": {"type": "array", "items": {"$ref": "#/$defs/p"}}}, "a?: {x: int, y?: int}[]"),
        (
            {"a": {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(30)}}},
            "a?: object",
        ),
        ({"a b": {}}, '"a b"?: any'),
        ({}, ""),
    ],
)
def test_parameters(properties: dict[str, Any], expected: str) -> None:
    point = {
        "type": "object",
        "properties": {"y": {"type": "integer"}, "x": {"type": "integer"}},
        "required": ["x"],
    }
    schema = {"type": "object", "properties": properties, "$defs": {"p": point}}
    assert signature(entry(inputSchema=schema)) == f"t({expected})"


def test_what_is_required_comes_first() -> None:
    schema = {"properties": {"a": {}, "b": {"default": 1}}, "required": ["b"]}
    assert signature(entry(inputSchema=schema)) == "t(b: any, a?: any)"


def test_marks_and_sentences() -> None:
    reads = entry("r", annotations={"readOnlyHint": True}, description="Reads it. Then more.")
    destroys = entry("d", "other", annotations={"destructiveHint": True}, title="Destroys")
    neither = entry("n", annotations={"readOnlyHint": "yes", "destructiveHint": False})
    assert by_server([reads, destroys, neither]) == "[s]\n*r() - Reads it.\nn()\n[other]\n!d() - Destroys"


@pytest.mark.parametrize(
    ("name", "shown"), [("a.b/c:d-e", "a.b/c:d-e"), ("a b", '"a b"'), ("*a", '"*a"'), ("a\nb", '"a\\nb"')]
)
def test_odd_names_are_quoted(name: str, shown: str) -> None:
    assert signature(entry(name)) == f"{shown}()"


def test_slim() -> None:
    schema = {
        "type": "object",
        "title": "T",
        "description": "All of it",
        "properties": {
            "title": {"type": "string", "description": "Said", "enum": ["a"], "minLength": 1, "default": "a"},
            "description": {
                "anyOf": [{"type": "integer", "examples": [1], "default": 5}],
                "default": "x" * 99,
            },
        },
        "required": ["title"],
        "additionalProperties": False,
    }
    whole = entry(
        title="Tool",
        description="First. Second.",
        inputSchema=schema,
        outputSchema={},
        annotations={"readOnlyHint": True},
        _meta={"a": {"description": "stays"}},
    )
    found = {name: json.loads(value) for name, value in slim(whole).members.items()}
    assert found == {
        "name": "t",
        "title": "Tool",
        "description": "First.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "title": {"type": "string", "enum": ["a"], "minLength": 1, "default": "a"},
                "description": {"anyOf": [{"type": "integer", "default": 5}]},
            },
            "required": ["title"],
            "additionalProperties": False,
        },
        "annotations": {"readOnlyHint": True},
        "_meta": {"a": {"description": "stays"}},
    }


@pytest.mark.parametrize(
    ("said", "first"),
    [
        ("Reads, e.g. files. More.", "Reads, e.g. files."),
        ("Version 1.2 of it. More.", "Version 1.2 of it."),
        ("No end", "No end"),
        ("One\nline\n\nTwo", "One line"),
        ("word " * 20, "word word word word word\u2026"),
        ("", ""),
    ],
)
def test_first_sentences(said: str, first: str) -> None:
    assert first_sentence(said, 28) == first


@pytest.mark.parametrize(("said", "tokens"), [("", 1), ("x" * 45, 11), (b"x" * 45, 11), ("\u8bfb" * 16, 11)])
def test_estimates(said: str | bytes, tokens: int) -> None:
    assert estimate(said) == tokens
