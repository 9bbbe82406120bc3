"""What a modern client says of itself, which it says with every request: read and checked once for all those that
come in alike."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Raw, Struct

from only1mcp_kernel.gateway.clients.load import Share
from only1mcp_kernel.gateway.clients.sinks import NOTHING
from only1mcp_kernel.protocol.meta import Said
from only1mcp_kernel.protocol.modern import read_caller
from only1mcp_sdk import Arrival, Caller, Principal

_REPEATS = "mcp-param-"
_LONG = 4096
"""Bytes; who says more of itself is read anew each time."""


class Introduction(Struct, frozen=True, gc=False):
    """What requests said that came in alike, and who they are from."""

    method: str
    name: str
    version: Raw
    capabilities: Raw
    client_info: Raw
    caller: Caller
    repeated: Mapping[str, str]
    """The header fields that repeat arguments."""
    share: Share
    """Of what may be under way."""


def introduction(
    method: str, name: str, said: Said, arrival: Arrival, principal: Principal, share: Share
) -> Introduction:
    """Of a request that names this. Raises `Refused`."""
    caller = read_caller(method, name, said, arrival, principal)
    short = len(said.capabilities) + len(said.client_info) < _LONG
    version, capabilities, client_info = (
        each.copy() if short else Raw(b"") for each in (said.version, said.capabilities, said.client_info)
    )
    repeated = _repeated(arrival.headers)
    return Introduction(method, name, version, capabilities, client_info, caller, repeated, share)


def _repeated(headers: Mapping[str, str]) -> Mapping[str, str]:
    if _REPEATS not in "\n".join(headers):  # as a rule, and quick to tell
        return NOTHING
    return {name: value for name, value in headers.items() if name.startswith(_REPEATS)}
