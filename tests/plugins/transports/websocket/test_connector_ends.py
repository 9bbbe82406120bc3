"""How connections by WebSocket end, and how long they last."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable

import pytest
from pydantic import ValidationError

from only1mcp_transports.websocket.config import ConnectorConfig
from tests.plugins.transports.websocket.clients import BINARY, CLOSE, PING, PONG, TEXT, Bytes
from tests.plugins.transports.websocket.upstream import (
    bytewise,
    connected,
    echoes,
    serving,
)

REQUEST = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
CONTINUATION = 0


def frame(payload: bytes, opcode: int = TEXT) -> Callable[[Bytes], Awaitable[None]]:
    async def sends(peer: Bytes) -> None:
        peer.send(payload, opcode, masked=False)
        await peer.gone()

    return sends


async def hangs_up(peer: Bytes) -> None:
    """Without a word."""


async def huge(peer: Bytes) -> None:
    peer.writer.write(bytes([0x81, 0x7F]) + struct.pack("!Q", (1 << 63) - 1))
    await peer.gone()


async def piecemeal(peer: Bytes) -> None:
    for number in range(100):
        peer.send(b"x" * 1000, CONTINUATION if number else TEXT, final=False, masked=False)
    await peer.gone()


async def floods_after_binary(peer: Bytes) -> None:
    peer.send(b"{}", BINARY, masked=False)
    while True:
        peer.send(b"{}", masked=False)
        await peer.writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("act", "problem"),
    [
        (hangs_up, "ended the connection without closing the WebSocket"),
        (
            frame(struct.pack("!H", 1011) + b"I broke\n", CLOSE),
            "closed the WebSocket with code 1011: I broke",
        ),
        (frame(struct.pack("!H", 1001), CLOSE), "closed the WebSocket with code 1001"),
        (frame(b"{}", BINARY), "sent a binary frame; messages of MCP come in text frames"),
        (floods_after_binary, "sent a binary frame; messages of MCP come in text frames"),
        (frame(b"\xff"), "sent text that is no UTF-8"),
        (frame(b"x" * 5001), "sent a message of more than 5000 bytes (max_message_bytes)"),
        (huge, "sent a message of more than 5000 bytes (max_message_bytes)"),
        (piecemeal, "sent a message of more than 5000 bytes (max_message_bytes)"),
        (frame(b"", 3), "broke the WebSocket protocol: "),
    ],
)
async def test_ends(act: Callable[[Bytes], Awaitable[None]], problem: str) -> None:
    async with bytewise(act) as url, connected(url, max_message_bytes=5000) as line:
        said = await line.closing()
        assert said.startswith("127.0.0.1:")
        assert problem in said
        line.send(REQUEST)
        assert line.inbox.messages == []


async def test_the_largest_message_is_taken() -> None:
    async with bytewise(frame(b"x" * 5000)) as url, connected(url, max_message_bytes=5000) as line:
        assert await line.received() == [b"x" * 5000]


async def test_fragments_make_one_message() -> None:
    async def sends(peer: Bytes) -> None:
        peer.send(b'{"a":"\xc3', TEXT, final=False, masked=False)
        peer.send(b"alive?", PING, masked=False)
        peer.send(b'\xbc"}', CONTINUATION, masked=False)
        pongs.append(await peer.reader.readexactly(2 + 4 + 6))
        await peer.gone()

    pongs: list[bytes] = []
    async with bytewise(sends) as url, connected(url) as line:
        assert await line.received() == ['{"a":"ü"}'.encode()]
        while not pongs:
            await asyncio.sleep(0.01)
    assert pongs[0][0] & 15 == PONG


async def test_a_server_that_vanishes_is_noticed() -> None:
    async def silent(peer: Bytes) -> None:
        await peer.gone()

    async with bytewise(silent) as url, connected(url, keepalive=0.2) as line:
        assert "did not answer a ping within 0.1 s (keepalive)" in await line.closing()


async def test_a_silent_server_that_answers_pings_stays() -> None:
    async with serving(echoes) as upstream, connected(upstream.url, keepalive=0.1) as line:
        await asyncio.sleep(0.5)
        line.send(REQUEST)
        assert len(await line.received()) == 1


async def test_a_server_that_does_not_read_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("only1mcp_transports.websocket.connection.MAX_UNREAD", 1 << 20)

    async def deaf(peer: Bytes) -> None:
        await asyncio.sleep(4)

    async with bytewise(deaf) as url, connected(url) as line:
        for _ in range(400):
            line.send(b"x" * 100_000)
            if line.inbox.closings:
                break
            await asyncio.sleep(0.001)
        assert "left more than" in await line.closing()


async def test_closing_does_not_wait_for_a_deaf_server() -> None:
    async def deaf(peer: Bytes) -> None:
        await asyncio.sleep(4)

    async with bytewise(deaf) as url, connected(url) as line:
        line.send(b"x" * 30_000_000)
        await asyncio.sleep(0.1)
        async with asyncio.timeout(4):
            await line.connection.close()
        assert line.inbox.closings == []


# -- options


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"url": "http://h/mcp"}, "write a URL that starts with ws:// or wss://"),
        ({"url": "ws:///mcp"}, "names no host"),
        ({"url": "ws://h:0/"}, "port is 0"),
        ({"url": "ws://h/", "headers": {"Upgrade": "x"}}, "set by the transport itself"),
        ({"url": "ws://h/", "headers": {"Sec-WebSocket-Protocol": "x"}}, "set by the transport itself"),
        ({"url": "ws://h/", "headers": {"a": "b\n"}}, "line break"),
        ({"url": "ws://h/", "keepalive": 0}, "greater than 0"),
    ],
)
def test_bad_options(options: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        ConnectorConfig.model_validate(options)
