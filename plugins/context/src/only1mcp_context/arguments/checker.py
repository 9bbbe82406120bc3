"""Whether arguments fit the schema of a tool, and what makes them fit.

The check is a courtesy to the caller, and never the last word: where a schema can't be checked, or not in good time,
arguments pass, and the tool's server decides. Nothing is ever fetched.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

import jsonschema_rs
import msgspec

from only1mcp_context.arguments.calls import unwrapped
from only1mcp_context.arguments.faults import Fault, told
from only1mcp_context.arguments.repair import repaired
from only1mcp_context.arguments.weight import Weight, size_of, weight
from only1mcp_sdk import Json

HEAVIEST = 20_000
"""Subschemas, each counted as often as it is referred to."""
MOST_FAULTS = 5
MOST_TOLD = 200_000
"""Subschemas that may be looked at to tell what is wrong, which takes far longer than to know that something is."""
# This engine takes a time that is linear in the text, whatever the pattern.
_PATTERNS = jsonschema_rs.RegexOptions(size_limit=1 << 16)
_decode = msgspec.json.Decoder().decode

_Fits = Callable[[Any], bool]


class Checker:
    """Of one tool. To make one takes from microseconds to some 10 ms; a check takes microseconds."""

    def __init__(self, name: str, schema: Mapping[str, Any]) -> None:
        """`name` is the one the tool is called by."""
        self._name = name
        self._schema = dict(schema)
        self._weight: Weight = weight(self._schema)
        self._light = self._weight.light
        self._validator = _compiled(self._schema) if self._weight.total <= HEAVIEST else None
        self._fits: _Fits = self._validator.is_valid if self._validator is not None else lambda value: True

    def check(self, raw: Json) -> Json | Fault:
        """The arguments to call with: the very bytes where they fit, others where it is plain what was meant."""
        try:
            arguments = _decode(raw)
            if len(raw) <= self._light or self._weight.bears(len(raw), *size_of(arguments)):
                fits = self._fits(arguments)
            else:
                return raw
        except (ValueError, RecursionError):
            return _if_json(raw)
        if fits:
            return self._meant(raw, arguments)
        return self._put_right(raw, arguments) or self._fault(arguments)

    def _meant(self, raw: Json, arguments: Any) -> Json:
        """Arguments that fit. A schema that leaves room for anything also takes a whole call in place of them."""
        known = self._schema.get("properties")
        if not isinstance(known, dict) or not isinstance(arguments, dict) or "name" not in arguments:
            return raw
        inner = None if known.keys() & arguments.keys() else unwrapped(raw, self._name)
        return raw if inner is None or not self._fits(_decode(inner)) else inner

    def _put_right(self, raw: Json, arguments: Any) -> Json | None:
        """Other arguments, that fit."""
        better = repaired(arguments, self._schema)
        if self._fits(better):
            return _encoded(better)
        inner = unwrapped(raw, self._name)
        if inner is None:
            return None
        arguments = _decode(inner)
        if self._fits(arguments):
            return inner
        better = repaired(arguments, self._schema)
        return _encoded(better) if self._fits(better) else None

    def _fault(self, arguments: Any) -> Fault:
        if self._validator is None or self._weight.looks(*size_of(arguments)) > MOST_TOLD:
            return Fault("the arguments do not fit, and are too many to tell where")
        errors = islice(self._validator.iter_errors(arguments), MOST_FAULTS)
        return Fault("; ".join(dict.fromkeys(map(told, errors))))


def _compiled(schema: dict[str, Any]) -> jsonschema_rs.Validator | None:
    """None for what is no schema, or leads elsewhere. One that does not say its dialect may be of an older one."""
    tried: list[Callable[..., jsonschema_rs.Validator]] = [jsonschema_rs.validator_for]
    if "$schema" not in schema:
        tried += [jsonschema_rs.Draft7Validator, jsonschema_rs.Draft4Validator]
    for each in (schema, _without_patterns(schema)):
        for compile in tried:
            try:
                return compile(each, offline=True, validate_formats=False, pattern_options=_PATTERNS)
            except (ValueError, jsonschema_rs.ReferencingError):
                continue
    return None


def _without_patterns(part: Any) -> Any:
    """The schema without patterns, some of which can't be checked in linear time. A property of that name stays."""
    if isinstance(part, list):
        return [_without_patterns(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {
        key: _without_patterns(value)
        for key, value in part.items()
        if key != "pattern" or not isinstance(value, str)
    }


def _encoded(value: Any) -> Json:
    # Unlike msgspec, this writes integers of any size.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _if_json(raw: Json) -> Json | Fault:
    """What can't be read may still be JSON: of numbers beyond measure, say."""
    try:
        json.loads(raw)
    except (ValueError, RecursionError) as error:
        return Fault(f"the arguments are no JSON: {error}")
    return raw
