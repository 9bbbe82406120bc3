"""WebSocket clients that do not do their part, and how conversations end."""

from __future__ import annotations

import asyncio
import json
import struct
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from only1mcp_sdk import Arrival, Channel
from only1mcp_sdk.testing import FakeGate, Harness
from only1mcp_sdk.testing.fakes import FakeConversation
from tests.kernel.gateway.servers import FakeServer
from tests.kernel.gateway.world import World, started, world
from tests.plugins.transports.http.listening import HTTP, changed, listening
from tests.plugins.transports.websocket.clients import (
    CLOSE,
    HANDSHAKE,
    PING,
    PONG,
    TEXT,
    connection,
    ws,
)

REQUEST = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\xc3\xbc"}}'
ANSWER = {"jsonrpc": "2.0", "id": 1, "result": {"a": "ü"}}


async def test_a_client_that_vanishes_is_noticed() -> None:
    gate = FakeGate()
    async with listening(gate, keepalive=0.1) as listener, connection(listener) as client:
        await client.shake()
        assert (await client.frame())[0] == PING
        async with asyncio.timeout(5):
            await gate.clients[0].gone.wait()


async def test_a_client_that_answers_pings_stays() -> None:
    gate = FakeGate()
    async with listening(gate, keepalive=0.1) as listener, connection(listener) as client:
        await client.shake()
        for _ in range(4):
            opcode, payload = await client.frame()
            assert opcode == PING
            client.send(payload, PONG)
        assert not gate.clients[0].gone.is_set()
        client.send(REQUEST)
        assert json.loads((await client.frame())[1]) == ANSWER


class Talker(FakeGate):
    """Keeps the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.channels: list[Channel] = []

    def connect(self, arrival: Arrival, channel: Channel) -> FakeConversation:
        self.channels.append(channel)
        return super().connect(arrival, channel)


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    gate = Talker()
    async with listening(gate, buffer_bytes=1 << 20) as listener, connection(listener) as client:
        await client.shake()
        sent = 0
        while not gate.clients[0].gone.is_set():
            gate.channels[0].send(b"x" * 100_000)
            sent += 1
            assert sent < 500, "still buffering after 50 MB"
            await asyncio.sleep(0.001)
        for _ in range(3):
            gate.channels[0].send(b"ignored")


async def test_a_large_answer_is_taken_for_what_it_is() -> None:
    gate = Talker()
    large = b"x" * 3_000_000
    async with listening(gate, buffer_bytes=1000) as listener, connection(listener) as client:
        await client.shake()
        gate.channels[0].send(large)
        assert await client.frame() == (TEXT, large)


async def test_what_is_no_utf8_does_not_end_it() -> None:
    gate = Talker()
    async with listening(gate) as listener, connection(listener) as client:
        await client.shake()
        gate.channels[0].send(b'{"a":"\xff"}')
        assert await client.frame() == (TEXT, '{"a":"\ufffd"}'.encode())


class Faulty(FakeGate):
    def connect(self, arrival: Arrival, channel: Channel) -> FakeConversation:
        class Raises(FakeConversation):
            def received(self, message: bytes) -> None:
                raise LookupError("a fault")

        conversation = Raises(self, channel)
        self.clients.append(conversation)
        return conversation


async def test_a_fault_of_the_gate_ends_one_conversation(caplog: pytest.LogCaptureFixture) -> None:
    gate = Faulty()
    async with listening(gate) as listener, connection(listener) as client:
        await client.shake()
        client.send(REQUEST)
        assert await client.closed() == 1011
    assert gate.clients[0].gone.is_set()
    assert "a fault" in caplog.text


# -- the end


async def test_draining_lets_requests_finish_and_says_goodbye() -> None:
    gate = Talker()
    async with listening(gate) as listener, connection(listener) as client, connection(listener) as idle:
        await client.shake()
        await idle.shake()
        gate.hold = True
        client.send(REQUEST)
        while not gate.bodies:
            await asyncio.sleep(0.01)
        draining = asyncio.ensure_future(listener.drain(5))
        await asyncio.sleep(0.1)
        assert not draining.done()
        async with connection(listener) as late:
            assert (await late.shake()).status == 503
        gate.channels[0].send(b'{"answer":1}')
        gate.hold = False
        assert await client.frame() == (TEXT, b'{"answer":1}')
        for each in (client, idle):
            assert await each.closed() == 1001
            each.send(struct.pack("!H", 1001), CLOSE)
            await each.gone()
        await draining


async def test_draining_does_not_wait_for_ever() -> None:
    gate = FakeGate()
    gate.hold = True
    async with listening(gate) as listener, connection(listener) as client:
        await client.shake()
        client.send(REQUEST)
        while not gate.bodies:
            await asyncio.sleep(0.01)
        async with asyncio.timeout(2):
            await listener.drain(0.1)
        assert await client.closed() == 1001


async def test_a_reload_keeps_conversations() -> None:
    gate = FakeGate()
    with Harness() as harness:
        options = {"port": 0}
        old, new = harness.open(HTTP, options), harness.open(HTTP, options)
        before = await old.__aenter__()
        before.attach(gate)
        async with connection(before) as client:
            await client.shake()
            after = await new.__aenter__()
            after.attach(gate)
            await before.drain(0.1)
            await old.__aexit__(None, None, None)
            client.send(REQUEST)
            assert json.loads((await client.frame())[1]) == ANSWER
            await after.drain(0.1)
            assert await client.closed() == 1001
        await new.__aexit__(None, None, None)
        assert not harness.failures


# -- before a real gateway


async def dialogue(socket: aiohttp.ClientWebSocketResponse, method: str, params: dict[str, Any]) -> Any:
    await socket.send_json({"jsonrpc": "2.0", "id": method, "method": method, "params": params})
    while True:
        message = await socket.receive_json(timeout=5)
        if message.get("id") == method:
            return message["result"]


async def test_both_eras(tmp_path: Path) -> None:
    tools = [{"name": "echo", "inputSchema": {"type": "object"}}]
    async with (
        world(tmp_path, one=FakeServer(tools=tools)) as it,
        listening(it.gateway.gate) as listener,
        aiohttp.ClientSession() as session,
    ):
        async with session.ws_connect(ws(listener.address), protocols=("mcp",)) as socket:
            hello = {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "c", "version": "1"},
            }
            assert (await dialogue(socket, "initialize", hello))["protocolVersion"] == "2025-11-25"
            await socket.send_json({"jsonrpc": "2.0", "method": "notifications/initialized"})
            assert [tool["name"] for tool in (await dialogue(socket, "tools/list", {}))["tools"]] == ["echo"]
        async with session.ws_connect(ws(listener.address), protocols=("mcp",)) as socket:
            key = "io.modelcontextprotocol/"
            meta = {"_meta": {key + "protocolVersion": "2026-07-28", key + "clientCapabilities": {}}}
            found = await dialogue(socket, "tools/list", meta)
            assert (found["resultType"], [tool["name"] for tool in found["tools"]]) == ("complete", ["echo"])


async def test_the_gateway_says_how_credentials_are_given(tmp_path: Path) -> None:
    it = World(tmp_path, {"one": FakeServer()})
    it.authenticated = True
    async with started(it), listening(it.gateway.gate) as listener:
        for token, status in ((None, 401), ("Bearer wrong", 401), ("Bearer ada", 101)):
            async with connection(listener) as client:
                reply = await client.shake(changed(HANDSHAKE, authorization=token))
                assert reply.status == status
                assert reply.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)
