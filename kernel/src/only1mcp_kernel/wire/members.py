"""JSON objects as members whose values stay raw.

Splitting an object costs one pass and changing a member costs nothing for the others: they go out as the bytes
that came in. Duplicate members are refused here, because two readers of one message must never see two things.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import Raw

from only1mcp_sdk import DuplicateMember, Members

_split = msgspec.json.Decoder(dict[str, Raw]).decode
_string = msgspec.json.Decoder(str).decode
encode = msgspec.json.Encoder().encode
"""Encode a value, or members, as compact JSON."""


def split(raw: bytes) -> Members:
    """The members of a JSON object.

    Raises `msgspec.DecodeError` for bad JSON (`msgspec.ValidationError`, a subclass, for another type of value) and
    `DuplicateMember`.
    """
    members = _split(raw)
    # In compact JSON with plain ASCII names the members account for every byte, so nothing can be there twice.
    accounted = 1 if members else 2
    for name, value in members.items():
        accounted += len(name) + len(value) + 4
    if accounted != len(raw):
        _refuse_duplicates(raw)
    return members


def _refuse_duplicates(raw: bytes) -> None:
    outermost: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        # Called for inner objects first; the last call is the outermost object's.
        outermost[:] = [name for name, _ in pairs]

    json.loads(raw, object_pairs_hook=note)
    seen = set()
    for name in outermost:
        if name in seen:
            raise DuplicateMember(f"duplicate member {name!r}")
        seen.add(name)


def text(raw: bytes | None) -> str | None:
    """The value of a JSON string; None for anything else, and for a member that is not there."""
    if raw is None or raw[:1] != b'"':
        return None
    return _string(raw)


def quoted(value: str) -> Raw:
    """A string as JSON."""
    return Raw(encode(value))
