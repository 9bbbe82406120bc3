"""Text from the command line as the types a schema asks for."""

from typing import Any

import pytest

from only1mcp_kernel.cli.arguments import BadArgument, parse_object, parse_pairs


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "string"}, "12", "12"),
        ({"type": "integer"}, "12", 12),
        ({"type": "integer"}, "12.0", 12),
        ({"type": "number"}, "1.5", 1.5),
        ({"type": "number"}, "2", 2),
        ({"type": "boolean"}, "true", True),
        ({"type": "array"}, "[1, 2]", [1, 2]),
        ({"type": "object"}, '{"a": null}', {"a": None}),
        ({"type": ["integer", "null"]}, "null", None),
        ({"type": ["integer", "string"]}, "12", "12"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "12", 12),
        ({"$ref": "#/$defs/count"}, "12", 12),
        ({"$ref": "#/$defs/self"}, "12", "12"),
        ({"$ref": "https://example.com/"}, "12", "12"),
        ({"enum": [1, 2]}, "2", 2),
        ({"enum": ["1", "2"]}, "2", "2"),
        ({"const": True}, "true", True),
        ({"type": "nonsense"}, "12", "12"),
        ({"type": 7, "anyOf": 7, "enum": 7, "$ref": 7}, "12", "12"),
        (True, "12", "12"),
        ({}, "a=b", "a=b"),
    ],
)
def test_values_get_the_type_of_the_schema(schema: Any, text: str, value: Any) -> None:
    definitions = {"count": {"type": "integer"}, "self": {"$ref": "#/$defs/self"}}
    parsed = parse_pairs([f"it={text}"], {"properties": {"it": schema}, "$defs": definitions})
    assert parsed == {"it": value}
    assert type(parsed["it"]) is type(value) or text == "12.0"


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("integer", "x"),
        ("integer", "1.5"),
        ("integer", "true"),
        ("boolean", "1"),
        ("number", "NaN"),
        ("number", '"1"'),
        ("array", "{}"),
        ("object", "[" * 100_000),
    ],
)
def test_other_values_are_refused(type_: str, text: str) -> None:
    with pytest.raises(BadArgument, match="it has to be"):
        parse_pairs([f"it={text}"], {"properties": {"it": {"type": type_}}})


@pytest.mark.parametrize("pairs", [["it"], ["=1"], ["it=1", "it=2"]])
def test_other_words_are_refused(pairs: list[str]) -> None:
    with pytest.raises(BadArgument):
        parse_pairs(pairs, {})


@pytest.mark.parametrize("schema", [{}, {"properties": 7}, {"properties": {"it": None}}])
def test_a_schema_that_says_nothing_makes_text(schema: dict[str, Any]) -> None:
    assert parse_pairs(["it=1"], schema) == {"it": "1"}


@pytest.mark.parametrize("text", ["", "7", "{", "[]", '{"a": Infinity}'])
def test_an_object_has_to_be_one(text: str) -> None:
    with pytest.raises(BadArgument):
        parse_object(text)
