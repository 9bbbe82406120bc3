"""What the two generations of the Python SDK get through the gateway is what they get from the servers themselves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.scenarios.clients.steps import FORM, SAMPLE
from tests.scenarios.drivers import SDK1, SDK2_AUTO, SDK2_LEGACY, SDK2_MODERN, SdkClient, Target
from tests.scenarios.farm import Server, Step
from tests.scenarios.gateway import Gateway
from tests.scenarios.legs import Leg, exposed, list_differences, lists, renamed, step_differences
from tests.scenarios.raw import LISTS, Answer, opened
from tests.scenarios.raw_http import HttpPeer
from tests.scenarios.tools import why_missing

ASKS = ("sampling", "elicitation", "roots")
Direct = dict[SdkClient, dict[str, Leg]]


@pytest.fixture(scope="module")
def direct() -> Direct:
    """The direct legs, taken when first needed."""
    if reason := why_missing("mcp1", "mcp2"):
        pytest.skip(reason)
    return {}


def listing(what: Sequence[str]) -> list[Step]:
    return [{"do": "list", "what": each} for each in what]


def as_lists(what: Sequence[str], outcomes: Sequence[Any]) -> dict[str, list[bytes]]:
    return {
        each: [json.dumps(entry, sort_keys=True).encode() for entry in entries]
        for each, entries in zip(what, outcomes, strict=True)
    }


def able(roots: list[str]) -> dict[str, Answer]:
    """The answers of a raw client that sees what the SDKs' clients see."""
    return {
        "roots/list": lambda _: {"roots": [{"uri": uri} for uri in roots]},
        "sampling/createMessage": lambda _: SAMPLE,
        "elicitation/create": lambda _: {"action": "accept", "content": FORM},
    }


def steps_of(server: Server) -> tuple[Step, ...]:
    return server.steps + server.asking


async def direct_legs(client: SdkClient, servers: dict[str, Server], known: Direct) -> dict[str, Leg]:
    if client not in known:
        roots = ["file://" + servers["files"].args[0]]

        async def leg(server: Server) -> Leg:
            # A capable client is offered more tools a while after the handshake: wait for more than there can be.
            wait = [{"do": "settle", "what": "tools", "count": 999, "seconds": 2}] if server.asking else []
            steps = [*wait, *listing(server.lists), *steps_of(server)]
            outcomes = (await client.play(server.target, steps, ASKS, roots))[len(wait) :]
            many = len(server.lists)
            return Leg(as_lists(server.lists, outcomes[:many]), outcomes[many:])

        legs = await asyncio.gather(*(leg(server) for server in servers.values()))
        known[client] = dict(zip(servers, legs, strict=True))
    return known[client]


def http(seven: Gateway) -> Target:
    return {"url": seven.url}


def stdio(seven: Gateway) -> Target:
    return seven.stdio_target()


def websocket(seven: Gateway) -> Target:
    return {"websocket": seven.url.replace("http://", "ws://")}


def sse(seven: Gateway) -> Target:
    return {"sse": seven.url.replace("/mcp", "/sse")}


@pytest.mark.parametrize(
    ("client", "transport"),
    [
        pytest.param(SDK1, http, id="sdk1-http"),
        pytest.param(SDK1, stdio, id="sdk1-stdio"),
        pytest.param(SDK1, websocket, id="sdk1-websocket"),  # the second generation has none
        pytest.param(SDK1, sse, id="sdk1-sse"),
        pytest.param(SDK2_LEGACY, http, id="sdk2-legacy-http"),
        pytest.param(SDK2_LEGACY, stdio, id="sdk2-legacy-stdio"),
        pytest.param(SDK2_LEGACY, sse, id="sdk2-legacy-sse"),
        pytest.param(SDK2_MODERN, http, id="sdk2-modern-http"),
        pytest.param(SDK2_MODERN, stdio, id="sdk2-modern-stdio"),
        pytest.param(SDK2_MODERN, sse, id="sdk2-modern-sse"),
    ],
)
async def test_same_answers(
    client: SdkClient, transport: Any, seven: Gateway, servers: dict[str, Server], direct: Direct
) -> None:
    # A client that speaks the new revision only can't reach the old servers directly: there it negotiates.
    alone = SDK2_AUTO if client is SDK2_MODERN else client
    legs = await direct_legs(alone, servers, direct)
    roots = ["file://" + servers["files"].args[0]]
    counts = {what: sum(len(leg.lists.get(what, [])) for leg in legs.values()) for what in LISTS}
    settle: list[Step] = [{"do": "settle", "what": "tools", "count": counts["tools"]}]
    async with opened(HttpPeer(seven.url, "legacy", able(roots))) as peer:
        names, _ = exposed(legs, await lists(peer, counts))
    steps = [(server, step) for server in servers.values() for step in steps_of(server)]
    jobs = [renamed(server.name, step, names) for server, step in steps]
    outcomes = await client.play(transport(seven), [*settle, *listing(list(LISTS)), *jobs], ASKS, roots)
    forwarded = as_lists(list(LISTS), outcomes[1 : 1 + len(LISTS)])
    outcomes = outcomes[1 + len(LISTS) :]
    _, problems = exposed(legs, forwarded)
    for server in servers.values():
        crossed = client is SDK2_MODERN and not server.modern
        problems += list_differences(server, legs[server.name], forwarded, names, crossed)
        mine = [outcome for (owner, _), outcome in zip(steps, outcomes, strict=True) if owner is server]
        problems += step_differences(server, steps_of(server), legs[server.name].outcomes, mine, crossed)
    assert not problems, "\n".join(problems)
