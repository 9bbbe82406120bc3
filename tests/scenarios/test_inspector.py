"""What the MCP inspector's command line shows of the gateway is what it shows of the servers themselves."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.scenarios.drivers import Target, inspect
from tests.scenarios.farm import Server, Step
from tests.scenarios.gateway import Gateway
from tests.scenarios.legs import Leg, exposed, list_differences, step_differences
from tests.scenarios.raw import LISTS, Era

METHODS = {"tools": "tools/list", "prompts": "prompts/list", "resources": "resources/list"}


async def entries(target: Target, what: str, era: str) -> list[bytes]:
    result = await inspect(target, METHODS[what], era=era)
    return [json.dumps(entry, sort_keys=True).encode() for entry in result[what]]


async def all_entries(target: Target, what: str, era: str, legs: dict[str, Leg]) -> list[bytes]:
    """The gateway's list, once the servers behind it are up."""
    count = sum(len(leg.lists.get(what, [])) for leg in legs.values())
    for _ in range(10):
        found = await entries(target, what, era)
        if len(found) >= count:
            break
    return found


# One call per server, and this program makes no second one to clean up after the first.
TRIED: dict[str, Step] = {"memory": {"do": "call", "name": "read_graph", "arguments": {}}}


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_over_http(era: Era, seven: Gateway, servers: dict[str, Server]) -> None:
    await same_answers(era, {"url": seven.url}, servers)


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_over_stdio(era: Era, folder: Path, servers: dict[str, Server]) -> None:
    """The inspector starts the gateway as a command, asks once and is gone: the gateway waits for its servers."""
    config = {"startup_wait": 30, "servers": {name: server.entry() for name, server in servers.items()}}
    await same_answers(era, Gateway(folder, config).stdio_target(), servers)


async def same_answers(era: Era, target: Target, servers: dict[str, Server]) -> None:
    slots = asyncio.Semaphore(3)  # every run is a Node process

    async def leg(server: Server) -> Leg:
        spoken = era if server.modern else "legacy"
        lists = {}
        for what in METHODS.keys() & set(server.lists):
            async with slots:
                lists[what] = await entries(server.target, what, spoken)
        step = TRIED.get(server.name, server.steps[0])
        options = ("--tool-name", step["name"], "--tool-args-json", json.dumps(step["arguments"]))
        async with slots:
            return Leg(lists, [await inspect(server.target, "tools/call", *options, era=spoken)])

    legs = dict(zip(servers, await asyncio.gather(*map(leg, servers.values())), strict=True))
    forwarded = {what: await all_entries(target, what, era, legs) for what in METHODS}
    names, problems = exposed(legs, forwarded)
    for server in servers.values():
        crossed = era == "modern" and not server.modern
        seen = Leg({what: legs[server.name].lists.get(what, []) for what in server.lists}, [])
        problems += list_differences(
            server, seen, {**{what: [] for what in LISTS}, **forwarded}, names, crossed
        )
        step = TRIED.get(server.name, server.steps[0])
        name = names["tools", server.name, step["name"]]
        options = ("--tool-name", name, "--tool-args-json", json.dumps(step["arguments"]))
        outcome = await inspect(target, "tools/call", *options, era=era)
        problems += step_differences(server, [step], legs[server.name].outcomes, [outcome], crossed)
    assert not problems, "\n".join(problems)
