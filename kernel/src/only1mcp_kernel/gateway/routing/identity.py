"""What the gateway says of itself: in the answer to `initialize` and to `server/discover`.

What servers declare beyond what the gateway implements is shown in their own bytes, as last known, to clients of the
era they declared it in.
"""

from __future__ import annotations

from collections.abc import Mapping

from only1mcp_kernel.gateway.servers.server import Server
from only1mcp_kernel.protocol import caching
from only1mcp_kernel.protocol.modern import SERVER_INFO
from only1mcp_kernel.protocol.revisions import MODERN
from only1mcp_sdk import Era, Json, Members, Result
from only1mcp_sdk.members import encode, join, quoted, split, text

SERVER = encode({"name": "only1mcp", "title": "Only1MCP", "version": "0.1.0"})
_OURS: Mapping[str, Members] = {
    "completions": {},
    "logging": {},
    "prompts": {"listChanged": b"true"},
    "resources": {"listChanged": b"true", "subscribe": b"true"},
    "tools": {"listChanged": b"true"},
}
_MERGED = ("experimental", "extensions")
"""Capabilities that are maps: of several servers, each adds its keys."""
_WITHIN_ERA = frozenset({"tasks", "io.modelcontextprotocol/tasks"})
"""What a server of one era can't be used for by clients of the other."""
_OF_THE_GREETING = frozenset(
    {
        "protocolVersion",
        "capabilities",
        "serverInfo",
        "instructions",
        "supportedVersions",
        "resultType",
        "ttlMs",
        "cacheScope",
        "_meta",
    }
)


def initialize_result(servers: Mapping[str, Server], revision: str) -> bytes:
    """The result of `initialize`."""
    return join(
        {
            "protocolVersion": quoted(revision),
            "capabilities": join(capabilities_of(servers, "legacy")),
            "serverInfo": SERVER,
            **_instructions(servers, "legacy"),
            **_unknown(servers, "legacy"),
        }
    )


def discovery(servers: Mapping[str, Server]) -> Result:
    """The result of `server/discover`."""
    members = {
        "resultType": b'"complete"',
        "supportedVersions": encode(MODERN),
        "capabilities": join(capabilities_of(servers, "modern")),
        **_caching(servers),
        **_instructions(servers, "modern"),
        **_unknown(servers, "modern"),
    }
    members["_meta"] = join({**_object(members.get("_meta")), SERVER_INFO: SERVER})
    return Result(join(members), "modern")


def _caching(servers: Mapping[str, Server]) -> Members:
    """How long a discovery lasts: as long as those of the servers, and not at all while one of them is away."""
    if not all(server.up for server in servers.values()):
        return caching.of_all([])
    return caching.of_all(server.listings.greeting("modern")[1] for server in servers.values())


def capabilities_of(servers: Mapping[str, Server], era: Era) -> Members:
    """What the gateway implements, and what the servers declare beyond that. Where several declare the same, the
    value of the first in the configuration is shown."""
    merged = {name: join(ours) for name, ours in _OURS.items()}
    maps: dict[str, Members] = {}
    for server in servers.values():
        spoken, greeting = server.listings.greeting(era)
        left_out = _WITHIN_ERA if spoken != era else frozenset()
        for name, value in _object(greeting.get("capabilities")).items():
            if value[:1] != b"{":
                continue
            if name in _OURS:
                if len(servers) == 1:
                    merged[name] = join({**_object(value), **_OURS[name]})
            elif name in _MERGED:
                found = maps.setdefault(name, {})
                for key, declared in _object(value).items():
                    if key not in left_out:
                        found.setdefault(key, declared)
            elif name == "tasks" and name not in left_out:
                merged[name] = join({**_object(value), **_object(merged.get(name))})
            elif name not in left_out:
                merged.setdefault(name, value)
    return {**merged, **{name: join(found) for name, found in maps.items()}}


def _instructions(servers: Mapping[str, Server], era: Era) -> Members:
    """The servers' instructions: of one unchanged, of several each under its name."""
    given = {
        name: raw
        for name, server in servers.items()
        if (raw := server.listings.greeting(era)[1].get("instructions", b""))[:1] == b'"'
    }
    if not given:
        return {}
    if len(servers) == 1:
        return {"instructions": next(iter(given.values()))}
    parts = [f"## {name}\n\n{text(raw)}" for name, raw in given.items()]
    return {"instructions": quoted("\n\n".join(parts))}


def _unknown(servers: Mapping[str, Server], era: Era) -> Members:
    """What else the only server of a profile says in its greeting."""
    if len(servers) != 1:
        return {}
    spoken, greeting = next(iter(servers.values())).listings.greeting(era)
    known = _OF_THE_GREETING if spoken != era else _OF_THE_GREETING - {"_meta"}
    unknown = {name: value for name, value in greeting.items() if name not in known}
    if "_meta" in unknown:
        meta = {name: value for name, value in _object(unknown["_meta"]).items() if name != SERVER_INFO}
        unknown["_meta"] = join(meta)
        if not meta:
            del unknown["_meta"]
    return unknown


def _object(raw: Json | None) -> Members:
    """The members of what should be an object; none when a server wrote something else."""
    try:
        return split(raw or b"{}")
    except ValueError:
        return {}
