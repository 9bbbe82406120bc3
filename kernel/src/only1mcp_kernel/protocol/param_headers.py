"""`x-mcp-header`: arguments of a tool that are repeated in header fields, `Mcp-Param-*`, for what stands on the way.

Specification 2026-07-28, basic/transports/streamable-http, "Custom Headers from Tool Parameters".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from only1mcp_kernel.protocol.modern import decoded_value, header_value
from only1mcp_sdk import Json
from only1mcp_sdk.members import split, text

PREFIX = "Mcp-Param-"
ANNOTATION = "x-mcp-header"

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_PRIMITIVE = frozenset({"string", "integer", "boolean"})
_DATA = frozenset({"const", "default", "enum", "examples"})
"""Keywords whose values are no schemas."""
_NAMED = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
"""Keywords whose values are schemas by names of the author's."""
_decode = msgspec.json.Decoder(float_hook=str).decode  # nobody reads the numbers, and a string takes any


class ParamHeader(Struct, frozen=True):
    """One argument that is repeated: the field's whole name, and the members that lead to the argument."""

    name: str
    path: tuple[str, ...]


Plan: TypeAlias = tuple[ParamHeader, ...]
"""What a tool wants repeated; empty for nearly all of them."""


class BadAnnotation(ValueError):
    """A tool whose annotations break the rules; such a tool is not to be shown."""


def read(schema: Json) -> Plan:
    """What the annotations in an input schema ask for. Raises `BadAnnotation`."""
    if b"x-mcp-header" not in schema and b"\\u" not in schema:
        return ()
    try:
        root = _decode(schema)
    except ValueError:
        return ()  # what is wrong with it is for others to say
    plan: list[ParamHeader] = []
    seen: dict[str, str] = {}
    for node, path in _schemas(root, ()):
        if ANNOTATION not in node:
            continue
        where = ".".join(path) if path else "the schema itself"
        name = node[ANNOTATION]
        if not path:
            raise BadAnnotation(
                f"{ANNOTATION} at {where} is not on a property that can be reached by its name"
            )
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise BadAnnotation(f"{ANNOTATION} at {where} is no header field name: {name!r}")
        if not _is_primitive(node.get("type")):
            raise BadAnnotation(f"{ANNOTATION} at {where} is on no string, integer or boolean")
        if name.lower() in seen:
            raise BadAnnotation(f"{ANNOTATION} {name!r} is at {where} and at {seen[name.lower()]}")
        seen[name.lower()] = where
        plan.append(ParamHeader(PREFIX + name, path))
    return tuple(plan)


def plans_of(schemas: Mapping[str, Json]) -> dict[str, Plan]:
    """What each of these tools asks for, by name. What is badly annotated asks for nothing."""
    plans = {}
    for name, schema in schemas.items():
        try:
            plan = read(schema)
        except BadAnnotation:
            continue
        if plan:
            plans[name] = plan
    return plans


def _schemas(node: Any, path: tuple[str, ...] | None) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
    """Every schema within a schema, each with its path where nothing but `properties` leads to it, else without."""
    if not isinstance(node, dict):
        return
    yield node, path or ()
    for keyword, value in node.items():
        if keyword in _DATA:
            continue
        if keyword in _NAMED and isinstance(value, dict):
            for name, each in value.items():
                reachable = keyword == "properties" and path is not None
                yield from _schemas(each, (*path, name) if reachable and path is not None else None)
        elif isinstance(value, dict):
            yield from _schemas(value, None)
        elif isinstance(value, list):
            for each in value:
                yield from _schemas(each, None)


def _is_primitive(type: Any) -> bool:
    """A primitive, or one that may also be null."""
    types = type if isinstance(type, list) else [type]
    return len([each for each in types if each != "null"]) == 1 and all(
        each == "null" or (isinstance(each, str) and each in _PRIMITIVE) for each in types
    )


def write(plan: Plan, arguments: Json | None) -> dict[str, str]:
    """The header fields for a call with these arguments."""
    fields = {}
    for each in plan:
        try:
            value = _at(arguments, each.path)
        except ValueError:
            continue  # the server sees what is wrong with the arguments
        if value is not None:
            fields[each.name] = header_value(_written(value))
    return fields


def problem(plan: Plan, arguments: Json | None, headers: Mapping[str, str]) -> str | None:
    """What is wrong with a call's header fields (their names in lower case), if anything."""
    for each in plan:
        said = headers.get(each.name.lower())
        try:
            value = _at(arguments, each.path)
        except ValueError as error:
            return f"params.arguments can't be compared with {each.name}: {error}"
        if value is None:
            if said is not None:
                return f"{each.name} is given, but params.arguments has no {'.'.join(each.path)}"
            continue
        if said is None:
            return f"{each.name} is missing"
        if not _VALUE.fullmatch(said):
            return f"{each.name} contains invalid characters"
        if not _equal(decoded_value(said), value):
            return f"{each.name} must equal params.arguments.{'.'.join(each.path)}"
    return None


def _at(arguments: Json | None, path: tuple[str, ...]) -> Json | None:
    """The argument at a path; None when there is none. Raises `ValueError` for members named twice."""
    raw: Json | None = arguments
    for name in path:
        if raw is None or raw[:1] != b"{":
            return None
        raw = split(raw).get(name)
    if raw is None or raw == b"null" or raw[:1] in (b"{", b"["):
        return None
    return raw


def _written(raw: Json) -> str:
    """An argument as text."""
    return text(raw) or "" if raw[:1] == b'"' else _plain(raw.decode())


def _plain(literal: str) -> str:
    """A number or a truth value as text: whole numbers without fraction or exponent."""
    if not _NUMBER.fullmatch(literal) or literal.lstrip("-").isdigit():
        return "0" if literal == "-0" else literal
    number = float(literal)
    return str(int(number)) if number.is_integer() else literal


def _equal(said: str | None, raw: Json) -> bool:
    """Numbers are compared as such, everything else to the letter: nothing on the way may read another value."""
    if said is None:
        return False
    value = _written(raw)
    if said == value:
        return True
    if raw[:1] == b'"' or not _NUMBER.fullmatch(said) or not _NUMBER.fullmatch(value):
        return False
    return float(said) == float(value) and _plain(said) == _plain(value)
