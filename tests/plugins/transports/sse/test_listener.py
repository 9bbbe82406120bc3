"""HTTP+SSE clients of the HTTP listener."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvloop
from pydantic import ValidationError
from yarl import URL

from only1mcp_sdk import Arrival, Channel, Listener
from only1mcp_sdk.testing import FakeGate, Harness, check_listener
from only1mcp_sdk.testing.fakes import FakeConversation
from only1mcp_transports.http.config import ListenerConfig
from tests.kernel.gateway.servers import FakeServer
from tests.kernel.gateway.world import World, started, world
from tests.plugins.transports.http.listening import (
    GET,
    HTTP,
    Fields,
    Reply,
    ask,
    changed,
    client,
    head,
    listening,
    post,
)

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

REQUEST = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\xc3\xbc"}}'
ANSWER = {"jsonrpc": "2.0", "id": 1, "result": {"a": "ü"}}
POST: Fields = [("Host", "localhost"), ("Content-Type", "application/json")]


class Talker(FakeGate):
    def __init__(self) -> None:
        super().__init__(profiles=frozenset({"default", "home", "a b"}))
        self.channels: list[Channel] = []

    def connect(self, arrival: Arrival, channel: Channel) -> FakeConversation:
        self.channels.append(channel)
        return super().connect(arrival, channel)


class Stream:
    """An open one."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self._read = b""

    async def event(self) -> tuple[str, bytes]:
        async with asyncio.timeout(5):
            while b"\n\n" not in self._read:
                self._read += await self.reply.chunk()
        raw, _, self._read = self._read.partition(b"\n\n")
        lines = [line.partition(b": ") for line in raw.split(b"\n")]
        found = {name.decode(): value for name, _, value in lines}
        return found.get("event", b"").decode(), found.get("data", b"")

    async def endpoint(self) -> str:
        name, data = await self.event()
        assert name == "endpoint"
        return data.decode()

    async def message(self) -> Any:
        name, data = await self.event()
        assert name == "message"
        return json.loads(data)

    async def end(self) -> None:
        async with asyncio.timeout(5):
            assert await self.reply.chunk() == b""


@asynccontextmanager
async def streaming(listener: Listener, target: str = "/sse", fields: Fields = GET) -> AsyncIterator[Stream]:
    async with client(listener) as it:
        it.send(head("GET", target, fields))
        reply = await it.reply()
        assert reply.status == 200
        yield Stream(reply)


async def say(listener: Listener, target: str, body: bytes = REQUEST, **fields: str | None) -> int:
    reply, _ = await ask(listener, post(body, changed(POST, **fields), target))
    return reply.status


async def _as_clients_do(address: str, message: bytes) -> bytes:
    """For `check_listener`."""
    async with aiohttp.ClientSession() as session:
        stream = await session.get(address.replace("/mcp", "/sse"))
        async with stream, aclosing(_data(stream)) as events:
            target = (await anext(events)).decode()
            headers = {"Content-Type": "application/json"}
            url = stream.url.join(URL(target))
            async with session.post(url, data=io.BytesIO(message), headers=headers) as reply:
                if reply.status != 202:
                    return await reply.read()
            return await anext(events)


