"""JSON objects as members whose values stay raw.

Splitting an object costs one pass and changing a member costs nothing for the others: they go out as the bytes
that came in. Duplicate members are refused here, because two readers of one message must never see two things.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from operator import add
from typing import Any

import msgspec
from msgspec import Raw

from only1mcp_sdk.messages import DuplicateMember, Json, Members

_split = msgspec.json.Decoder(dict[str, Raw]).decode
_items = msgspec.json.Decoder(list[Raw]).decode
_string = msgspec.json.Decoder(str).decode
_SPACE = b" \t\r\n"
_TOO_DEEP = "JSON is malformed: it is nested too deeply"
encode = msgspec.json.Encoder().encode
"""Encode a value as compact JSON."""


def split(raw: bytes) -> Members:
    """The members of a JSON object.

    Raises `msgspec.DecodeError` for bad JSON (`msgspec.ValidationError`, a subclass, for another type of value) and
    `DuplicateMember`.
    """
    try:
        members: Members = _split(raw)  # type: ignore[assignment]  # each value becomes bytes in the loop
    except RecursionError:
        raise msgspec.DecodeError(_TOO_DEEP) from None
    # In compact JSON with plain ASCII names the members account for every byte, so nothing can be there twice.
    accounted = 1 if members else 2
    for name, value in members.items():
        members[name] = value = bytes(value)
        accounted += len(name) + len(value) + 4
    if accounted != len(raw) and not _spaced(raw, members):
        _refuse_duplicates(raw)
    return members


def _spaced(raw: bytes, members: Members) -> bool:
    """Whether white space before the last member, the usual place of a large one, is all that the members leave
    unaccounted for. Quick, and no often enough; yes is certain."""
    if not members:
        return True
    *others, (name, last) = members.items()
    begin = len(raw) - 1 - len(last)
    if raw[begin:-1] != last or " " in name:
        return False
    accounted = len(name) + 4
    for name, value in others:
        if " " in name:
            return False
        accounted += len(name) + len(value.translate(None, _SPACE)) + 4
    return len(raw[:begin].translate(None, _SPACE)) == accounted


def join(members: Mapping[str, Json]) -> bytes:
    """The JSON object of these members."""
    return b"{%b}" % b",".join(map(add, map(_key, members), members.values()))


def items(raw: bytes) -> list[Json]:
    """The items of a JSON array. Raises `msgspec.DecodeError`."""
    try:
        return [bytes(item) for item in _items(raw)]
    except RecursionError:
        raise msgspec.DecodeError(_TOO_DEEP) from None


def array(values: Iterable[Json]) -> bytes:
    """The JSON array of these values."""
    return b"[" + b",".join(values) + b"]"


def _refuse_duplicates(raw: bytes) -> None:
    outermost: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        # Called for inner objects first; the last call is the outermost object's.
        outermost[:] = [name for name, _ in pairs]

    try:
        json.loads(
            raw, object_pairs_hook=note, parse_int=float
        )  # nobody reads the numbers, and float takes any
    except RecursionError:
        raise msgspec.DecodeError(_TOO_DEEP) from None
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


def quoted(value: str) -> Json:
    """A string as JSON."""
    return encode(value)


class _Keys(dict[str, bytes]):
    """Names as they stand before values. A few are used all the time."""

    def __missing__(self, name: str) -> bytes:
        key = encode(name) + b":"
        if len(self) < _MAX_KEYS and len(key) < _LONG_KEY:
            self[name] = key
        return key


_MAX_KEYS = 4096
_LONG_KEY = 100
_key = _Keys().__getitem__
