"""Whether arguments fit the schema of a tool, and what makes them fit.

The check is a courtesy to the caller, and never the last word: where a schema can't be checked, or not in reasonable
time, arguments pass, and the tool's server decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import jsonschema_rs
import msgspec

from only1mcp_context.arguments.faults import Fault
from only1mcp_context.arguments.repair import repaired
from only1mcp_context.arguments.weight import Weight, depth_of, weight
from only1mcp_sdk import Json
from only1mcp_sdk.members import encode

MOST_FAULTS = 5
LONGEST_FAULT = 300
HEAVIEST = 20_000
"""Subschemas, each counted as often as it is referred to."""
DEEPEST = 12
"""Levels of arguments that are checked against a schema that refers to itself."""
_PATTERNS = jsonschema_rs.FancyRegexOptions(backtrack_limit=50_000, size_limit=1 << 20)
_decode = msgspec.json.Decoder().decode


class Checker:
    """Of one tool. Compiled when first used; a check takes microseconds."""

    def __init__(self, name: str, schema: Mapping[str, Any]) -> None:
        self._name = name
        self._schema = dict(schema)
        self._weight: Weight = weight(self._schema)
        self._validator = self._compiled() if self._weight.total <= HEAVIEST else None

    def _compiled(self) -> jsonschema_rs.Validator | None:
        try:
            return jsonschema_rs.validator_for(
                self._schema, offline=True, validate_formats=False, pattern_options=_PATTERNS
            )
        except (ValueError, jsonschema_rs.ReferencingError):
            return None  # no schema, or one that leads elsewhere

    def check(self, raw: Json) -> Json | Fault:
        """The arguments to call with: the very bytes where they fit, others where it is plain what was meant."""
        validator = self._validator
        try:
            arguments = _decode(raw)
        except (ValueError, RecursionError) as error:
            return Fault(f"the arguments are no JSON: {error}")
        if validator is None or (self._weight.recursive and depth_of(arguments) > DEEPEST):
            return raw
        if validator.is_valid(arguments):
            return raw
        better = repaired(arguments, self._schema)
        if better != arguments and validator.is_valid(better):
            return encode(better)
        return Fault(self._said(validator, arguments))

    def _said(self, validator: jsonschema_rs.Validator, arguments: Any) -> str:
        faults = []
        for error in islice(validator.iter_errors(arguments), MOST_FAULTS):
            where = "".join(
                f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path
            )
            said = (
                error.message
                if len(error.message) <= LONGEST_FAULT
                else error.message[:LONGEST_FAULT] + "\u2026"
            )
            faults.append(f"{where.lstrip('.')}: {said}" if where else said)
        return "; ".join(faults)
