"""Servers behind HTTP+SSE: what a client gets of them through the gateway is what it gets of them directly."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.farm import Server
from tests.scenarios.gateway import Gateway
from tests.scenarios.legs import play, renamed, step_differences
from tests.scenarios.raw import LISTS, Era, Peer, opened
from tests.scenarios.raw_http import HttpPeer
from tests.scenarios.raw_sse import SsePeer
from tests.scenarios.test_raw import Direct, answers, compared_lists, direct_legs, spoken, sse, steps_of
from tests.scenarios.test_websocket import accepts, running, text
from tests.scenarios.tools import MADE, NODE_BIN, machine, why_missing

PROGRAMS = Path(__file__).parent / "servers"


@pytest.fixture(scope="module")
def direct() -> Direct:
    """The direct legs, taken when first needed."""
    return {}


@pytest.fixture(scope="module")
def afar(servers: dict[str, Server], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway in front of the seven, each of them behind HTTP+SSE."""
    told = json.dumps({name: server.target for name, server in servers.items()})
    with running(sys.executable, str(PROGRAMS / "behind_sse.py"), told) as port:
        urls = {name: f"http://127.0.0.1:{port}/{name}/sse" for name in servers}
        config = {"servers": {name: {"use": "sse", "url": url} for name, url in urls.items()}}
        with Gateway(tmp_path_factory.mktemp("afar"), config) as gateway:
            yield gateway.start()


@pytest.mark.parametrize("able", [False, True], ids=["bare", "able"])
@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_same_bytes_from_afar(
    era: Era, able: bool, afar: Gateway, servers: dict[str, Server], direct: Direct
) -> None:
    """The client comes by HTTP+SSE, too."""
    legs = await direct_legs(era, able, servers, direct)
    counts = {what: sum(len(leg.lists.get(what, [])) for leg in legs.values()) for what in LISTS}
    async with opened(sse(afar, era, answers(able, servers))) as peer:
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


def by_http(gateway: Gateway, era: Era, able: dict[str, Any]) -> Peer:
    return HttpPeer(gateway.url, era, able)


@pytest.mark.parametrize("how", [{"use": "sse"}, {"type": "sse"}, {}], ids=["use", "type", "found"])
@pytest.mark.parametrize("transport", [by_http, sse])
@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("generation", ["mcp1", "mcp2"])
async def test_servers_of_the_sdk(
    generation: str, era: Era, transport: Any, how: dict[str, str], folder: Path
) -> None:
    if reason := why_missing(generation):
        pytest.skip(reason)
    python = str(MADE / generation / "bin" / "python")
    with running(python, str(PROGRAMS / "sse_sdk.py")) as port:
        config = {"servers": {"old": {**how, "url": f"http://127.0.0.1:{port}/sse"}}}
        with Gateway(folder, config) as gateway:
            gateway.start()
            peer: Peer = transport(gateway, era, {"elicitation/create": accepts})
            async with opened(peer):
                assert len(await peer.settled("tools", 2)) == 2
                assert text(await peer.call("add", {"a": 2, "b": 40})) == "42"
                if generation == "mcp2" and era == "modern":  # there it asks in another way
                    return
                assert text(await peer.call("ask", progressToken="p")) == "hello Ada"
                told = [each for each in peer.notifications if each["method"] == "notifications/progress"]
                assert [each["params"]["progress"] for each in told] == [1]


@contextmanager
def everything(server: Server) -> Iterator[str]:
    """The npm server behind its own HTTP+SSE transport: the URL of its stream. It binds a port it is told."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    process = subprocess.Popen(
        [str(NODE_BIN / "mcp-server-everything"), "sse"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**machine(), **server.target["env"], "PATH": os.environ["PATH"], "PORT": str(port)},
        text=True,
    )
    assert process.stderr is not None
    try:
        while "running on port" not in (line := process.stderr.readline()):
            assert line, "it ended"
        yield f"http://127.0.0.1:{port}/sse"
    finally:
        process.terminate()
        process.communicate(timeout=15)


@pytest.mark.parametrize("able", [False, True], ids=["bare", "able"])
async def test_the_npm_server(able: bool, servers: dict[str, Server], folder: Path) -> None:
    if reason := why_missing("node"):
        pytest.skip(reason)
    server = servers["everything"]
    steps = steps_of(server, able)
    with (
        everything(server) as url,
        Gateway(folder, {"servers": {"old": {"use": "sse", "url": url}}}) as gateway,
    ):
        gateway.start()
        legs = []
        for each in (url, gateway.url.replace("/mcp", "/sse")):
            async with opened(SsePeer(each, "legacy", answers(able, servers))) as peer:
                await asyncio.sleep(1)  # it adds tools for capable clients a while after the handshake
                await peer.settled("tools", 13 + 4 * able)
                found = {what: sorted(await peer.entries(what)) for what in server.lists}
                legs.append((found, await play(peer, steps)))
    (lists_direct, direct_outcomes), (lists_through, outcomes) = legs
    assert lists_direct == lists_through
    problems = step_differences(server, steps, direct_outcomes, outcomes, crossed=False)
    assert not problems, "\n".join(problems)
