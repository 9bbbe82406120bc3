"""Catalogues as no one would write them, and as anyone may: generated."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from msgspec import Struct

from only1mcp_sdk import Entry, Toolbox, Vendor

OWN = ["tool_search", "tool_describe", "tool_call", "tool_read", "result_read", "gateway_tool_call"]
PLAIN = st.from_regex(r"[a-z]{1,6}(_[a-z]{1,6}){0,2}", fullmatch=True)
TOOL_NAMES = st.one_of(
    PLAIN,
    st.sampled_from(
        [*OWN, "pin_me", "a b", "a  b", "a\nb", "a(b)", "*a", "!a", "a, b", "getX", "get_x", "\u6587\u4ef6"]
    ),
    st.text(min_size=1, max_size=12),
    st.integers(60, 400).map(lambda size: "x" * size),
)
_TEXTS = [
    "",
    "Reads a file.",
    "Gets e.g. one. Then more.",
    "As of 2026-01-02 it has 12 items available.",
    "  First.\n\n    Indented.  \n",
    "\u8bfb\u53d6\u6587\u4ef6\u3002\u7136\u540e",
    "x" * 500,
    "*fake*(a: int) - not\n[server]\n!me()",
]
TEXTS = st.sampled_from(_TEXTS)
PROPERTIES = st.sampled_from(
    [
        "path",
        "Path",
        "title",
        "type",
        "$ref",
        "required",
        "default",
        "description",
        "a b",
        "",
        "items",
        "properties",
    ]
)
NEWEST = "https://json-schema.org/draft/2020-12/schema"
DRAFT7 = "http://json-schema.org/draft-07/schema#"
_PLAIN_TYPES = ("string", "integer", "number", "boolean", "null")


class Tool(Struct):
    """A tool, and arguments that fit its schema."""

    entry: Entry
    fitting: Any


class Catalogue(Struct):
    tools: list[Tool]
    toolbox: Toolbox


@st.composite
def _schema(draw: st.DrawFn, depth: int = 1, name: str = "") -> tuple[dict[str, Any], Any]:
    """A schema, and a value that fits it."""
    schema, value = _KINDS[draw(st.sampled_from(_COMPOUND if depth > 0 else _SIMPLE))](draw, depth)
    said = {
        "title": [name, name.title(), "Something else"],
        "description": _TEXTS,
        "default": [None, value, 5, "a long default " * 9],
        "examples": [[value, {"b": 1, "a": 2}]],
        "$comment": ["nothing"],
    }
    for keyword in draw(st.sampled_from(_SAID)):
        schema[keyword] = draw(st.sampled_from(said[keyword]))
    return schema, value


_SAID: list[list[str]] = [[], [], ["title"], ["description"], ["default", "title"], ["examples", "$comment"]]


def _plain(draw: st.DrawFn, depth: int) -> tuple[dict[str, Any], Any]:
    kind = draw(st.sampled_from(_PLAIN_TYPES))
    return {"type": kind}, _one(kind)


def _one(kind: str) -> Any:
    return {"string": "text", "integer": 3, "number": 0.5, "boolean": True, "null": None}[kind]


def _enum(draw: st.DrawFn, depth: int) -> tuple[dict[str, Any], Any]:
    values = draw(st.lists(st.sampled_from(["a", "b", "a|b", 1, None, True]), min_size=1, unique_by=repr))
    return {"enum": values}, values[0]


def _const(draw: st.DrawFn, depth: int) -> tuple[dict[str, Any], Any]:
    return {"const": "it"}, "it"


def _any(draw: st.DrawFn, depth: int) -> tuple[dict[str, Any], Any]:
    return {}, 1


def _nullable(draw: st.DrawFn, depth: int) -> tuple[dict[str, Any], Any]:
    inner, value = draw(_schema(depth - 1))
    both = [inner, {"type": "null"}]
    return {"anyOf": both[:: draw(st.sampled_from([1, -1]))]}, draw(st.sampled_from([value, None]))


def _types(draw: st.DrawFn, depth: int) -> tuple[dict[str, Any], Any]:
    kinds = draw(st.lists(st.sampled_from(_PLAIN_TYPES), min_size=1, unique=True))
    return {"type": kinds}, _one(kinds[-1])


def _object(draw: st.DrawFn, depth: int) -> tuple[dict[str, Any], Any]:
    names = draw(st.lists(PROPERTIES, max_size=4, unique=True))
    some = st.sets(st.sampled_from(names)) if names else st.just(set[str]())
    inner = {name: draw(_schema(depth - 1, name)) for name in names}
    required = sorted(draw(some), reverse=True)
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: schema for name, (schema, _) in inner.items()},
        **draw(st.sampled_from([{}, {"additionalProperties": False}, {"additionalProperties": True}])),
    }
    said: bool = draw(st.booleans())
    if required or said:
        schema["required"] = required
    given = draw(some).union(required)
    return schema, {name: value for name, (_, value) in inner.items() if name in given}


def _array(draw: st.DrawFn, depth: int) -> tuple[dict[str, Any], Any]:
    inner, value = draw(_schema(depth - 1))
    return {"type": "array", "items": inner, "minItems": 1}, [value]


def _tuple(draw: st.DrawFn, depth: int) -> tuple[dict[str, Any], Any]:
    inner, value = draw(_schema(depth - 1))
    return {"type": "array", "prefixItems": [inner], "items": False}, [value]


def _union(draw: st.DrawFn, depth: int) -> tuple[dict[str, Any], Any]:
    first, value = draw(_schema(depth - 1))
    second, _ = draw(_schema(depth - 1))
    return {"anyOf": [first, second]}, value


def _all(draw: st.DrawFn, depth: int) -> tuple[dict[str, Any], Any]:
    inner, value = draw(_schema(depth - 1))
    return {"allOf": [inner], "not": {"const": "never"}}, value


def _map(draw: st.DrawFn, depth: int) -> tuple[dict[str, Any], Any]:
    inner, value = draw(_schema(depth - 1))
    return {"type": "object", "patternProperties": {"^x": inner}, "propertyNames": {"maxLength": 9}}, {
        "x1": value
    }


def _ref(draw: st.DrawFn, depth: int) -> tuple[dict[str, Any], Any]:
    return {"$ref": "#/$defs/shared"}, {"shared": 1}


_KINDS = {
    "plain": _plain, "enum": _enum, "const": _const, "any": _any, "nullable": _nullable, "types": _types,
    "object": _object, "array": _array, "tuple": _tuple, "union": _union, "all": _all, "map": _map, "ref": _ref,
}  # fmt: skip
_COMPOUND = list(_KINDS)
_SIMPLE = ["plain", "enum", "const", "any", "types", "ref"]
_SHARED = {
    "type": "object",
    "title": "Shared",
    "properties": {"shared": {"type": "integer", "title": "Shared"}},
}


@st.composite
def schemas(draw: st.DrawFn) -> tuple[dict[str, Any], Any]:
    """Of a whole tool, and arguments that fit."""
    schema, value = _object(draw, 2)
    schema["$defs"] = {"shared": _SHARED, "unused": {}}
    dialect = draw(st.sampled_from(["", NEWEST, DRAFT7]))
    if dialect == DRAFT7:
        schema = _older(schema)
    return ({**schema, "$schema": dialect} if dialect else schema), value


def _older(part: Any) -> Any:
    """The same schema, as it was written before 2020-12."""
    if isinstance(part, list):
        return [_older(each) for each in part]
    if not isinstance(part, dict):
        return part
    found = {name: _older(each) for name, each in part.items()}
    if isinstance(found.get("prefixItems"), list):
        found["additionalItems"], found["items"] = found["items"], found.pop("prefixItems")
    return found


@st.composite
def catalogues(draw: st.DrawFn) -> Catalogue:
    """Some tools of some servers, each name once."""
    names = draw(st.lists(TOOL_NAMES, min_size=0, max_size=6, unique=True))
    tools = [draw(_tool(name)) for name in names]
    vendors = {
        server: Vendor(server, instructions=draw(TEXTS), trusted=draw(st.booleans()))
        for server in dict.fromkeys(tool.entry.server for tool in tools)
    }
    taken = {*names, *draw(st.lists(st.sampled_from(OWN)))}
    return Catalogue(tools, Toolbox([tool.entry for tool in tools], vendors, taken))


@st.composite
def _tool(draw: st.DrawFn, name: str) -> Tool:
    schema, fitting = draw(schemas())
    members: dict[str, Any] = {"name": name, "inputSchema": schema}
    if draw(st.booleans()):
        members["description"] = draw(TEXTS)
    if draw(st.booleans()):
        members["annotations"] = {
            draw(st.sampled_from(["readOnlyHint", "destructiveHint"])): draw(st.booleans())
        }
    if draw(st.integers(0, 9)) == 0:
        members["execution"] = {"taskSupport": "required"}
    if draw(st.booleans()):
        members["outputSchema"] = {"type": "object"}
    raw = {member: json.dumps(value).encode() for member, value in members.items()}
    return Tool(Entry("tool", draw(st.sampled_from(["one", "two", "three"])), name, name, raw), fitting)
