"""When two answers are the same.

`without_name` is for bytes; `eraless` and `shape` are for decoded answers. What an era adds or takes away is
named here and nowhere else.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

# What a 2026-07-28 answer has that an older server's answer lacks, and the other way round.
_MODERN_ONLY = ("resultType", "ttlMs", "cacheScope")
_LEGACY_ONLY = ("execution",)
_SERVER_INFO = "io.modelcontextprotocol/serverInfo"


def members(raw: bytes) -> list[tuple[str, bytes]]:
    """An object's members in their order, each value as the bytes that were received."""
    return [(name, bytes(value)) for name, value in msgspec.json.decode(raw, type=dict[str, Raw]).items()]


def without_name(entry: bytes, era_crossed: bool = False) -> list[tuple[str, bytes]]:
    """A list entry without what a gateway may change: its name, and what another era does not have."""
    dropped = ("name", *_LEGACY_ONLY) if era_crossed else ("name",)
    return [member for member in members(entry) if member[0] not in dropped]


def own_name(entry: bytes) -> str:
    name: str = msgspec.json.decode(entry)["name"]
    return name


def eraless(value: Any) -> Any:
    """A decoded result without what only one of the eras has."""
    if isinstance(value, list):
        return [eraless(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {k: eraless(v) for k, v in value.items() if k not in _MODERN_ONLY and k not in _LEGACY_ONLY}
    if isinstance(kept.get("_meta"), dict):
        kept["_meta"] = {k: v for k, v in kept["_meta"].items() if k != _SERVER_INFO}
        if not kept["_meta"]:
            del kept["_meta"]
    return kept


def shape(value: Any) -> Any:
    """The names and types in a value."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return (
        "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    )
