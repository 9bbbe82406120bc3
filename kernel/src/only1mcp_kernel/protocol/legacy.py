"""The client face of the revisions with a handshake (2024-11-05 to 2025-11-25)."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from only1mcp_kernel.protocol.capabilities import read_client
from only1mcp_kernel.protocol.errors import Refused
from only1mcp_kernel.protocol.revisions import INVALID_PARAMS, LATEST_LEGACY, LEGACY
from only1mcp_sdk import Capabilities, Json, Members, Result
from only1mcp_sdk.members import join, split, text

LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""RFC 5424 severities, least severe first."""
UNASKED_LEVEL = "info"
"""What a client hears that never asked for a level."""

_MODERN_MEMBERS = ("resultType", "ttlMs", "cacheScope")


class Hello(Struct, frozen=True):
    """What a client said in `initialize`."""

    revision: str
    capabilities: Capabilities
    client_info: Json


def read_initialize(params: Members) -> Hello:
    """Read `initialize` and settle the revision: the client's where it is one of this era, else the latest of it.

    Raises `Refused`.
    """
    asked = text(params.get("protocolVersion"))
    if asked is None:
        raise Refused(200, INVALID_PARAMS, "Invalid params: initialize needs a protocolVersion")
    try:
        capabilities = read_client(params.get("capabilities", b""))
    except msgspec.ValidationError:
        raise Refused(200, INVALID_PARAMS, "Invalid params: capabilities must be an object") from None
    revision = asked if asked in LEGACY else LATEST_LEGACY
    return Hello(revision, capabilities, params.get("clientInfo", b""))


def write_result(result: Result) -> bytes:
    """A result as a legacy client expects it. One that comes from a legacy server is left as it is."""
    if result.era == "legacy":
        return result.raw
    members = split(result.raw)
    for name in _MODERN_MEMBERS:
        members.pop(name, None)
    structured = members.get("structuredContent", b"{")
    if structured[:1] != b"{":  # any JSON in the modern era, an object in this one
        members["structuredContent"] = join({"result": structured})
    return join(members)


def wants(level: str, wanted: str | None) -> bool:
    """Whether a log message of `level` passes for somebody who wants `wanted` and worse; None wants everything
    from `info` on, which is what servers send before anyone sets a level."""
    if level not in LEVELS:
        return True
    return LEVELS.index(level) >= LEVELS.index(wanted or UNASKED_LEVEL)


def most_verbose(levels: list[str]) -> str | None:
    """The least severe of these levels."""
    return min(levels, key=LEVELS.index, default=None)
