"""WebSocket clients of the HTTP listener."""

from __future__ import annotations

import asyncio
import json
import struct

import pytest

from only1mcp_sdk import AccessDenied, Arrival, Channel
from only1mcp_sdk.testing import FakeGate, check_listener
from only1mcp_sdk.testing.fakes import FakeConversation
from tests.plugins.transports.http.listening import HTTP, changed, listening
from tests.plugins.transports.websocket.clients import (
    BINARY,
    CLOSE,
    HANDSHAKE,
    PING,
    PONG,
    TEXT,
    ask,
    connection,
)

REQUEST = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\xc3\xbc"}}'
ANSWER = {"jsonrpc": "2.0", "id": 1, "result": {"a": "ü"}}
CONTINUATION = 0


async def test_it_keeps_the_contract_of_listeners() -> None:
    await check_listener(HTTP, {"port": 0}, ask)


async def test_a_conversation() -> None:
    gate = FakeGate()
    async with listening(gate) as listener, connection(listener) as client:
        reply = await client.shake()
        assert (reply.status, reply.headers["sec-websocket-accept"]) == (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        assert reply.headers["sec-websocket-protocol"] == "mcp"
        for _ in range(3):
            client.send(REQUEST)
            opcode, answer = await client.frame()
            assert (opcode, json.loads(answer)) == (TEXT, ANSWER)
        client.send(struct.pack("!H", 1000), CLOSE)
        assert await client.closed() == 1000
        async with asyncio.timeout(5):
            await gate.clients[0].gone.wait()
    [arrival] = gate.arrivals
    assert (arrival.transport, arrival.profile, arrival.local) == ("websocket", "default", False)
    assert arrival.headers["sec-websocket-protocol"] == "mcp"


async def test_a_profile_is_named_by_the_path() -> None:
    gate = FakeGate(profiles=frozenset({"default", "home"}))
    async with listening(gate) as listener:
        async with connection(listener) as client:
            assert (await client.shake(target="/mcp/home")).status == 101
        async with connection(listener) as client:
            assert (await client.shake(target="/mcp/away")).status == 404
            await client.gone()
    assert [each.profile for each in gate.arrivals] == ["home"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:3000"}, 101),
        ({"origin": "https://app.example"}, 101),
        ({"sec_websocket_version": "12"}, 426),
        ({"sec_websocket_version": None}, 426),
        ({"sec_websocket_key": "short"}, 400),
        ({"sec_websocket_key": None}, 400),
        ({"sec_websocket_protocol": "soap, wamp"}, 400),
        ({"sec_websocket_protocol": "soap , mcp"}, 101),
        ({"sec_websocket_protocol": None}, 101),
        ({"connection": "close"}, 406),  # no handshake but a GET, which wants event streams
        ({"upgrade": "h2c", "accept": "text/plain"}, 406),
    ],
)
async def test_who_may_come_in(fields: dict[str, str | None], status: int) -> None:
    gate = FakeGate()
    wanted = changed([*HANDSHAKE, ("Accept", "text/plain")], **fields)
    async with (
        listening(gate, allowed_origins=["https://app.example"]) as listener,
        connection(listener) as client,
    ):
        reply = await client.shake(wanted)
        assert reply.status == status
        if status == 101:
            client.send(REQUEST)
            assert json.loads((await client.frame())[1]) == ANSWER
        else:
            assert json.loads(await reply.body())["error"]["code"] == -32600
            client.send(REQUEST)
            await client.gone()
    assert len(gate.arrivals) == (status == 101)


class Doorkeeper(FakeGate):
    def connect(self, arrival: Arrival, channel: Channel) -> FakeConversation:
        denied = AccessDenied("Unauthorized: who are you?")
        denied.challenge = "Bearer"
        raise denied


async def test_a_client_without_credentials_is_told_how_they_are_given() -> None:
    async with listening(Doorkeeper()) as listener, connection(listener) as client:
        reply = await client.shake()
        assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
        assert json.loads(await reply.body())["error"]["message"] == "Unauthorized: who are you?"
        await client.gone()


# -- frames


async def test_fragments_make_one_message() -> None:
    gate = FakeGate()
    async with listening(gate) as listener, connection(listener) as client:
        await client.shake()
        half = len(REQUEST) - 4  # in the middle of a character
        client.send(REQUEST[:half], TEXT, final=False)
        client.send(b"alive?", PING)
        client.send(REQUEST[half:], CONTINUATION)
        assert await client.frame() == (PONG, b"alive?")
        assert json.loads((await client.frame())[1]) == ANSWER
    assert gate.bodies == [REQUEST]


@pytest.mark.parametrize(
    ("payload", "opcode", "code"),
    [(b"{}", BINARY, 1003), (b'{"\xff":1}', TEXT, 1007), (b"\xed\xa0\x80", TEXT, 1007), (b"", 3, 1002)],
)
async def test_other_frames_end_it(payload: bytes, opcode: int, code: int) -> None:
    gate = FakeGate()
    async with listening(gate) as listener, connection(listener) as client:
        await client.shake()
        client.send(payload, opcode)
        assert await client.closed() == code
        client.send(struct.pack("!H", code), CLOSE)
        await client.gone()
        async with asyncio.timeout(5):
            await gate.clients[0].gone.wait()
    assert gate.bodies == []


async def test_a_continuation_of_nothing_ends_it() -> None:
    async with listening(FakeGate()) as listener, connection(listener) as client:
        await client.shake()
        client.send(b"{}", CONTINUATION)
        assert await client.closed() == 1002


@pytest.mark.parametrize("parts", [1, 40])
async def test_a_message_over_the_limit_is_answered_and_ends_it(parts: int) -> None:
    gate = FakeGate()
    gate.message_limit = 1000
    async with listening(gate) as listener, connection(listener) as client:
        await client.shake()
        client.send(b" " * 1000)
        await client.frame()  # a parse error
        piece = b"x" * (200_000 // parts)
        for number in range(parts):
            client.send(piece, CONTINUATION if number else TEXT, final=number == parts - 1)
        opcode, refusal = await client.frame()
        assert (opcode, json.loads(refusal)["error"]["message"]) == (TEXT, "too large")
        assert await client.closed() == 1009
        await client.gone()
    assert gate.refused == 1
    assert [len(body) for body in gate.bodies] == [1000]


async def test_a_frame_that_claims_to_be_huge_is_not_waited_for() -> None:
    gate = FakeGate()
    async with listening(gate) as listener, connection(listener) as client:
        await client.shake()
        client.writer.write(bytes([0x81, 0xFF]) + struct.pack("!Q", (1 << 63) - 1) + bytes(4))
        assert json.loads((await client.frame())[1])["error"]["message"] == "too large"
        assert await client.closed() == 1009


async def test_a_newer_limit_counts() -> None:
    gate = FakeGate()
    async with listening(gate) as listener, connection(listener) as client:
        await client.shake()
        gate.message_limit = 10
        client.send(REQUEST)
        await client.frame()
        assert await client.closed() == 1009
    assert (gate.bodies, gate.refused) == ([], 1)
