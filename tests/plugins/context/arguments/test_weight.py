"""How much work a schema makes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from only1mcp_context.arguments.weight import MOST, Weight, size_of, weight


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, Weight(1)),
        ({"type": "object", "properties": {"a": {}, "b": {"items": {}}}}, Weight(4)),
        ({"properties": {"a": {"pattern": "x"}}, "patternProperties": {"^b": {}}}, Weight(3, patterns=2)),
        ({"properties": {"a": {"$ref": "#/$defs/a"}, "b": {"$ref": "#/$defs/a"}}, "$defs": {"a": {}}}, Weight(5)),
        ({"properties": {"definitions": {"items": {}}, "$defs": {"items": {}}}}, Weight(5)),
        ({"properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}}, Weight(5, again=2)),
        ({"enum": list(range(80))}, Weight(11)),
        ({"unevaluatedProperties": False, "allOf": [{}]}, Weight(4)),
        ({"examples": [{"properties": {"a": {}}}], "default": {"items": {}}}, Weight(1)),
    ],
)  # fmt: skip
def test_counts_what_is_looked_at(schema: dict[str, Any], expected: Weight) -> None:
    assert weight(schema) == expected


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"properties": {"a": {"allOf": [{"$ref": "#/properties/a"}]}}},
        # Found by the way through `items` first, it comes round without it, too.
        {
            "$ref": "#/$defs/v",
            "$defs": {
                "v": {"items": {"$ref": "#/$defs/u"}, "allOf": [{"$ref": "#/$defs/a"}]},
                "a": {"$ref": "#/$defs/u"},
                "u": {"$ref": "#/$defs/v"},
            },
        },
    ],
)
def test_what_never_ends(schema: dict[str, Any]) -> None:
    assert weight(schema).total == MOST


def test_what_doubles_is_counted_without_doubling_the_time() -> None:
    defs = {
        str(n): {"allOf": [{"$ref": f"#/$defs/{n + 1}"}, {"$ref": f"#/$defs/{n + 1}"}]} for n in range(100)
    }
    assert weight({"$ref": "#/$defs/0", "$defs": {**defs, "100": {}}}).total == MOST


def test_what_is_nested_beyond_measure() -> None:
    schema: dict[str, Any] = {}
    for _ in range(5000):
        schema = {"items": schema}
    assert weight(schema).total == MOST


def test_what_arguments_are_made_of() -> None:
    assert size_of(json.loads('{"a": [1, {"b": null}], "c": "x"}')) == (6, 4)
    assert size_of(5) == (1, 1)
    assert size_of({}) == (1, 1)


def test_light_arguments_are_bearable() -> None:
    for found in (Weight(1), Weight(700, patterns=20), Weight(50, again=1)):
        assert found.light > 10_000
        assert found.bears(found.light, found.light, 30)
        assert not found.bears(found.light * 1000, found.light * 1000, 30)
    assert Weight(5, again=2).light == 0
