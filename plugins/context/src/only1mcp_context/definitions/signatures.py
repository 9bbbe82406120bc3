"""Tools in a line each: `move(from: string, to: string, force?: bool = false) - Moves a file.`"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from only1mcp_context.definitions import schemas, texts
from only1mcp_context.definitions.schemas import Schema
from only1mcp_context.definitions.texts import first_sentence, shortened
from only1mcp_sdk import Entry
from only1mcp_sdk.members import split

LONGEST_SENTENCE = 120
LONGEST_TYPE = 160
LONGEST_DEFAULT = 24
MOST_VALUES = 12
MOST_PARAMETERS = 40
LONGEST_NAME = 128
"""Of a parameter."""
MOST_TYPES = 2000
"""Subschemas that are looked at for one tool."""
DEEPEST = 3
READS, DESTROYS = "*", "!"
"""Marks before a name: it only reads, it may destroy; where its annotations say so."""
LEGEND = f"{READS} only reads, {DESTROYS} may destroy, ? optional"
_NAMES = {"integer": "int", "boolean": "bool", "null": "null", "number": "number", "string": "string"}
_SOUND = re.compile(r"[\w.:/@$-]+\Z")
_PLAIN = re.compile(r"[A-Za-z_$][\w$-]*\Z")


def signature(entry: Entry, sentence: int = LONGEST_SENTENCE) -> str:
    """A tool in one line, with at most so many characters of what it says of itself."""
    schema = schemas.read(entry.members.get("inputSchema")) or {}
    line = f"{mark(entry)}{named(entry.shown)}({_Types(schema).members(schema, 0)})"
    said = texts.read(entry.members.get("description")) or texts.read(entry.members.get("title")) or ""
    said = first_sentence(said, sentence) if sentence else ""
    return f"{line} - {said}" if said else line


def named(name: str) -> str:
    """A name as it stands in front of a signature: quoted, where it could be taken for another one."""
    return name if _SOUND.match(name) else json.dumps(name)


def mark(entry: Entry) -> str:
    """What the annotations of a tool say that is worth a sign."""
    hints = hints_of(entry)
    if hints.get("readOnlyHint") is True:
        return READS
    return DESTROYS if hints.get("destructiveHint") is True else ""


def hints_of(entry: Entry) -> Mapping[str, Any]:
    """The annotations of a tool, whatever its server made of them."""
    try:
        found = split(entry.members.get("annotations", b"{}"))
    except ValueError:
        return {}
    return {name: value == b"true" for name, value in found.items() if value in (b"true", b"false")}


def by_server(entries: Iterable[Entry]) -> str:
    """Signatures, below the servers they come from."""
    grouped: dict[str, list[str]] = {}
    for entry in entries:
        grouped.setdefault(entry.server, []).append(signature(entry))
    return "\n".join(f"[{server}]\n" + "\n".join(lines) for server, lines in grouped.items())


class _Types:
    """Writes the types of one schema."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._left = MOST_TYPES

    def members(self, schema: Schema, depth: int) -> str:
        properties = schema.get("properties")
        if not isinstance(properties, dict):
            return ""
        needed = schema.get("required")
        required = {each for each in needed if isinstance(each, str)} if isinstance(needed, list) else set()
        names = sorted(properties, key=lambda name: name not in required)
        parts = [
            self._parameter(name, properties[name], name in required, depth)
            for name in names[:MOST_PARAMETERS]
        ]
        return ", ".join([*parts, "..."] if len(names) > MOST_PARAMETERS else parts)

    def _parameter(self, name: str, schema: Any, required: bool, depth: int) -> str:
        sound = len(name) <= LONGEST_NAME and _PLAIN.match(name)
        shown = name if sound else json.dumps(shortened(name, LONGEST_NAME), ensure_ascii=False)
        said = f"{shown}{'' if required else '?'}: {self._type(schema, depth)}"
        default = schema.get("default") if isinstance(schema, dict) else None
        if required or default is None or default in ("", [], {}) or isinstance(default, dict | list):
            return said
        value = json.dumps(default, ensure_ascii=False)
        return f"{said} = {value}" if len(value) <= LONGEST_DEFAULT else said

    def _type(self, schema: Any, depth: int) -> str:
        found = self._whole_type(schema, depth)
        if len(found) <= LONGEST_TYPE:
            return found
        return "object" if found.startswith("{") else "object[]" if found.endswith("}[]") else "any"

    def _whole_type(self, schema: Any, depth: int) -> str:
        self._left -= 1
        if not isinstance(schema, dict) or self._left < 0:
            return "any"
        if depth > DEEPEST:
            return _name(schema.get("type"))
        if "$ref" in schema:
            return self._type(schemas.target(self._root, schema["$ref"]) or {}, depth + 1)
        if "const" in schema:
            return _value(schema["const"])
        values = schema.get("enum")
        if isinstance(values, list) and values:
            more = "|..." if len(values) > MOST_VALUES else ""
            return "|".join(map(_value, values[:MOST_VALUES])) + more
        for keyword in ("anyOf", "oneOf"):
            if isinstance(schema.get(keyword), list):
                return _alternatives([self._type(each, depth + 1) for each in schema[keyword]])
        if isinstance(schema.get("allOf"), list) and len(schema["allOf"]) == 1:
            return self._type(schema["allOf"][0], depth + 1)
        kind = schema.get("type")
        if isinstance(kind, list):
            return _alternatives([self._whole_type({**schema, "type": each}, depth) for each in kind[:8]])
        if kind == "array" or (kind is None and "items" in schema):
            inner = self._type(schema["items"], depth + 1) if "items" in schema else "any"
            return f"({inner})[]" if "|" in inner and not inner.startswith("{") else f"{inner}[]"
        if kind == "object" or (kind is None and "properties" in schema):
            inner = self.members(schema, depth + 1)
            return f"{{{inner}}}" if inner else "object"
        return _name(kind)


def _alternatives(types: list[str]) -> str:
    known = [each for each in dict.fromkeys(types) if each != "null"]
    return "|".join(known) or "null"


def _value(value: Any) -> str:
    return shortened(json.dumps(value, ensure_ascii=False), 40)


def _name(kind: Any) -> str:
    return (
        _NAMES.get(kind, kind if kind in ("array", "object") else "any") if isinstance(kind, str) else "any"
    )
