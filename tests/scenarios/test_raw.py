"""What the raw client gets through the gateway is what it gets from the servers themselves, to the byte."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import pytest

from tests.scenarios.clients.steps import FORM, SAMPLE
from tests.scenarios.farm import Server, Step
from tests.scenarios.gateway import Gateway
from tests.scenarios.legs import Leg, Names, exposed, list_differences, lists, play, renamed, step_differences
from tests.scenarios.raw import LISTS, Answer, Era, Peer, opened
from tests.scenarios.raw_http import HttpPeer
from tests.scenarios.raw_sse import SsePeer
from tests.scenarios.raw_stdio import StdioPeer
from tests.scenarios.raw_ws import WsPeer

Direct = dict[tuple[Era, bool], dict[str, Leg]]


def answers(able: bool, servers: dict[str, Server]) -> dict[str, Answer]:
    """What a client can answer: everything, or nothing."""
    if not able:
        return {}
    root = "file://" + servers["files"].args[0]
    return {
        "roots/list": lambda _: {"roots": [{"uri": root, "name": "files"}]},
        "sampling/createMessage": lambda _: SAMPLE,
        "elicitation/create": lambda _: {"action": "accept", "content": FORM},
    }


def steps_of(server: Server, able: bool) -> tuple[Step, ...]:
    return server.steps + (server.asking if able else ())


def spoken(era: Era, server: Server) -> Era:
    """The era in which a client of this era can talk to the server without help."""
    return era if server.modern else "legacy"


@pytest.fixture(scope="module")
def direct() -> Direct:
    """The direct legs, taken when first needed."""
    return {}


async def direct_legs(era: Era, able: bool, servers: dict[str, Server], known: Direct) -> dict[str, Leg]:
    if (era, able) not in known:

        async def leg(server: Server) -> Leg:
            command = [server.command, *server.args]
            peer = StdioPeer(command, server.target["env"], spoken(era, server), answers(able, servers))
            async with opened(peer):
                if able and server.asking:
                    await asyncio.sleep(1)  # it adds tools for capable clients a while after the handshake
                found = {what: await peer.entries(what) for what in server.lists}
                return Leg(found, await play(peer, steps_of(server, able)))

        legs = await asyncio.gather(*(leg(server) for server in servers.values()))
        known[era, able] = dict(zip(servers, legs, strict=True))
    return known[era, able]


def http(seven: Gateway, era: Era, able: dict[str, Answer]) -> Peer:
    return HttpPeer(seven.url, era, able)


def stdio(seven: Gateway, era: Era, able: dict[str, Answer]) -> Peer:
    return StdioPeer(seven.stdio_command(), seven.environment, era, able, errors=seven.folder / "stdio.log")


def websocket(seven: Gateway, era: Era, able: dict[str, Answer]) -> Peer:
    return WsPeer(seven.url, era, able)


def sse(seven: Gateway, era: Era, able: dict[str, Answer]) -> Peer:
    return SsePeer(seven.url.replace("/mcp", "/sse"), era, able)


@pytest.mark.parametrize("able", [False, True], ids=["bare", "able"])
@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("transport", [http, stdio, websocket, sse])
async def test_same_bytes(
    transport: Any, era: Era, able: bool, seven: Gateway, servers: dict[str, Server], direct: Direct
) -> None:
    legs = await direct_legs(era, able, servers, direct)
    counts = {what: sum(len(leg.lists.get(what, [])) for leg in legs.values()) for what in LISTS}
    async with opened(transport(seven, era, answers(able, servers))) as peer:
        names, problems = await compared_lists(peer, era, counts, legs, servers)
        for server in servers.values():
            crossed = spoken(era, server) != era
            steps = steps_of(server, able)
            outcomes = await play(peer, [renamed(server.name, step, names) for step in steps])
            if crossed:
                for outcome in outcomes + legs[server.name].outcomes:
                    outcome.pop("bytes", None)
            problems += step_differences(server, steps, legs[server.name].outcomes, outcomes, crossed)
    assert not problems, "\n".join(problems)


async def compared_lists(
    peer: Peer, era: Era, counts: Mapping[str, int], legs: dict[str, Leg], servers: dict[str, Server]
) -> tuple[Names, list[str]]:
    """The names that the gateway uses, and where its lists differ once they had time to become right.

    While the gateway does not yet know what a server shows to this sort of client, it may show what it knows.
    """
    end = time.monotonic() + 15
    while True:
        forwarded = await lists(peer, counts)
        names, problems = exposed(legs, forwarded)
        for server in servers.values():
            crossed = spoken(era, server) != era
            problems += list_differences(server, legs[server.name], forwarded, names, crossed)
        if not problems or time.monotonic() > end:
            return names, problems
        await asyncio.sleep(0.5)


async def test_steps_ask(servers: dict[str, Server], direct: Direct) -> None:
    """The comparison is worth something: the able legs did answer questions, and no step of the bare ones failed."""
    legs = await direct_legs("legacy", True, servers, direct)
    asked = legs["everything"].outcomes[-3:]
    assert all("result" in outcome and not outcome["result"].get("isError") for outcome in asked), asked
