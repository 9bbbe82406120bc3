"""Arguments repeated in header fields: which, as what, and whether they agree."""

from __future__ import annotations

import json
from typing import Any

import pytest

from only1mcp_kernel.protocol.param_headers import BadAnnotation, problem, read, write


def schema(**properties: Any) -> bytes:
    return json.dumps({"type": "object", "properties": properties}).encode()


def annotated(type: Any, name: Any = "Region") -> dict[str, Any]:
    return {"type": type, "x-mcp-header": name}


NESTED = schema(
    region=annotated("string"),
    count=annotated("integer", "Count"),
    deep={"type": "object", "properties": {"flag": annotated("boolean", "Flag")}},
    plain={"type": "string"},
)


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        ({"region": "us-west1"}, {"Mcp-Param-Region": "us-west1"}),
        ({"region": "Hello, 世界"}, {"Mcp-Param-Region": "=?base64?SGVsbG8sIOS4lueVjA==?="}),
        ({"region": " padded "}, {"Mcp-Param-Region": "=?base64?IHBhZGRlZCA=?="}),
        ({"region": "line1\nline2"}, {"Mcp-Param-Region": "=?base64?bGluZTEKbGluZTI=?="}),
        ({"region": "=?base64?literal?="}, {"Mcp-Param-Region": "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="}),
        ({"count": 42}, {"Mcp-Param-Count": "42"}),
        ({"count": -7}, {"Mcp-Param-Count": "-7"}),
        ({"count": 42.0}, {"Mcp-Param-Count": "42"}),
        ({"deep": {"flag": True}}, {"Mcp-Param-Flag": "true"}),
        ({"region": None, "plain": "x"}, {}),
        ({"deep": {}}, {}),
        ({"deep": []}, {}),
        ({}, {}),
        ({"region": {"not": "a string"}}, {}),
    ],
)
def test_fields_follow_from_the_arguments(arguments: Any, fields: dict[str, str]) -> None:
    plan = read(NESTED)
    raw = json.dumps(arguments).encode()
    assert write(plan, raw) == fields
    sent = {name.lower(): value for name, value in fields.items()}
    if "region" not in arguments or not isinstance(arguments["region"], dict):
        assert problem(plan, raw, sent) is None


@pytest.mark.parametrize(
    "bad",
    [
        schema(a=annotated("string", "")),
        schema(a=annotated("string", "no spaces")),
        schema(a=annotated("string", "a\r\nb")),
        schema(a=annotated("string", 7)),
        schema(a=annotated("string", "Ünicode")),
        schema(a=annotated("number")),
        schema(a=annotated("object")),
        schema(a=annotated("array")),
        schema(a=annotated(["string", "integer"])),
        schema(a={"x-mcp-header": "Region"}),
        schema(a=annotated("string", "Region"), b=annotated("string", "REGION")),
        schema(a={"type": "array", "items": annotated("string")}),
        schema(a={"anyOf": [annotated("string"), {"type": "null"}]}),
        schema(a={"$ref": "#/$defs/r", "not": annotated("string")}),
        b'{"x-mcp-header":"Region","type":"object"}',
        b'{"$defs":{"r":{"type":"string","x-mcp-header":"Region"}}}',
        b'{"if":{"properties":{"a":{"type":"string","x-mcp-header":"Region"}}}}',
        b'{"properties":{"a":{"type":"number","x\\u002dmcp-header":"Region"}}}',
    ],
)
def test_annotations_that_break_the_rules(bad: bytes) -> None:
    with pytest.raises(BadAnnotation):
        read(bad)


@pytest.mark.parametrize(
    "good",
    [
        b"{}",
        b"",
        b"not json \\u",
        b'"x-mcp-header"',
        schema(a={"type": "string"}),
        schema(**{"x-mcp-header": {"type": "string"}}),
        schema(a={"type": "string", "default": {"x-mcp-header": "Region"}}),
        schema(a={"enum": [{"x-mcp-header": "x"}]}),
    ],
)
def test_what_asks_for_nothing(good: bytes) -> None:
    assert read(good) == ()


def test_a_value_may_be_null() -> None:
    assert len(read(schema(a=annotated(["string", "null"])))) == 1


@pytest.mark.parametrize(
    ("arguments", "headers", "wrong"),
    [
        (b'{"region":"a"}', {}, "is missing"),
        (b'{"region":"a"}', {"mcp-param-region": "b"}, "must equal"),
        (b'{"region":"a"}', {"mcp-param-region": "=?base64?!?="}, "must equal"),
        (b'{"region":"a"}', {"mcp-param-region": "\x01"}, "invalid characters"),
        (b'{"region":"\xc3\xa9"}', {"mcp-param-region": "é"}, "invalid characters"),
        (b"{}", {"mcp-param-region": "a"}, "has no region"),
        (b'{"region":null}', {"mcp-param-region": "a"}, "has no region"),
        (b'{"region":"a","region":"b"}', {"mcp-param-region": "a"}, "twice|duplicate"),
        (b'{"count":1}', {"mcp-param-count": "2"}, "must equal"),
        (b'{"count":1}', {"mcp-param-count": "one"}, "must equal"),
        (b'{"count":1000}', {"mcp-param-count": "1_000"}, "must equal"),
        (b'{"count":42}', {"mcp-param-count": " 42"}, "must equal"),
        (b'{"region":"1.0"}', {"mcp-param-region": "1"}, "must equal"),
        (b'{"region":"1e1"}', {"mcp-param-region": "10"}, "must equal"),
        (b'{"count":9007199254740993}', {"mcp-param-count": "9007199254740992"}, "must equal"),
        (b'{"deep":{"flag":true}}', {"mcp-param-flag": "True"}, "must equal"),
    ],
)
def test_fields_that_disagree(arguments: bytes, headers: dict[str, str], wrong: str) -> None:
    import re

    found = problem(read(NESTED), arguments, headers)
    assert found is not None
    assert re.search(wrong, found)


@pytest.mark.parametrize(
    ("arguments", "headers"),
    [
        (b'{"count":42}', {"mcp-param-count": "42.0"}),
        (b'{"count":4.2e1}', {"mcp-param-count": "42"}),
        (b'{"region":"a"}', {"mcp-param-region": "=?base64?YQ==?=", "mcp-param-other": "x"}),
        (b'{"region":""}', {"mcp-param-region": ""}),
    ],
)
def test_fields_that_agree(arguments: bytes, headers: dict[str, str]) -> None:
    assert problem(read(NESTED), arguments, headers) is None
