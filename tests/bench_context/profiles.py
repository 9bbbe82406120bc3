"""Profiles of real servers: their tools, and what is searched in them. Read from a folder of data, or generated."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from only1mcp_sdk import Entry, Members, Toolbox, Vendor
from only1mcp_sdk.members import encode


class Profile(Struct, frozen=True):
    name: str
    toolbox: Toolbox
    queries: tuple[str, ...]


def read(folder: Path) -> list[Profile]:
    """The profiles that `profiles.json` in a folder puts together from lists of tools beside it."""
    written = json.loads((folder / "profiles.json").read_text(encoding="utf-8"))
    return [
        Profile(name, _toolbox(parts, folder), tuple(written["queries"][name]))
        for name, parts in written["profiles"].items()
    ]


def _toolbox(parts: list[dict[str, Any]], folder: Path) -> Toolbox:
    tools: list[Entry] = []
    vendors: dict[str, Vendor] = {}
    for part in parts:
        listed = json.loads((folder / part["file"]).read_text(encoding="utf-8"))
        server = part["server"]
        vendors[server] = Vendor(
            server, instructions=listed.get("instructions") or "" if isinstance(listed, dict) else ""
        )
        known = listed["tools"] if isinstance(listed, dict) else listed
        only = part.get("only")
        tools += [entry(server, tool) for tool in known if only is None or tool["name"] in only]
    return toolbox(tools, vendors)


def toolbox(tools: list[Entry], vendors: Mapping[str, Vendor]) -> Toolbox:
    """A toolbox in which names that several servers have are prefixed, as a profile's are."""
    holders: dict[str, set[str]] = {}
    for tool in tools:
        holders.setdefault(tool.name, set()).add(tool.server)
    named = [
        tool
        if len(holders[tool.name]) == 1
        else Entry("tool", tool.server, tool.name, f"{tool.server}_{tool.name}", tool.members)
        for tool in tools
    ]
    return Toolbox(named, dict(vendors), {tool.shown for tool in named})


def entry(server: str, tool: Mapping[str, Any]) -> Entry:
    """A tool as a server lists it."""
    members: Members = {name: encode(value) for name, value in tool.items()}
    return Entry("tool", server, tool["name"], tool["name"], members)


_VERBS = ("get", "list", "create", "update", "delete", "search", "move", "export", "archive", "compare")
_NOUNS = (
    "file",
    "issue",
    "page",
    "branch",
    "ticket",
    "user",
    "report",
    "invoice",
    "event",
    "message",
    "image",
    "note",
)


def generated() -> list[Profile]:
    """Three profiles of rising size, the same each time."""
    return [_made(name, servers) for name, servers in (("small", 3), ("middle", 8), ("large", 24))]


def _made(name: str, servers: int) -> Profile:
    chance = random.Random(name)
    tools, queries = [], []
    for number in range(servers):
        server = f"{chance.choice(_NOUNS)}s{number}"
        for verb in _VERBS:
            noun = chance.choice(_NOUNS)
            properties = {
                f"{noun}_{part}": {
                    "type": "string",
                    "description": f"The {part} of the {noun} to {verb}, as it is known.",
                }
                for part in chance.sample(("id", "name", "path", "owner", "state", "query"), 4)
            }
            schema = {"type": "object", "properties": properties, "required": sorted(properties)[:1]}
            about = f"{verb.capitalize()}s a {noun} of {server}. Use it where a {noun} is meant."
            tools.append(
                entry(
                    server, {"name": f"{verb}_{noun}_{number}", "description": about, "inputSchema": schema}
                )
            )
            queries.append(f"{verb} a {noun}")
    return Profile(name, toolbox(tools, {tool.server: Vendor(tool.server) for tool in tools}), tuple(queries))