async def _data(stream: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    read = b""
    while chunk := await stream.content.readany():
        read += chunk
        while b"\n\n" in read:
            event, _, read = read.partition(b"\n\n")
            yield event.partition(b"data: ")[2]


async def test_it_keeps_the_contract_of_listeners() -> None:
    await check_listener(HTTP, {"port": 0}, _as_clients_do)


async def test_a_conversation() -> None:
    gate = Talker()
    async with listening(gate) as listener:
        async with streaming(listener) as stream:
            headers = stream.reply.headers
            assert headers["content-type"] == "text/event-stream"
            assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-cache", "no")
            target = await stream.endpoint()
            assert target.startswith("/sse?session_id=")
            assert len(target) > len("/sse?session_id=") + 40
            for _ in range(3):
                reply, body = await ask(listener, post(REQUEST, POST, target))
                assert (reply.status, body) == (202, b"Accepted")
                assert await stream.message() == ANSWER
            gate.channels[0].send(b'{"b":\n1}')
            name, data = await stream.event()
            assert (name, data) == ("message", b"1}")  # the last of two lines
        async with asyncio.timeout(5):
            await gate.clients[0].gone.wait()
        assert await say(listener, target) == 404
    [arrival] = gate.arrivals
    assert (arrival.transport, arrival.profile, arrival.local) == ("sse", "default", False)
    assert gate.bodies == [REQUEST] * 3


async def test_answers_go_to_their_own_stream() -> None:
    async with listening(Talker()) as listener, streaming(listener) as one, streaming(listener) as two:
        first, second = await one.endpoint(), await two.endpoint()
        assert first != second
        for number in range(20):
            body = b'{"jsonrpc":"2.0","id":%d,"method":"ping"}' % number
            assert await say(listener, (first, second)[number % 2], body) == 202
        for number in range(20):
            assert (await (one, two)[number % 2].message())["id"] == number


async def test_profiles() -> None:
    gate = Talker()
    async with listening(gate) as listener:
        async with streaming(listener, "/sse/home") as stream:
            target = await stream.endpoint()
            assert target.startswith("/sse/home?session_id=")
            assert await say(listener, target) == 202
            assert await say(listener, target.replace("/home", "")) == 404
        async with streaming(listener, "/sse/a%20b") as stream:
            target = await stream.endpoint()
            assert target.startswith("/sse/a%20b?")
            assert await say(listener, target) == 202
        reply, _ = await ask(listener, head("GET", "/sse/away", GET))
        assert reply.status == 404
    assert [each.profile for each in gate.arrivals] == ["home", "a b"]


async def test_only_the_principal_of_the_stream_may_post() -> None:
    gate = Talker()
    alice = changed(GET, authorization="Bearer alice")
    async with listening(gate) as listener, streaming(listener, fields=alice) as stream:
        target = await stream.endpoint()
        assert await say(listener, target, authorization="Bearer bob") == 404
        assert await say(listener, target) == 404
        assert gate.bodies == []
        assert await say(listener, target, authorization="Bearer alice") == 202


async def test_without_credentials(tmp_path: Path) -> None:
    it = World(tmp_path, {"one": FakeServer()})
    it.authenticated = True
    async with started(it), listening(it.gateway.gate) as listener:
        for token in (None, "Bearer wrong"):
            reply, body = await ask(listener, head("GET", "/sse", changed(GET, authorization=token)))
            assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
            assert json.loads(body)["error"]["code"] == -32001
        async with streaming(listener, fields=changed(GET, authorization="Bearer ada")) as stream:
            target = await stream.endpoint()
            for token, status in (
                (None, 401),
                ("Bearer wrong", 401),
                ("Bearer bob", 404),
                ("Bearer ada", 202),
            ):
                assert await say(listener, target, authorization=token) == status


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"host": None}, 400),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://app.example"}, 202),
        ({"content_type": "text/plain"}, 415),
        ({"content_type": None}, 415),
        ({"content_type": "application/json; charset=utf-8"}, 202),
        ({"accept": "text/html"}, 202),
    ],
)
async def test_who_may_post(fields: dict[str, str | None], status: int) -> None:
    gate = Talker()
    async with (
        listening(gate, allowed_origins=["https://app.example"]) as listener,
        streaming(listener) as stream,
    ):
        target = await stream.endpoint()
        reply, _ = await ask(listener, post(REQUEST, changed(POST, **fields), target))
        assert reply.status == status
        assert len(gate.bodies) == (status == 202)
        assert ("access-control-allow-origin" in reply.headers) == (
            fields.get("origin") == "https://app.example"
        )


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"accept": "application/json"}, 406),
    ],
)
async def test_who_may_listen(fields: dict[str, str | None], status: int) -> None:
    gate = Talker()
    async with listening(gate) as listener:
        reply, _ = await ask(listener, head("GET", "/sse", changed(GET, **fields)))
        assert reply.status == status
    assert gate.arrivals == []


@pytest.mark.parametrize(
    "query",
    [
        "session_id=",
        "session_id=x",
        "session_id=%FF%00",
        "session_id=" + "x" * 4000,
        "session_id=1&session_id=2",
    ],
)
async def test_an_unknown_stream(query: str) -> None:
    async with listening(Talker()) as listener:
        reply, body = await ask(listener, post(REQUEST, POST, f"/sse?{query}"))
        assert reply.status == 404
        assert b"open a new one" in body


async def test_other_methods() -> None:
    """POST without the name of a stream is what clients of Streamable HTTP try first; it must look like no answer."""
    async with listening(Talker()) as listener:
        for request in (post(REQUEST, POST, "/sse"), head("DELETE", "/sse", GET), head("PUT", "/sse", GET)):
            reply, body = await ask(listener, request)
            assert (reply.status, reply.headers["allow"], body) == (405, "GET, POST", b"")


async def test_a_message_over_the_limit() -> None:
    gate = Talker()
    gate.message_limit = 1000
    async with listening(gate) as listener, streaming(listener) as stream:
        target = await stream.endpoint()
        reply, body = await ask(listener, post(b"x" * 1001, POST, target))
        assert (reply.status, gate.refused) == (413, 1)
        assert b"too large" in body
        assert await say(listener, target) == 202
    assert gate.bodies == [REQUEST]


async def test_a_stream_that_ends_while_a_message_comes_in() -> None:
    gate = Talker()
    async with listening(gate) as listener, client(listener) as slow:
        async with streaming(listener) as stream:
            target = await stream.endpoint()
            whole = post(REQUEST, POST, target)
            slow.send(whole[:-1])
            await asyncio.sleep(0.05)
        async with asyncio.timeout(5):
            await gate.clients[0].gone.wait()
        slow.send(whole[-1:])
        assert (await slow.reply()).status == 404
    assert gate.bodies == []


