"""How long results may be kept, and by whom: `ttlMs` and `cacheScope` (specification 2026-07-28,
server/utilities/caching).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from only1mcp_sdk import Json, Members

TTL = "ttlMs"
SCOPE = "cacheScope"
_PUBLIC = b'"public"'


def of_all(parts: Iterable[Members]) -> Members:
    """Both members for a result made of these: it lasts as long as the part that lasts shortest, and is private when
    any part is. A part that does not say is stale at once, and private; so is a result of nothing."""
    parts = list(parts)
    ttl = min((part.get(TTL, b"0") for part in parts), key=_milliseconds, default=b"0")
    public = bool(parts) and all(part.get(SCOPE) == _PUBLIC for part in parts)
    return {TTL: ttl if _milliseconds(ttl) else b"0", SCOPE: _PUBLIC if public else b'"private"'}


def _milliseconds(raw: Json) -> float:
    """0 for what is no time."""
    try:
        value = msgspec.json.decode(raw)
    except msgspec.DecodeError:  # a number that no float holds, among others
        return 0.0
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return max(0.0, float(value)) if number else 0.0
