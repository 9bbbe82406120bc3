"""Servers reached by WebSocket."""

from __future__ import annotations

import asyncio
import json
import ssl
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import ValidationError

from only1mcp_sdk import ConnectFailed
from only1mcp_sdk.testing import check_connector
from only1mcp_sdk.testing.fakes import RecordingInbox
from only1mcp_transports.websocket.config import ConnectorConfig
from tests.plugins.transports.http.upstream import closed_port
from tests.plugins.transports.websocket.clients import BINARY, CLOSE, PING, PONG, TEXT, Bytes
from tests.plugins.transports.websocket.upstream import (
    OFFER,
    bytewise,
    connected,
    echoes,
    http,
    opened,
    serving,
)

REQUEST = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
CONTINUATION = 0


async def test_it_keeps_the_contract_of_connectors() -> None:
    async with serving(echoes) as upstream:
        nowhere = {"url": f"ws://127.0.0.1:{closed_port()}/mcp"}
        await check_connector(OFFER, {"url": upstream.url}, nowhere)


async def test_a_conversation() -> None:
    async with serving(echoes) as upstream:
        url = upstream.url.replace("ws://", "ws://us%20er:p%40ss@") + "?key=k#f"
        async with connected(url, headers={"X-Tenant": "t", "User-Agent": "mine"}) as line:
            line.send(REQUEST)
            [answer] = await line.received()
            assert json.loads(answer)["id"] == 1
            [asked] = upstream.requests
            assert asked.path_qs == "/mcp?key=k"
            assert asked.headers["Sec-WebSocket-Protocol"] == "mcp"
            assert "Sec-WebSocket-Extensions" not in asked.headers
            assert asked.headers["Authorization"] == "Basic dXMgZXI6cEBzcw=="
            assert (asked.headers["X-Tenant"], asked.headers["User-Agent"]) == ("t", "mine")
        assert line.inbox.closings == []
        assert upstream.closed_with == [1000]


async def test_what_was_sent_before_the_end_arrives() -> None:
    got: list[str] = []

    async def listens(socket: web.WebSocketResponse) -> None:
        got.extend([message.data async for message in socket])

    async with serving(listens) as upstream, connected(upstream.url) as line:
        for number in range(1000):
            line.send(b"%d" % number)
        await line.connection.close()
        assert got == [str(number) for number in range(1000)]


async def test_the_subprotocol_may_be_passed_over() -> None:
    async def says(peer: Bytes) -> None:
        peer.send(REQUEST, masked=False)
        await peer.gone()

    async with bytewise(says) as url, connected(url) as line:
        assert await line.received() == [REQUEST]


# -- what keeps a connection from being opened


async def refused(url: str, **options: object) -> str:
    async with opened(url, **options) as connector:
        with pytest.raises(ConnectFailed) as caught:
            await connector.connect(RecordingInbox())
    return str(caught.value)


async def test_nobody_listens() -> None:
    assert "cannot reach ws://127.0.0.1:" in (why := await refused(f"ws://127.0.0.1:{closed_port()}/?key=k"))
    assert "refused" in why
    assert "key" not in why


async def test_the_name_is_not_known() -> None:
    assert "can't be looked up" in await refused("ws://nowhere.invalid/mcp")


async def test_a_refusal_is_quoted() -> None:
    async def refuses(request: web.Request) -> web.Response:
        return web.Response(status=401, text="who\nare you?")

    async with http(refuses) as address:
        assert await refused(f"ws://{address}/mcp") == f"HTTP 401 Unauthorized from {address}: who are you?"


async def test_redirects_are_not_followed() -> None:
    visits: list[str] = []

    async def redirects(request: web.Request) -> web.Response:
        visits.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere?key=k"})

    async with http(redirects) as address:
        why = await refused(f"ws://{address}/mcp", headers={"Authorization": "Bearer t"})
    assert f"it redirects to ws://{address}/elsewhere;" in why
    assert visits == ["/mcp"]


async def test_a_server_of_another_protocol() -> None:
    async def answers(peer: Bytes) -> None:
        peer.writer.write(b"220 smtp ready\r\n")
        await peer.gone()

    async with bytewise(answers, shake=False) as url:
        assert "the answer is not HTTP" in await refused(url)


async def test_a_wrong_proof() -> None:
    async def lies(peer: Bytes) -> None:
        peer.writer.write(
            b"HTTP/1.1 101 ok\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"
        )
        await peer.gone()

    async with bytewise(lies, shake=False) as url:
        assert "does not answer as a WebSocket server" in await refused(url)


async def test_a_server_that_hangs_up() -> None:
    async def leaves(peer: Bytes) -> None:
        """Without a word."""

    async with bytewise(leaves, shake=False) as url:
        assert "closed it without an answer" in await refused(url)


async def test_a_server_that_never_answers_is_left_by_cancelling() -> None:
    left = asyncio.Event()

    async def waits(peer: Bytes) -> None:
        await peer.reader.read()
        left.set()

    async with bytewise(waits, shake=False) as url, opened(url) as connector:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await connector.connect(RecordingInbox())
        async with asyncio.timeout(5):
            await left.wait()


async def test_a_certificate_nobody_vouches_for(tmp_path: Path) -> None:
    import subprocess

    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", "1", "-subj", "/CN=localhost"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0, ssl=context)
    try:
        port = server.sockets[0].getsockname()[1]
        assert "its TLS certificate is not accepted" in await refused(f"wss://localhost:{port}/mcp")
    finally:
        server.close()


# -- how a connection ends


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