async def test_signs_of_life() -> None:
    async with listening(Talker(), keepalive=0.05) as listener, streaming(listener) as stream:
        await stream.endpoint()
        assert await stream.event() == ("", b"")
        assert await stream.event() == ("", b"")


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    gate = Talker()
    async with listening(gate, buffer_bytes=1 << 20) as listener, client(listener) as it:
        it.send(head("GET", "/sse", GET))
        await it.reply()
        sent = 0
        while not gate.clients[0].gone.is_set():
            gate.channels[0].send(b"x" * 100_000)
            sent += 1
            assert sent < 500, "still buffering after 50 MB"
            await asyncio.sleep(0.001)
        gate.channels[0].send(b"ignored")


class Faulty(FakeGate):
    def connect(self, arrival: Arrival, channel: Channel) -> FakeConversation:
        class Raises(FakeConversation):
            def received(self, message: bytes) -> None:
                raise LookupError("a fault")

        return Raises(self, channel)


async def test_a_fault_of_the_gate_costs_one_message(caplog: pytest.LogCaptureFixture) -> None:
    async with listening(Faulty()) as listener, streaming(listener) as stream:
        target = await stream.endpoint()
        assert [await say(listener, target) for _ in range(2)] == [500, 500]
    assert "a fault" in caplog.text


# -- where it is


async def test_paths() -> None:
    for options, served in (
        ({}, {"/sse"}),
        ({"path": "/internal"}, set()),
        ({"sse_path": ""}, set()),
        ({"path": "/internal", "sse_path": "/old/events"}, {"/old/events"}),
        ({"path": "/sse"}, set()),
        ({"path": "/", "sse_path": "/sse"}, {"/sse"}),
    ):
        async with listening(Talker(), **options) as listener:
            for path in ("/sse", "/old/events"):
                reply, _ = await ask(listener, post(REQUEST, POST, path))
                assert (reply.status == 405) == (path in served), (options, path)


@pytest.mark.parametrize(
    "options", [{"sse_path": "/mcp"}, {"sse_path": "/"}, {"sse_path": "sse"}, {"sse_path": "/a b"}]
)
def test_bad_paths(options: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ListenerConfig.model_validate(options)


async def test_a_reload_keeps_streams() -> None:
    gate = Talker()
    with Harness() as harness:
        async with harness.open(HTTP, {"port": 0}) as before:
            before.attach(gate)
            async with streaming(before) as stream:
                target = await stream.endpoint()
                async with harness.open(HTTP, {"port": 0}) as after:
                    after.attach(gate)
                    await before.drain(0.1)
                    assert await say(after, target) == 202
                    assert await stream.message() == ANSWER
                    await after.drain(0.1)
                    await stream.end()


async def test_a_reload_without_it_ends_streams() -> None:
    gate = Talker()
    with Harness() as harness:
        async with harness.open(HTTP, {"port": 0}) as after:
            async with harness.open(HTTP, {"port": 0}) as before:
                before.attach(gate)
                async with streaming(before) as stream:
                    target = await stream.endpoint()
                    after.attach(gate)
                    await before.drain(0.1)
                    assert await say(after, target) == 202
            await after.drain(0.1)


# -- the end


async def test_draining_lets_requests_finish() -> None:
    gate = Talker()
    async with listening(gate) as listener, streaming(listener) as busy, streaming(listener) as idle:
        target = await busy.endpoint()
        await idle.endpoint()
        gate.hold = True
        assert await say(listener, target) == 202
        draining = asyncio.ensure_future(listener.drain(5))
        await asyncio.sleep(0.1)
        assert not draining.done()
        assert (await ask(listener, head("GET", "/sse", GET)))[0].status == 503
        gate.channels[0].send(b'{"answer":1}')
        gate.hold = False
        assert await busy.message() == {"answer": 1}
        await busy.end()
        await idle.end()
        await draining


async def test_draining_does_not_wait_for_ever() -> None:
    gate = Talker()
    gate.hold = True
    async with listening(gate) as listener, streaming(listener) as stream:
        assert await say(listener, await stream.endpoint()) == 202
        async with asyncio.timeout(2):
            await listener.drain(0.1)
        await stream.end()


# -- before a real gateway


async def test_a_session_lasts_as_long_as_its_stream(tmp_path: Path) -> None:
    tools = [{"name": "echo", "inputSchema": {"type": "object"}}]
    async with world(tmp_path, one=FakeServer(tools=tools)) as it, listening(it.gateway.gate) as listener:
        async with streaming(listener) as stream:
            target = await stream.endpoint()

            async def dialogue(id: int, method: str, params: dict[str, Any]) -> Any:
                body = json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).encode()
                assert await say(listener, target, body) == 202
                while (message := await stream.message()).get("id") != id:
                    pass
                return message["result"]

            info = {"name": "c", "version": "1"}
            hello = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": info}
            assert (await dialogue(1, "initialize", hello))["protocolVersion"] == "2024-11-05"
            assert (
                await say(listener, target, b'{"jsonrpc":"2.0","method":"notifications/initialized"}') == 202
            )
            assert [tool["name"] for tool in (await dialogue(2, "tools/list", {}))["tools"]] == ["echo"]
            assert it.gateway.status()["sessions"] == 1
        async with asyncio.timeout(5):
            while it.gateway.status()["sessions"]:
                await asyncio.sleep(0.01)
