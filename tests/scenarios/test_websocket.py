"""Servers behind WebSockets: what a client gets of them through the gateway is what it gets of them directly."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.scenarios.clients.steps import FORM
from tests.scenarios.farm import Server
from tests.scenarios.gateway import Gateway, tiny
from tests.scenarios.legs import play, renamed, step_differences
from tests.scenarios.raw import LISTS, Era, Peer, Refused, opened
from tests.scenarios.raw_http import HttpPeer
from tests.scenarios.raw_stdio import StdioPeer
from tests.scenarios.raw_ws import WsPeer
from tests.scenarios.test_raw import Direct, answers, compared_lists, direct_legs, spoken, steps_of
from tests.scenarios.tools import MADE, ROOT, machine, why_missing

PROGRAMS = Path(__file__).parent / "servers"


@contextlib.contextmanager
def running(*command: str) -> Iterator[int]:
    """A program that prints its port and ends with its standard input."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=machine(), text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def direct() -> Direct:
    """The direct legs, taken when first needed."""
    return {}


@pytest.fixture(scope="module")
def afar(servers: dict[str, Server], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway in front of the seven, each of them behind a WebSocket."""
    told = json.dumps({name: server.target for name, server in servers.items()})
    with running(sys.executable, str(PROGRAMS / "behind_ws.py"), told) as port:
        config = {"servers": {name: {"url": f"ws://127.0.0.1:{port}/{name}"} for name in servers}}
        with Gateway(tmp_path_factory.mktemp("afar"), config) as gateway:
            yield gateway.start()


@pytest.mark.parametrize("able", [False, True], ids=["bare", "able"])
@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_same_bytes_from_afar(
    era: Era, able: bool, afar: Gateway, servers: dict[str, Server], direct: Direct
) -> None:
    """The client comes by WebSocket, too."""
    legs = await direct_legs(era, able, servers, direct)
    counts = {what: sum(len(leg.lists.get(what, [])) for leg in legs.values()) for what in LISTS}
    async with opened(WsPeer(afar.url, era, answers(able, servers))) as peer:
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


def accepts(_: dict[str, Any]) -> dict[str, Any]:
    return {"action": "accept", "content": FORM}


@pytest.mark.parametrize("peer_class", [HttpPeer, WsPeer])
@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_the_websocket_transport_of_the_sdk(era: Era, peer_class: type[Any], folder: Path) -> None:
    if reason := why_missing("mcp1"):
        pytest.skip(reason)
    python = str(MADE / "mcp1" / "bin" / "python")
    with running(python, str(PROGRAMS / "ws_sdk1.py")) as port:
        config = {"servers": {"ws": {"url": f"ws://127.0.0.1:{port}/ws"}}}
        with Gateway(folder, config) as gateway:
            gateway.start()
            peer: Peer = peer_class(gateway.url, era, {"elicitation/create": accepts})
            async with opened(peer):
                assert len(await peer.settled("tools", 2)) == 2
                assert text(await peer.call("add", {"a": 2, "b": 40})) == "42"
                assert text(await peer.call("ask", progressToken="p")) == "hello Ada"
                told = [each for each in peer.notifications if each["method"] == "notifications/progress"]
                assert [each["params"]["progress"] for each in told] == [1]


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("generation", ["mcp1", "mcp2"])
async def test_a_server_of_the_sdk_inside_the_gateway(era: Era, generation: str, folder: Path) -> None:
    if reason := why_missing(generation):
        pytest.skip(reason)
    packages = next((MADE / generation / "lib").glob("python*/site-packages"))
    config = {
        "servers": {
            "inside": {
                "object": "inside:sdk",
                "arguments": {},
                "python_path": [str(PROGRAMS), str(packages)],
            }
        }
    }
    with Gateway(folder, config) as gateway:
        gateway.start()
        async with opened(HttpPeer(gateway.url, era, {"elicitation/create": accepts})) as peer:
            assert len(await peer.settled("tools", 2)) == 2
            assert text(await peer.call("add", {"a": 2, "b": 40})) == "42"
            if not (generation == "mcp2" and era == "modern"):  # there it asks in another way
                assert text(await peer.call("ask")) == "hello Ada"
        assert gateway.stop() == 0


async def test_a_plain_function_inside_the_gateway(folder: Path) -> None:
    config = {"servers": {"inside": {"object": "inside:plain", "python_path": [str(PROGRAMS)]}}}
    with Gateway(folder, config) as gateway:
        gateway.start()
        async with opened(StdioPeer(gateway.stdio_command(), gateway.environment, "modern")) as peer:
            assert len(await peer.settled("tools", 1)) == 1
            assert text(await peer.call("echo", {"text": "hi"})) == "hi"
        async with opened(WsPeer(gateway.url, "legacy")) as peer:
            await peer.settled("tools", 1)
            with pytest.raises(Refused, match=r"connection was lost|it was asked to"):
                await peer.call("echo", {"text": "fail"})
            assert await recovered(peer) == "again"
        assert gateway.stop() == 0


async def recovered(peer: Peer) -> str:
    """The answer of the server that the gateway starts again, when it does."""
    for _ in range(50):
        with contextlib.suppress(Refused):
            return text(await peer.call("echo", {"text": "again"}))
        await asyncio.sleep(0.2)
    return "never"


async def test_who_may_come_in_and_how_it_ends(folder: Path) -> None:
    config = {
        "authenticate": [{"use": "api_key", "keys": [{"key": "a" * 32, "principal": "ada"}]}],
        "servers": {"tiny": tiny("tiny")},
    }
    with Gateway(folder, config) as gateway:
        gateway.start()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await WsPeer(gateway.url, "legacy").open()
        assert refused.value.status == 401
        assert refused.value.headers is not None
        assert refused.value.headers["WWW-Authenticate"].startswith("Bearer")
        key = {"Authorization": f"Bearer {'a' * 32}"}
        peer = WsPeer(gateway.url, "legacy", headers=key)
        async with opened(peer):
            await peer.settled("tools", 6)
            await asyncio.to_thread(gateway.reload)
            assert text(await peer.call("echo", {"text": "still here"})) == "still here"
            waiting = asyncio.create_task(peer.call("wait", {"seconds": 1}))
            await asyncio.sleep(0.3)
            assert await asyncio.to_thread(gateway.stop) == 0
            assert text(await waiting) == "waited in tiny"
            with pytest.raises(ConnectionError):
                await peer.call("echo", {"text": "nobody"})
            assert peer.close_code == 1001


def text(result: dict[str, Any]) -> str:
    assert not result.get("isError"), result
    value: str = result["content"][0]["text"]
    return value
