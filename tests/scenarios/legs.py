"""The same questions asked twice, straight and through the gateway, and where the answers differ.

A leg is what one client got out of one server, or out of the gateway in its place. Legs are taken with the raw client
(bytes) or an SDK's (JSON); both are compared here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tests.scenarios.compare import eraless, own_name, shape, without_name
from tests.scenarios.farm import Server, Step
from tests.scenarios.names import choices
from tests.scenarios.raw import LISTS, Peer, Refused


@dataclass
class Leg:
    """Lists by what they list, an entry as JSON text; and the outcome of each step."""

    lists: dict[str, list[bytes]] = field(default_factory=dict)
    outcomes: list[Any] = field(default_factory=list)


Names = Mapping[tuple[str, str, str], str]
"""(list, server, name there) -> the name that the gateway gives it."""


def exposed(
    direct: Mapping[str, Leg], forwarded: Mapping[str, Sequence[bytes]]
) -> tuple[dict[tuple[str, str, str], str], list[str]]:
    """Find each server's entries in the gateway's lists, and say what is missing, unknown or out of order.

    A gateway may prefix a name with the server's; it may not invent another.
    """
    names: dict[tuple[str, str, str], str] = {}
    problems: list[str] = []
    for what, entries in forwarded.items():
        there = [own_name(entry) for entry in entries]
        if len(set(there)) != len(there) and what in ("tools", "prompts"):
            problems.append(f"{what}: a name occurs twice: {sorted(n for n in there if there.count(n) > 1)}")
        for server, leg in direct.items():
            places = []
            for entry in leg.lists.get(what, []):
                name = own_name(entry)
                match = next((choice for choice in choices(server, name) if choice in there), None)
                if match is None:
                    problems.append(f"{what}: {server}'s {name} is missing")
                    continue
                names[what, server, name] = match
                places.append(there.index(match))
            if places != sorted(places):
                problems.append(f"{what}: {server}'s entries are not in their own order")
        expected = sum(len(leg.lists.get(what, [])) for leg in direct.values())
        if len(there) != expected:
            problems.append(f"{what}: {len(there)} entries, the servers have {expected}")
    return names, problems


def renamed(server: str, step: Step, names: Names) -> Step:
    """The step as it must be put to the gateway."""
    if step["do"] == "call":
        return {**step, "name": names.get(("tools", server, step["name"]), step["name"])}
    if step["do"] == "get":
        return {**step, "name": names.get(("prompts", server, step["name"]), step["name"])}
    if step["do"] == "complete" and step["ref"]["type"] == "ref/prompt":
        name = names.get(("prompts", server, step["ref"]["name"]), step["ref"]["name"])
        return {**step, "ref": {**step["ref"], "name": name}}
    return step


def list_differences(
    server: Server, direct: Leg, forwarded: Mapping[str, Sequence[bytes]], names: Names, crossed: bool
) -> list[str]:
    """Which entries are not, byte for byte, what the server itself lists."""
    problems = []
    for what in server.lists:
        by_name = {own_name(entry): entry for entry in forwarded[what]}
        for entry in direct.lists[what]:
            name = own_name(entry)
            if (what, server.name, name) not in names:
                continue  # reported as missing
            other = by_name[names[what, server.name, name]]
            if without_name(entry, crossed) != without_name(other, crossed):
                problems.append(
                    f"{what}: {server.name}'s {name}:\n  direct    {entry!r}\n  forwarded {other!r}"
                )
    return problems


def step_differences(
    server: Server, steps: Iterable[Step], direct: Sequence[Any], forwarded: Sequence[Any], crossed: bool
) -> list[str]:
    """Which steps gave something else through the gateway."""
    problems = []
    for step, one, other in zip(steps, direct, forwarded, strict=True):
        if crossed:
            one, other = eraless(one), eraless(other)
        same = shape(one) == shape(other) if step.get("loose") else one == other
        if not same:
            told = json.dumps(step, ensure_ascii=False)
            problems.append(
                f"{server.name}: {told}\n  direct    {str(one)[:1500]}\n  forwarded {str(other)[:1500]}"
            )
    return problems


async def play(peer: Peer, steps: Iterable[Step]) -> list[Any]:
    """What each step gives the raw client: the result's own bytes, or those decoded where they may vary."""
    outcomes = []
    for number, step in enumerate(steps):
        try:
            outcomes.append(await _played(peer, step, f"progress-{number}"))
        except Refused as refused:
            outcomes.append({"error": refused.error})
    return outcomes


async def _played(peer: Peer, step: Step, token: str) -> Any:
    seen = len(peer.notifications)
    match step["do"]:
        case "call":
            params = {"name": step["name"], "arguments": step["arguments"], "_meta": {"progressToken": token}}
            result = await peer.result("tools/call", params)
        case "get":
            params = {"name": step["name"], "arguments": step.get("arguments", {})}
            result = await peer.result("prompts/get", params)
        case "read":
            result = await peer.result("resources/read", {"uri": step["uri"]})
        case _:
            params = {"ref": step["ref"], "argument": step["argument"]}
            result = await peer.result("completion/complete", params)
    progress = [m["params"] for m in peer.notifications[seen:] if m["method"] == "notifications/progress"]
    value = msgspec.json.decode(result)
    return {"result": value, "bytes": "" if step.get("loose") else result, "progress": progress}


async def lists(peer: Peer, counts: Mapping[str, int]) -> dict[str, list[bytes]]:
    """All four lists, once the servers behind them are up."""
    return {what: await peer.settled(what, counts[what]) for what in LISTS}
