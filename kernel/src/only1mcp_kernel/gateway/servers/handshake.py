"""Opening a link: find out which era the server speaks, and greet it in that one.

Specification 2026-07-28, "Backward compatibility": `server/discover` first; a discovery or an error only the modern
era has means modern; anything else, silence included, means legacy and `initialize`.
"""

from __future__ import annotations

import asyncio

import msgspec

from only1mcp_kernel.gateway.servers.link import Link
from only1mcp_kernel.gateway.servers.request import Asking, ServerError, ask
from only1mcp_kernel.protocol.revisions import (
    HEADER_MISMATCH,
    LATEST_LEGACY,
    LEGACY,
    MISSING_CAPABILITY,
    MODERN,
    UNSUPPORTED_VERSION,
)
from only1mcp_kernel.protocol.upstream import OUR_CLIENT_INFO, LegacyDialect, ModernDialect
from only1mcp_sdk import ConnectFailed, ConnectionLost, Era, Json, Members
from only1mcp_sdk.members import quoted, split, text

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
            await _find_out(link, timeout)
    except TimeoutError:
        raise ConnectFailed(f"the server did not answer within {timeout:g} s") from None
    except ConnectionLost as error:
        raise ConnectFailed(str(error)) from None
    except ValueError as error:
        raise ConnectFailed(f"the server's greeting is malformed: {error}") from None


async def _find_out(link: Link, timeout: float) -> None:
    link.speak(ModernDialect())
    discovering = Asking(link, "server/discover", {})
    try:
        await asyncio.wait([discovering.result], timeout=min(timeout / 2, DISCOVER_PATIENCE))
        if discovering.result.done():
            try:
                _read_discovery(link, await discovering.result)
            except (ServerError, ConnectionLost, WrongEra) as error:
                _refuse_unknown(link, error)
                await _initialize(link, timeout)
            return
        # Silent so far: it may be one that ignores what it does not know, or one that is still starting.
        link.speak(LegacyDialect(None))
        initializing = Asking(link, "initialize", _hello(link))
        try:
            await _first_answer(link, discovering, initializing, timeout / 2)
        finally:
            initializing.withdraw("answered otherwise")
    finally:
        discovering.withdraw("answered otherwise")


async def _first_answer(link: Link, discovering: Asking, initializing: Asking, timeout: float) -> None:
    """Take whichever greeting a slow server answers. One that took the first for its era refuses the second."""
    async with asyncio.timeout(timeout):
        await asyncio.wait([discovering.result, initializing.result], return_when=asyncio.FIRST_COMPLETED)
        if initializing.result.done() and initializing.result.exception() is None:
            _read_initialized(link, initializing.result.result())
            return
        try:
            raw = await discovering.result
        except ServerError:
            pass
        else:
            link.speak(ModernDialect())
            _read_discovery(link, raw)
            return
        try:
            _read_initialized(link, await initializing.result)
        except ServerError as error:
            raise ConnectFailed(f"the server refused both greetings: {error}") from None


async def _discover(link: Link, timeout: float) -> None:
    link.speak(ModernDialect())
    try:
        _read_discovery(link, await ask(link, "server/discover", {}, timeout))
    except (ServerError, ConnectionLost) as error:
        _refuse_unknown(link, error)
        raise WrongEra(str(error)) from None


def _refuse_unknown(link: Link, error: Exception) -> None:
    """Nothing more to try: the server is modern but of no known revision, or the connection is lost."""
    if isinstance(error, ServerError) and error.failure.code in _MODERN_ERRORS:
        supported = ", ".join(_supported(error.failure.raw)) or "revisions unknown here"
        raise ConnectFailed(f"the server speaks only {supported}") from None
    if isinstance(error, ConnectionLost) and not link.alive:
        raise error  # else: over HTTP, refused without a JSON-RPC body


def _read_discovery(link: Link, raw: Json) -> None:
    try:
        members = split(raw)
        versions = msgspec.json.decode(members.get("supportedVersions", b"[]"), type=list[str])
    except ValueError as error:
        raise WrongEra(f"the server's discovery is malformed: {error}") from None
    if not set(versions) & set(MODERN):
        raise WrongEra("the server's discovery names no revision of this era")
    link.greeting = members


def _supported(raw: bytes) -> list[str]:
    data = msgspec.json.decode(raw).get("data")
    versions = data.get("supported") if isinstance(data, dict) else None
    return [str(version) for version in versions] if isinstance(versions, list) else []


async def _initialize(link: Link, timeout: float) -> None:
    link.speak(LegacyDialect(None))
    try:
        _read_initialized(link, await ask(link, "initialize", _hello(link), timeout))
    except ServerError as error:
        raise WrongEra(f"the server refused to initialize: {error}") from None


def _hello(link: Link) -> Members:
    return {
        "protocolVersion": quoted(LATEST_LEGACY),
        "capabilities": link.capabilities.raw,
        "clientInfo": OUR_CLIENT_INFO,
    }


def _read_initialized(link: Link, raw: Json) -> None:
    members = split(raw)
    revision = text(members.get("protocolVersion"))
    if revision not in LEGACY:
        raise ConnectFailed(f"the server chose revision {revision!r}, which is none of {', '.join(LEGACY)}")
    link.speak(LegacyDialect(revision))
    link.greeting = members
    link.notify("notifications/initialized")
    link.listen()
