"""For any schema and any arguments."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
from hypothesis import given, settings
from hypothesis import strategies as st

from only1mcp_context.arguments import Checker, Fault

NAMES = st.sampled_from(["a", "b", "c", "items", "name", "arguments"])
SCALARS = (
    st.none() | st.booleans() | st.integers(-99, 99) | st.sampled_from([0.5, "x", "5", "true", "", "null"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
PLAIN = st.sampled_from(["string", "integer", "number", "boolean", "null"])


def _schemas(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    properties = st.dictionaries(NAMES, inner, max_size=3)
    return st.one_of(
        st.builds(
            lambda properties, required, closed: {
                "type": "object",
                "properties": properties,
                "required": required,
                **({"additionalProperties": False} if closed else {}),
            },
            properties,
            st.lists(NAMES, max_size=2, unique=True),
            st.booleans(),
        ),
        inner.map(lambda each: {"type": "array", "items": each}),
        st.lists(inner, min_size=1, max_size=3).map(lambda each: {"anyOf": each}),
        st.lists(inner, min_size=1, max_size=2).map(lambda each: {"allOf": each}),
        st.just({"$ref": "#"}),
    )


SCHEMAS = st.recursive(PLAIN.map(lambda kind: {"type": kind}) | st.just({}), _schemas, max_leaves=8)
WILD = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "properties",
                    "items",
                    "anyOf",
                    "$ref",
                    "type",
                    "required",
                    "$defs",
                    "enum",
                    "not",
                    "a",
                    "pattern",
                ]
            ),
            inner | st.sampled_from(["#", "#/properties/a", "object", "(", "http://x"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


def _raw(value: Any) -> bytes:
    return json.dumps(value).encode()


@given(SCHEMAS, VALUES)
@settings(max_examples=400, deadline=None)
def test_what_passes_is_what_was_sent_or_fits(schema: dict[str, Any], arguments: Any) -> None:
    raw = _raw(arguments)
    found = Checker("tool", schema).check(raw)
    if found is raw or isinstance(found, Fault):
        return
    fits = jsonschema_rs.validator_for(schema, offline=True).is_valid
    assert fits(json.loads(found))
    assert not fits(arguments)


def _in_text(value: Any) -> Any:
    """As models write it at times: all that is not text in text."""
    if isinstance(value, dict):
        return {name: each if isinstance(each, str) else json.dumps(each) for name, each in value.items()}
    return value


TYPED = st.recursive(
    st.sampled_from(["integer", "number", "boolean"]).map(lambda kind: {"type": kind}),
    lambda inner: (
        inner.map(lambda each: {"type": "array", "items": each})
        | st.dictionaries(NAMES, inner, max_size=3).map(lambda each: {"type": "object", "properties": each})
    ),
    max_leaves=5,
)


def _value(draw: st.DrawFn, schema: dict[str, Any]) -> Any:
    match schema["type"]:
        case "integer":
            return draw(st.integers(-(2**70), 2**70))
        case "number":
            return draw(st.floats(allow_nan=False, allow_infinity=False))
        case "boolean":
            return draw(st.booleans())
        case "array":
            return [_value(draw, schema["items"]) for _ in range(draw(st.integers(0, 3)))]
    return {name: _value(draw, each) for name, each in schema["properties"].items()}


@st.composite
def _typed(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    properties = draw(st.dictionaries(NAMES, TYPED, min_size=1, max_size=3))
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema, _value(draw, schema)


@given(_typed())
@settings(max_examples=300, deadline=None)
def test_values_in_text_are_put_right(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    schema, meant = pair
    found = Checker("tool", schema).check(_raw(_in_text(meant)))
    assert isinstance(found, bytes)
    assert json.loads(found) == meant


@given(WILD.filter(lambda schema: isinstance(schema, dict)), VALUES)
@settings(max_examples=400, deadline=None)
def test_bears_any_schema(schema: dict[str, Any], arguments: Any) -> None:
    raw = _raw(arguments)
    found = Checker("tool", schema).check(raw)
    assert isinstance(found, Fault | bytes)
