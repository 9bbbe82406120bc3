"""Who shares a link with whom, and what its server is told of them."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from only1mcp_kernel.protocol.revisions import LATEST_LEGACY, LATEST_MODERN
from only1mcp_kernel.protocol.tasks import without
from only1mcp_sdk import ANONYMOUS, Caller, Capabilities, Era

Isolation = Literal["auto", "shared", "principal", "session"]
LinkKey = tuple[str, ...]


_MODERN = ("modern",)
_LEGACY = ("legacy",)


class Terms(Struct, frozen=True):
    """How a server's endpoints are reached."""

    era: Era | None
    isolation: Isolation
    connect_timeout: float
    idle_stop: float


def link_key(terms: Terms, era: Era, caller: Caller) -> LinkKey:
    """Callers of one key may share a link, unless it belongs to one of them."""
    if era == "modern":
        return _MODERN
    if terms.isolation == "shared":
        return _LEGACY
    group = caller.capabilities.group if caller.era == era else without(caller.capabilities).group
    if terms.isolation == "session":
        return ("legacy", owner_name(caller), group)
    return ("legacy", caller.principal.id, group)


def declared_to(era: Era | None, caller: Caller) -> Capabilities:
    """What a server that is spoken to in this era is told of the caller's abilities."""
    return caller.capabilities if era == caller.era else without(caller.capabilities)


def owner_name(caller: Caller) -> str:
    """Who may own a link on this caller's behalf: the legacy session, else the principal."""
    return caller.session or f"principal:{caller.principal.id}"


def anchor_caller(era: Era) -> Caller:
    """On whose behalf the gateway itself speaks to servers: a client of no abilities."""
    return Caller(ANONYMOUS, era, LATEST_MODERN if era == "modern" else LATEST_LEGACY, "", Capabilities())
