"""Arguments that fit, that can be made to fit, and that do not."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from only1mcp_context.arguments import Checker, Fault

DRAFT7 = "http://json-schema.org/draft-07/schema#"
SCHEMA = {
    "type": "object",
    "properties": {
        "path": {"type": "string"},
        "count": {"type": "integer"},
        "share": {"type": "number"},
        "deep": {"type": "boolean"},
        "kind": {"enum": ["file", "folder"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "maybe": {"anyOf": [{"$ref": "#/$defs/range"}, {"type": "null"}]},
        "rows": {"type": "array", "items": {"$ref": "#/$defs/range"}},
        "either": {"type": ["string", "integer"]},
        "any": {},
    },
    "required": ["path"],
    "additionalProperties": False,
    "$defs": {
        "range": {
            "type": "object",
            "properties": {"from": {"type": "integer"}, "to": {"type": "integer"}},
            "required": ["from"],
        }
    },
}
CHECKER = Checker("tool", SCHEMA)


def checked(arguments: Any, schema: dict[str, Any] | None = None) -> Any:
    """What the arguments become; a text that says what is wrong with them."""
    checker = CHECKER if schema is None else Checker("tool", schema)
    found = checker.check(json.dumps(arguments).encode())
    return found.message if isinstance(found, Fault) else json.loads(found)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"path":"x"}',
        b'{ "path" : "5", "count":5.0, "either":"5", "any":"{}", "maybe":null }',
        b'{"path":"x","share":1.10,"count":123456789012345678901234567890}',
        b'{"path":"x","path":"y"}',
    ],
)
def test_what_fits_passes_as_the_very_bytes(raw: bytes) -> None:
    assert CHECKER.check(raw) is raw


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ({"count": "5"}, {"count": 5}),
        ({"count": " -12 "}, {"count": -12}),
        ({"share": "0.5"}, {"share": 0.5}),
        ({"deep": "true"}, {"deep": True}),
        ({"deep": "False"}, {"deep": False}),
        ({"tags": '["a", "b"]'}, {"tags": ["a", "b"]}),
        ({"tags": "a"}, {"tags": ["a"]}),
        ({"tags": [1, "b"]}, {"tags": ["1", "b"]}),
        ({"path": 12345678901234567890123}, {"path": "12345678901234567890123"}),
        ({"maybe": '{"from": 1}'}, {"maybe": {"from": 1}}),
        ({"maybe": {"from": "1", "to": "2"}}, {"maybe": {"from": 1, "to": 2}}),
        ({"maybe": '{"from": "1"}'}, {"maybe": {"from": 1}}),
        ({"maybe": "null"}, {"maybe": None}),
        ({"rows": '[{"from": "1"}]'}, {"rows": [{"from": 1}]}),
        ({"rows": [{"from": 1, "to": None}]}, {"rows": [{"from": 1}]}),
        ({"rows": {"from": 1}}, {"rows": {"from": 1}}),
        ({"count": None, "tags": None}, {}),
    ],
)
def test_what_is_meant_is_put_right(sent: dict[str, Any], meant: dict[str, Any]) -> None:
    if sent == meant:
        assert "rows: " in checked({"path": "x", **sent})
    else:
        assert checked({"path": "x", **sent}) == {"path": "x", **meant}


@pytest.mark.parametrize(
    "sent",
    [
        {"path": 1.10},  # which may have been 1.10, 1.1 or a version
        {"path": True},
        {"path": None},
        {"count": "five"},
        {"count": "1.5"},
        {"count": "007"},
        {"count": ""},
        {"count": True},
        {"deep": "yes"},
        {"deep": 1},
        {"kind": "File"},
        {"tags": "a, b"},
        {"tags": '["a", '},
        {"maybe": "[1]"},
        {"either": [1]},
        {"share": "1e999"},
    ],
)
def test_what_may_mean_something_else_is_not_touched(sent: dict[str, Any]) -> None:
    assert isinstance(checked({"path": "x", **sent}), str)


def test_what_can_be_put_right_in_part_is_a_fault() -> None:
    assert checked({"path": "x", "count": "5", "kind": "none"}) == (
        'count: "5" is not of type "integer"; kind: "none" is not one of "file" or "folder"'
    )


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({}, '"path" is a required property'),
        ({"path": "x", "paht": "y"}, "('paht' was unexpected)"),
        ({"path": "x", "rows": [{"from": 1}, {"to": 1}]}, 'rows[1]: "from" is a required property'),
        ({"path": "x", "maybe": {"from": 1, "to": "z"}}, 'maybe.to: "z" is not of type "integer"'),
        ({"path": "x", "maybe": 5}, "maybe: 5 is not valid under any"),
        ([1], 'is not of type "object"'),
    ],
)
def test_a_fault_says_what_and_where(sent: Any, said: str) -> None:
    assert said in checked(sent)


def test_odd_names_are_quoted() -> None:
    schema = {"properties": {"a.b": {"properties": {"c d": {"type": "integer"}}}}}
    assert checked({"a.b": {"c d": "x"}}, schema).startswith("['a.b']['c d']: ")


def test_of_alternatives_the_one_that_was_meant_is_told() -> None:
    def shape(name: str, *needed: str) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {"kind": {"const": name}, "r": {"type": "number"}},
            "required": ["kind", *needed],
        }

    schema = {"properties": {"shape": {"oneOf": [shape("circle", "r"), shape("square", "side")]}}}
    assert checked({"shape": {"kind": "square"}}, schema) == 'shape: "side" is a required property'
    assert checked({"shape": {"kind": "circle", "r": "x"}}, schema) == 'shape.r: "x" is not of type "number"'


def test_a_fault_is_short_and_keeps_what_matters() -> None:
    said = checked({"path": ["x" * 5000], "count": {"y": "z" * 5000}})
    assert len(said) < 700
    assert 'is not of type "string"' in said
    assert 'is not of type "integer"' in said


def test_a_whole_call_in_place_of_arguments() -> None:
    assert checked({"name": "tool", "arguments": {"path": "x"}}) == {"path": "x"}
    assert checked({"name": "tool", "arguments": '{"path": "x", "count": "5"}'}) == {"path": "x", "count": 5}
    assert checked({"arguments": {"path": "x"}}) == {"path": "x"}
    assert isinstance(checked({"name": "other", "arguments": {"path": "x"}}), str)
    assert isinstance(checked({"name": "tool", "arguments": {}}), str)


def test_a_whole_call_where_the_schema_takes_anything() -> None:
    lenient = {"type": "object", "properties": {"path": {"type": "string"}}}
    assert checked({"name": "tool", "arguments": {"path": "x"}}, lenient) == {"path": "x"}
    assert checked({"name": "tool", "arguments": {"path": 5}}, lenient) == {
        "name": "tool",
        "arguments": {"path": 5},
    }
    assert checked({"arguments": {"path": "x"}}, lenient) == {"arguments": {"path": "x"}}
    wanted = {"type": "object", "properties": {"name": {"type": "string"}, "arguments": {"type": "object"}}}
    call = {"name": "tool", "arguments": {"path": "x"}}
    assert checked(call, wanted) == call


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://localhost:1/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "other.json"},
        {"$ref": "#/$defs/none"},
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}]},
        {"$dynamicAnchor": "x", "properties": {"a": {"$dynamicRef": "#x"}}},
        {"$schema": "http://nowhere/", "required": ["a"]},
        {"$schema": 5, "required": ["a"]},
        {"type": "no type", "required": ["a"]},
        {"properties": {"a": 5}, "required": ["a"]},
        {"properties": {"b": {"$id": "urn:b", "$ref": "#"}}, "required": ["a"]},
    ],
)
def test_what_no_one_can_check_passes(schema: dict[str, Any]) -> None:
    raw = b'{ "b" : 1 }'
    assert Checker("tool", schema).check(raw) is raw


def test_dialects() -> None:
    pair = {"items": [{"type": "string"}, {"type": "integer"}], "additionalItems": False}
    for schema in (
        {"properties": {"pair": pair}},
        {"$schema": DRAFT7, "properties": {"pair": pair}},
        {"properties": {"pair": {"prefixItems": pair["items"], "items": False}}},
    ):
        assert checked({"pair": ["a", 1]}, schema) == {"pair": ["a", 1]}
        assert checked({"pair": ["a", "1"]}, schema) == {"pair": ["a", 1]}
        assert isinstance(checked({"pair": ["a", 1, 2]}, schema), str)
    older = {"properties": {"n": {"type": "number", "minimum": 1, "exclusiveMinimum": True}}}
    assert isinstance(checked({"n": 1}, older), str)
    assert checked({"n": 2}, older) == {"n": 2}


def test_references_of_all_kinds() -> None:
    schema = {
        "properties": {
            "a": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "b": {"$ref": "#/properties/a/anyOf/0"},
            "c": {"$ref": "#/$defs/a~1b%20c"},
        },
        "$defs": {"a/b c": {"type": "boolean"}},
    }
    assert checked({"a": "1", "b": "2", "c": "true"}, schema) == {"a": 1, "b": 2, "c": True}


def test_a_pattern_that_can_not_be_checked_in_linear_time_is_left_to_the_server() -> None:
    schema = {
        "properties": {"a": {"pattern": "^(?=b)"}, "n": {"type": "integer"}, "pattern": {"type": "string"}}
    }
    assert checked({"a": "x"}, schema) == {"a": "x"}
    assert isinstance(checked({"a": "x", "n": "y"}, schema), str)
    assert isinstance(checked({"pattern": []}, schema), str)
    assert isinstance(checked({"a": "x"}, {"properties": {"a": {"pattern": "^b"}}}), str)


@pytest.mark.parametrize(
    "raw", [b'{"path":1e999}', b'{"path":"\\ud800"}', b'{"path":' + b"[" * 200 + b"]" * 200 + b',"x":1e999}']
)
def test_json_that_can_not_be_read_is_left_to_the_server(raw: bytes) -> None:
    assert CHECKER.check(raw) is raw


@pytest.mark.parametrize("raw", [b"", b"{", b'{"path":nul}', b"[" * 100_000])
def test_no_json_is_a_fault(raw: bytes) -> None:
    found = CHECKER.check(raw)
    assert isinstance(found, Fault)
    assert found.message.startswith("the arguments are no JSON")


def _doubling(depth: int) -> dict[str, Any]:
    defs = {str(level): {"allOf": [{"$ref": f"#/$defs/{level + 1}"}] * 2} for level in range(depth)}
    return {"$ref": "#/$defs/0", "$defs": {**defs, str(depth): {"minProperties": 0}}}


def _branching(ways: int) -> dict[str, Any]:
    again = {"properties": {"x": {"$ref": "#/$defs/f"}}}
    return {"$ref": "#/$defs/f", "$defs": {"f": {"allOf": [again] * ways, "type": "object"}}}


def _nested(depth: int, leaf: Any) -> Any:
    for _ in range(depth):
        leaf = {"x": leaf}
    return leaf


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        (_doubling(24), {"a": 1}),
        (_branching(3), _nested(16, {})),
        (_branching(3), _nested(16, 1)),
        ({"items": {"anyOf": [{"const": n} for n in range(5000)]}}, ["x"] * 50_000),
        ({"items": {"pattern": "[ab]*a[ab]{300}[ab]*c"}}, ["ab" * 200_000]),
        ({"anyOf": [{"items": {"type": "string"}}, {"type": "null"}]}, list(range(200_000))),
        ({"items": {"type": "array", "items": {"type": "string"}}}, [[1]] * 100_000),
        ({"properties": {"x": {"anyOf": [{"$ref": "#"}] * 1000}}}, _nested(200, "1")),
    ],
)
def test_work_is_bounded(schema: dict[str, Any], arguments: Any) -> None:
    raw = json.dumps(arguments).encode()
    began = time.process_time()
    Checker("tool", schema).check(raw)
    assert time.process_time() - began < 2


def test_what_refers_to_itself_once_is_checked_at_any_depth() -> None:
    schema = {"properties": {"x": {"$ref": "#"}, "n": {"type": "integer"}}, "additionalProperties": False}
    assert checked(_nested(100, {"n": 1}), schema) == _nested(100, {"n": 1})
    assert isinstance(checked(_nested(100, {"m": 1}), schema), str)
    assert checked(_nested(10, {"n": "1"}), schema) == _nested(10, {"n": 1})
