"""Opening a link: find out which era the server speaks, and greet it in that one.

Specification 2026-07-28, "Backward compatibility": `server/discover` first; a discovery or an error only the modern
era has means modern; anything else, silence included, means legacy and `initialize`.
"""

from __future__ import annotations

import msgspec

from only1mcp_kernel.gateway.link import Link
from only1mcp_kernel.gateway.request import ServerError, ask
from only1mcp_kernel.protocol.revisions import (
    HEADER_MISMATCH,
    LATEST_LEGACY,
    LEGACY,
    MISSING_CAPABILITY,
    MODERN,
    UNSUPPORTED_VERSION,
)
from only1mcp_kernel.protocol.upstream import CLIENT_INFO, LegacyDialect, ModernDialect
from only1mcp_kernel.wire.members import quoted, split, text
from only1mcp_sdk import ConnectFailed, ConnectionLost, Era, Members

DISCOVER_PATIENCE = 10.0
"""Seconds for a silent server to answer `server/discover` before it is taken for a legacy one."""

_MODERN_ERRORS = (HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION)


class WrongEra(Exception):
    """The server does not speak the era it was spoken to in."""


async def greet(link: Link, era: Era | None, timeout: float) -> None:
    """Make a connected link ready. With no `era`, find it out.

    Raises `WrongEra` when the server does not speak `era`, and `ConnectFailed`.
    """
    try:
        if era == "modern":
            await _discover(link, timeout)
        elif era == "legacy":
            await _initialize(link, timeout)
        else:
            try:
                await _discover(link, min(timeout / 2, DISCOVER_PATIENCE))
            except (WrongEra, TimeoutError):
                await _initialize(link, timeout)
    except TimeoutError:
        raise ConnectFailed(f"the server did not answer within {timeout:g} s") from None
    except ConnectionLost as error:
        raise ConnectFailed(str(error)) from None
    except ValueError as error:
        raise ConnectFailed(f"the server's greeting is malformed: {error}") from None


async def _discover(link: Link, timeout: float) -> None:
    link.dialect = ModernDialect()
    try:
        raw = await ask(link, "server/discover", {}, timeout)
    except ServerError as error:
        if error.failure.code in _MODERN_ERRORS:
            supported = _supported(error.failure.raw)
            raise ConnectFailed(
                f"the server speaks only {', '.join(supported) or 'revisions unknown here'}"
            ) from None
        raise WrongEra(str(error)) from None
    except ConnectionLost as error:
        if not link.alive:
            raise
        raise WrongEra(str(error)) from None  # over HTTP: refused without a JSON-RPC body
    members = split(raw)
    versions = msgspec.json.decode(members.get("supportedVersions", b"[]"), type=list[str])
    if not set(versions) & set(MODERN):
        raise WrongEra("the server's discovery names no revision of this era")
    link.greeting = members


def _supported(raw: bytes) -> list[str]:
    data = msgspec.json.decode(raw).get("data")
    versions = data.get("supported") if isinstance(data, dict) else None
    return [str(version) for version in versions] if isinstance(versions, list) else []


async def _initialize(link: Link, timeout: float) -> None:
    link.dialect = LegacyDialect(None)
    params: Members = {
        "protocolVersion": quoted(LATEST_LEGACY),
        "capabilities": link.capabilities.raw,
        "clientInfo": CLIENT_INFO,
    }
    try:
        raw = await ask(link, "initialize", params, timeout)
    except ServerError as error:
        raise WrongEra(f"the server refused to initialize: {error}") from None
    members = split(raw)
    revision = text(members.get("protocolVersion"))
    if revision not in LEGACY:
        raise ConnectFailed(f"the server chose revision {revision!r}, which is none of {', '.join(LEGACY)}")
    link.dialect = LegacyDialect(revision)
    link.greeting = members
    link.notify("notifications/initialized")
    link.listen()
