"""Servers reached by WebSocket."""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path

import pytest
import uvloop
from aiohttp import web

from only1mcp_sdk import ConnectFailed
from only1mcp_sdk.testing import check_connector
from only1mcp_sdk.testing.fakes import RecordingInbox
from tests.plugins.transports.http.upstream import closed_port
from tests.plugins.transports.websocket.clients import Bytes
from tests.plugins.transports.websocket.upstream import (
    OFFER,
    bytewise,
    connected,
    echoes,
    http,
    opened,
    serving,
)

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

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
