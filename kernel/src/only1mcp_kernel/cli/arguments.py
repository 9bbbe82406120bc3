"""A tool's arguments from the command line: text, given the types that the tool's schema asks for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_MAX_DEPTH = 16
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


class BadArgument(ValueError):
    """The command line does not say a value the tool could take. The message says which and why."""


def parse_object(text: str) -> dict[str, Any]:
    """All arguments as one JSON object. Raises `BadArgument`."""
    value = _decode(text)
    if not isinstance(value, dict):
        raise BadArgument("the arguments have to be a JSON object")
    return value


def parse_pairs(pairs: Iterable[str], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as `name=value`, typed by the tool's input schema. Raises `BadArgument`."""
    arguments: dict[str, Any] = {}
    properties = schema.get("properties")
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise BadArgument(f"{pair!r} is not name=value")
        if name in arguments:
            raise BadArgument(f"{name} is given twice; write a list as JSON: --arg '{name}=[1, 2]'")
        own = properties.get(name) if isinstance(properties, dict) else None
        arguments[name] = _typed(name, text, set(_types(own, schema, 0)))
    return arguments


def _typed(name: str, text: str, types: set[str]) -> Any:
    """Text as a value of one of these types. What may be text is text."""
    if not types or "string" in types:
        return text
    wanted = " or ".join(sorted(types))
    try:
        value = _decode(text)
    except BadArgument:
        raise BadArgument(f"{name} has to be JSON of type {wanted}, not {text!r}") from None
    if not any(_is(value, each) for each in types):
        raise BadArgument(f"{name} has to be of type {wanted}, not {text!r}")
    return value


def _is(value: Any, type_: str) -> bool:
    if isinstance(value, bool):
        return type_ == "boolean"
    if type_ == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[type_])


def _types(schema: Any, root: Mapping[str, Any], depth: int) -> Iterator[str]:
    """The JSON types a schema admits, as far as it says so plainly; none where it does not."""
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return
    said = schema.get("type")
    names = said if isinstance(said, list) else [said]
    yield from (name for name in names if isinstance(name, str) and name in _TYPES)
    reference = schema.get("$ref")
    if isinstance(reference, str):
        yield from _types(_resolve(reference, root), root, depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        branches = schema.get(key)
        for branch in branches if isinstance(branches, list) else []:
            yield from _types(branch, root, depth + 1)
    choices = schema.get("enum")
    if said is None:
        for value in [
            *(choices if isinstance(choices, list) else []),
            *([schema["const"]] if "const" in schema else []),
        ]:
            yield next(name for name in _TYPES if _is(value, name))


def _resolve(reference: str, root: Mapping[str, Any]) -> Any:
    """A reference within the same schema (RFC 6901); None for any other."""
    if not reference.startswith("#/"):
        return None
    found: Any = root
    for part in reference[2:].split("/"):
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    return found


def _decode(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadArgument(f"not JSON: {text[:200]!r}") from None


def _no_constant(word: str) -> Any:
    raise ValueError(word)
