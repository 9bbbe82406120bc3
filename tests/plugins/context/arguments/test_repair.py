"""Repairs by themselves; what becomes of them is in test_checker."""

from __future__ import annotations

import time
from typing import Any

from only1mcp_context.arguments.repair import repaired


def test_nothing_changes_in_place() -> None:
    sent = {"a": ["1", {"b": "2"}], "c": None}
    schema = {"properties": {"a": {"items": {"type": "integer"}}, "c": {"type": "string"}}}
    assert repaired(sent, schema) == {"a": [1, {"b": "2"}]}
    assert sent == {"a": ["1", {"b": "2"}], "c": None}


def test_all_that_a_value_consists_of() -> None:
    whole = {"properties": {"a": {"type": "integer"}}}
    more = {
        "allOf": [whole, {"properties": {"b": {"type": "boolean"}}}],
        "additionalProperties": {"type": "number"},
    }
    assert repaired({"a": "1", "b": "true", "c": "0.5"}, more) == {"a": 1, "b": True, "c": 0.5}


def test_of_several_that_may_be_meant_none_is_taken() -> None:
    schema = {
        "anyOf": [{"type": "object", "properties": {"a": {"type": kind}}} for kind in ("integer", "null")]
    }
    assert repaired({"a": "1"}, schema) == {"a": "1"}


def test_bears_schemas_that_are_none() -> None:
    odd: Any
    for odd in ({"properties": 5}, {"items": 5}, {"anyOf": 5}, {"type": {}}, {"type": [[]]}, {"$ref": 5}):
        assert repaired({"a": "1"}, odd) == {"a": "1"}
        assert repaired(["1"], odd) == ["1"]


def test_work_is_bounded() -> None:
    again = {"properties": {"x": {"$ref": "#"}}}
    value: Any = "1"
    for _ in range(20):
        value = {"x": value}
    began = time.process_time()
    repaired(value, {"allOf": [again] * 5, "type": "object"})
    repaired("1", {"anyOf": [{"$ref": "#"}] * 5})
    assert time.process_time() - began < 2
