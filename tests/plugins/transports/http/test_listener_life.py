"""Listeners at a port: they bind it, pass it on, drain and close."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from only1mcp_sdk import Answer, Budget, OpenFailed
from only1mcp_sdk.testing import Harness, check_listener
from only1mcp_transports.http.port import open_server
from only1mcp_transports.http.server import Route
from tests.kernel.gateway.servers import FakeServer
from tests.kernel.gateway.world import world
from tests.plugins.transports.http.listening import (
    GET,
    HTTP,
    POST,
    ScriptedGate,
    ask,
    client,
    head,
    listening,
    port_of,
    post,
    silent,
)

SENT = 20_000_000

BOTH_LANES = True


async def _send(address: str, message: bytes) -> bytes:
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(address, data=io.BytesIO(message), headers=headers) as reply,
    ):
        return await reply.read()


async def test_it_keeps_the_contract_of_listeners() -> None:
    await check_listener(HTTP, {"port": 0}, _send)


async def test_addresses() -> None:
    for host, shown, exposed in (
        ("127.0.0.1", "127.0.0.1", False),
        ("localhost", "localhost", False),
        ("0.0.0.0", "0.0.0.0", True),
    ):
        async with listening(ScriptedGate(), host=host) as listener:
            assert listener.address == f"http://{shown}:{port_of(listener)}/mcp"
            assert listener.exposed is exposed


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
async def test_addresses_of_ipv6() -> None:
    try:
        async with listening(ScriptedGate(), host="::1") as listener:
            assert listener.address == f"http://[::1]:{port_of(listener)}/mcp"
            assert not listener.exposed
    except OpenFailed:
        pytest.skip("no IPv6 address here")
    async with listening(ScriptedGate(), host="::") as listener:
        assert listener.exposed


async def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, Harness() as harness:
        port = taken.getsockname()[1]
        with pytest.raises(OpenFailed, match=rf"127\.0\.0\.1:{port}.*another program.*`port`"):
            async with harness.open(HTTP, {"port": port}):
                pass
        assert not harness.pool.keys


@pytest.mark.parametrize(
    ("host", "words"), [("192.0.2.1", "does not have this address"), ("no.such.host.invalid", "not known")]
)
async def test_a_host_that_is_not_here(host: str, words: str) -> None:
    with Harness() as harness, pytest.raises(OpenFailed, match=words):
        async with harness.open(HTTP, {"host": host, "port": 0}):
            pass


async def test_before_it_is_attached() -> None:
    with Harness() as harness:
        async with harness.open(HTTP, {"port": 0}) as listener:
            async with client(listener) as early:
                early.send(post())
                await asyncio.sleep(0.05)
                listener.attach(ScriptedGate())
                assert (await early.reply()).status == 200
            assert (await ask(listener, post()))[0].status == 200


class TestReload:
    async def test_keeps_connections_and_what_is_being_answered(self) -> None:
        gate = ScriptedGate(silent)
        with Harness() as harness:
            old, new = harness.open(HTTP, {"port": 0}), harness.open(HTTP, {"port": 0, "keepalive": 0.02})
            before = await old.__aenter__()
            before.attach(gate)
            async with client(before) as poster, client(before) as getter:
                poster.send(post())
                getter.send(head("GET", "/mcp", GET))
                stream = await getter.reply()
                after = await new.__aenter__()
                assert after.address == before.address
                after.attach(gate)
                async with asyncio.timeout(1):
                    await before.drain(5)  # nothing to wait for: the new one has taken over
                await old.__aexit__(None, None, None)
                gate.answers[0].finish(b"posted")
                assert await (await poster.reply()).body() == b"posted"
                gate.answers[1].send(b"streamed")
                assert await stream.chunk() == b"data: streamed\n\n"
                poster.send(post())
                reply = await poster.reply()
                assert await reply.chunk() == b": keep-alive\n\n"  # the new options are in force
            await new.__aexit__(None, None, None)
            assert not harness.pool.keys
        assert sum(each.left for each in gate.postings) == 2

    async def test_moves_to_another_path(self) -> None:
        gate = ScriptedGate()
        with Harness() as harness:
            old, new = harness.open(HTTP, {"port": 0}), harness.open(HTTP, {"port": 0, "path": "/two"})
            before = await old.__aenter__()
            before.attach(gate)
            after = await new.__aenter__()
            after.attach(gate)
            assert (await ask(before, post()))[0].status == 200
            await before.drain(1)
            assert (await ask(before, post()))[0].status == 503
            await old.__aexit__(None, None, None)
            assert (await ask(after, post()))[0].status == 404
            assert (await ask(after, post(target="/two")))[0].status == 200
            await new.__aexit__(None, None, None)

    async def test_of_a_port_that_is_draining(self) -> None:
        gate = ScriptedGate(silent)
        with Harness() as harness:
            old, new = harness.open(HTTP, {"port": 0}), harness.open(HTTP, {"port": 0})
            before = await old.__aenter__()
            before.attach(gate)
            async with client(before) as getter:
                getter.send(head("GET", "/mcp", GET))
                stream = await getter.reply()
                async with client(before) as poster, asyncio.TaskGroup() as group:
                    poster.send(post())
                    await _until(lambda: len(gate.bodies) == 1)
                    draining = group.create_task(before.drain(5))
                    await asyncio.sleep(0)
                    after = await new.__aenter__()
                    after.attach(gate)
                    gate.answers[1].finish(b"{}")
                    await poster.reply()
                    await draining
                gate.answers[0].send(b"still")
                assert await stream.chunk() == b"data: still\n\n"
            gate.script = lambda answer: answer.finish(b"{}")
            assert (await ask(after, post()))[0].status == 200
            await old.__aexit__(None, None, None)
            await new.__aexit__(None, None, None)


class TestDrain:
    async def test_with_nothing_to_do(self) -> None:
        gate = ScriptedGate()
        async with listening(gate) as listener, client(listener) as it:
            it.send(post())
            await (await it.reply()).body()
            async with asyncio.timeout(1):
                await listener.drain(10)
            it.send(post())
            reply = await it.reply()
            assert reply.status == 503
            assert reply.headers["connection"] == "close"
        assert len(gate.bodies) == 1

    async def test_waits_for_requests_and_then_ends_streams(self) -> None:
        gate = ScriptedGate(silent)
        async with listening(gate) as listener, client(listener) as poster, client(listener) as getter:
            getter.send(head("GET", "/mcp", GET))
            stream = await getter.reply()
            poster.send(post())
            await _until(lambda: len(gate.bodies) == 1)
            async with asyncio.TaskGroup() as group:
                draining = group.create_task(listener.drain(5))
                await asyncio.sleep(0.02)
                assert (await ask(listener, post()))[0].status == 503
                gate.answers[0].send(b"a question")  # what is at work may need the stream
                assert await stream.chunk() == b"data: a question\n\n"
                assert not draining.done()
                gate.answers[1].finish(b"done")
            assert await (await poster.reply()).body() == b"done"
            assert await stream.chunk() == b""
        assert [each.left for each in gate.postings] == [1, 0]

    async def test_does_not_wait_for_ever(self) -> None:
        def script(answer: Answer) -> None:
            if len(gate.answers) == 2:
                answer.send(b"{}")

        gate = ScriptedGate(script)
        async with listening(gate) as listener, client(listener) as waiting, client(listener) as streaming:
            waiting.send(post())
            await _until(lambda: len(gate.bodies) == 1)
            streaming.send(post())
            stream = await streaming.reply()
            started = time.monotonic()
            await listener.drain(0.05)
            assert time.monotonic() - started < 1
            assert (await waiting.reply()).status == 503
            assert await stream.body() == b"data: {}\n\n"
        assert [each.left for each in gate.postings] == [1, 1]

    async def test_can_be_cut_short(self) -> None:
        gate = ScriptedGate(silent)
        async with listening(gate) as listener, client(listener) as it:
            it.send(post())
            await gate.asked.wait()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await listener.drain(60)


async def test_closing_does_not_wait_for_idle_clients() -> None:
    async with AsyncExitStack() as clients:
        async with listening(ScriptedGate()) as listener:
            await clients.enter_async_context(client(listener))
            idle = await clients.enter_async_context(client(listener))
            idle.send(post())
            await (await idle.reply()).body()
            closing = time.monotonic()
        assert time.monotonic() - closing < 0.4
        assert await idle.ended()


async def test_a_connection_that_breaks_while_it_is_written_to(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        plain = None

        async def serve(self, request: web.BaseRequest, route: Route, profile: str) -> web.StreamResponse:
            raise ConnectionResetError

    async with open_server("127.0.0.1", 0, Budget(0)) as server:
        server.attach("/mcp", Broken())
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(post())
        async with asyncio.timeout(5):
            await reader.read()  # it is closed
        writer.close()
        await writer.wait_closed()
    assert not caplog.records


async def test_closing_is_quick_whatever_is_open() -> None:
    """Idle, waiting, streaming and stalled clients, and a listener that closes on them."""
    gate = ScriptedGate(silent)
    async with AsyncExitStack() as clients:
        async with listening(gate) as listener:
            await clients.enter_async_context(client(listener))
            waiting, getter, stalled = [await clients.enter_async_context(client(listener)) for _ in range(3)]
            waiting.send(post())
            await _until(lambda: len(gate.answers) == 1)
            getter.send(head("GET", "/mcp", GET))
            await getter.reply()
            stalled.send(head("GET", "/mcp", GET))
            await stalled.reply()
            gate.answers[2].send(b"x" * SENT)
            await asyncio.sleep(0.02)
            closing = time.monotonic()
        assert time.monotonic() - closing < 2
        assert (await waiting.reply()).status == 503
        assert await getter.reader.read() == b"0\r\n\r\n"
        assert await stalled.received() < SENT
    assert [each.left for each in gate.postings] == [1, 1, 1]


async def test_with_a_gateway(tmp_path: Path) -> None:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    tools = [{"name": "echo", "inputSchema": {"type": "object"}}]
    modern = [*POST, ("MCP-Protocol-Version", "2026-07-28")]
    async with world(tmp_path, one=FakeServer(tools=tools)) as it, listening(it.gateway.gate) as listener:

        def message(method: str, **params: object) -> bytes:
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
            return json.dumps(body).encode()

        reply, body = await ask(
            listener, post(message("tools/list"), [*modern, ("Mcp-Method", "tools/list")])
        )
        assert reply.status == 200
        (tool,) = json.loads(body)["result"]["tools"]
        reply, body = await ask(
            listener,
            post(
                message("tools/call", name=tool["name"], arguments={"a": 1}),
                [*modern, ("Mcp-Method", "tools/call"), ("Mcp-Name", tool["name"])],
            ),
        )
        assert reply.status == 200
        assert "echo" in json.loads(body)["result"]["content"][0]["text"]
        hello = {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        }
        opening = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}
        reply, _ = await ask(listener, post(json.dumps(opening).encode()))
        session = ("Mcp-Session-Id", reply.headers["mcp-session-id"])
        async with client(listener) as getter:
            getter.send(head("GET", "/mcp", [*GET, session]))
            assert (await getter.reply()).headers["content-type"] == "text/event-stream"
            assert (await ask(listener, head("DELETE", "/mcp", [*GET, session])))[0].status == 204
            assert await getter.reader.readuntil(b"0\r\n\r\n")  # the session's stream ends with it
        assert (await ask(listener, post(b"{")))[0].status == 400
        listing = json.dumps({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}).encode()
        assert (await ask(listener, post(listing, [*POST, session])))[0].status == 404


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)
