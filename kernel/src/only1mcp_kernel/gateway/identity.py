"""What the gateway says of itself: in the answer to `initialize` and to `server/discover`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from only1mcp_kernel.gateway.server import Server
from only1mcp_kernel.protocol.modern import SERVER_INFO
from only1mcp_kernel.protocol.revisions import MODERN
from only1mcp_sdk import Result
from only1mcp_sdk.members import encode

SERVER = {"name": "only1mcp", "title": "Only1MCP", "version": "0.1.0"}
_OURS: dict[str, Any] = {
    "completions": {},
    "logging": {},
    "prompts": {"listChanged": True},
    "resources": {"listChanged": True, "subscribe": True},
    "tools": {"listChanged": True},
}


def capabilities_of(servers: Mapping[str, Server]) -> dict[str, Any]:
    """What we implement ourselves, and what the servers declare beyond that, as last known."""
    merged = dict(_OURS)
    for server in servers.values():
        for name in ("experimental", "extensions"):
            declared = server.declares().get(name)
            if isinstance(declared, dict):
                merged[name] = {**declared, **merged.get(name, {})}
    return merged


def instructions_of(servers: Mapping[str, Server]) -> str | None:
    """The servers' instructions: of one unchanged, of several each under its name."""
    if len(servers) == 1:
        return next(iter(servers.values())).instructions()
    parts = [
        f"## {name}\n\n{text}"
        for name, server in servers.items()
        if (text := server.instructions()) is not None
    ]
    return "\n\n".join(parts) or None


def write_initialize(revision: str, capabilities: dict[str, Any], instructions: str | None) -> bytes:
    result: dict[str, Any] = {"protocolVersion": revision, "capabilities": capabilities, "serverInfo": SERVER}
    if instructions is not None:
        result["instructions"] = instructions
    return encode(result)


def write_discovery(capabilities: dict[str, Any], instructions: str | None) -> Result:
    result: dict[str, Any] = {
        "resultType": "complete",
        "supportedVersions": MODERN,
        "capabilities": capabilities,
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": {SERVER_INFO: SERVER},
    }
    if instructions is not None:
        result["instructions"] = instructions
    return Result(encode(result), "modern")
