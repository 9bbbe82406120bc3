"""One message, one answer: everything but event streams."""

import asyncio
import base64
import json
import logging
import time
from contextlib import suppress

import pytest
from aiohttp import web

from only1mcp_sdk import ConnectFailed
from only1mcp_sdk.testing import check_connector, open_alone
from only1mcp_sdk.testing.fakes import RecordingInbox
from tests.plugins.transports.http.upstream import (
    ANSWER,
    HEADERS,
    LANES,
    OFFER,
    REQUEST,
    Lane,
    clean,
    closed_port,
    connected,
    echoes,
    hangs,
    says,
    serving,
    streams,
)

LOOPS = LANES

SESSION = {"Mcp-Session-Id": "s1"}


async def test_keeps_the_contract() -> None:
    async with serving(echoes) as upstream:
        nowhere = f"http://127.0.0.1:{closed_port()}/mcp"
        await check_connector(
            OFFER,
            {"url": upstream.url, "fast_lane": Lane.fast},
            {"url": nowhere, "fast_lane": Lane.fast},
            HEADERS,
        )


async def test_a_json_answer_arrives_as_it_is() -> None:
    odd = b' {"jsonrpc" : "2.0","id":1,\n"result":{"b":1e400,"a":"\\u00e9","a":2}} '
    async with serving(says(odd)) as upstream, connected(upstream.url) as line:
        assert await line.ask() == ""
        assert line.inbox.messages == [(odd, 1)]
        [asked] = upstream.asked
        assert (asked.body, asked.path) == (REQUEST, "/mcp")
        assert asked.headers["Accept"] == "application/json, text/event-stream"
        assert asked.headers["Content-Type"] == "application/json"
        assert asked.headers["MCP-Protocol-Version"] == "2025-11-25"
        assert asked.headers["User-Agent"] == "only1mcp"
        assert "Mcp-Session-Id" not in asked.headers


@pytest.mark.parametrize("status", [202, 204])
async def test_an_accepted_message_has_no_answer(status: int) -> None:
    async with serving(says(b"", status=status)) as upstream, connected(upstream.url) as line:
        assert await line.ask() == ""
        assert line.inbox.messages == []


@pytest.mark.parametrize("type", ["application/json", "text/plain", ""])
async def test_an_empty_answer_is_none(type: str) -> None:
    async with serving(says(b"", type=type)) as upstream, connected(upstream.url) as line:
        assert await line.ask() == ""
        assert line.inbox.messages == []


async def test_many_messages_are_under_way_at_once() -> None:
    count = 150
    everybody = asyncio.Event()

    async def act(request: web.Request) -> web.Response:
        if len(upstream.asked) == count:
            everybody.set()
        await everybody.wait()
        return await echoes(request)

    async with serving(act) as upstream, connected(upstream.url) as line:
        for number in range(count):
            message = b'{"jsonrpc":"2.0","id":%d,"method":"ping"}' % number
            line.connection.send(message, HEADERS, number)
        await line.inbox.wait_for(lambda: len(line.inbox.endings) == count)
        answered = {(json.loads(message)["id"], stream) for message, stream in line.inbox.messages}
        assert answered == {(number, number) for number in range(count)}


@pytest.mark.parametrize("size", [1 << 20, 5 << 20])
async def test_large_messages(size: int) -> None:
    message = b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":"%s"}}' % (b"x" * size)
    async with serving(echoes) as upstream, connected(upstream.url) as line:
        assert await line.ask(message) == ""
        assert len(upstream.asked[0].body) == len(message)
        assert len(line.messages()[0]) > size


async def test_an_answer_over_the_limit_is_refused() -> None:
    async with serving(says(b"[" + b" " * 2000 + b"]")) as upstream:
        async with connected(upstream.url, max_message_bytes=2000) as line:
            assert "more than 2000 bytes (max_message_bytes)" in await line.ask()
        async with connected(upstream.url, max_message_bytes=2002) as line:
            assert await line.ask() == ""


# -- header fields


async def test_configured_fields_give_way_to_those_of_the_protocol() -> None:
    fields = {"Authorization": "Bearer t", "mcp-protocol-version": "x", "user-agent": "mine"}
    async with serving(says(headers=SESSION)) as upstream, connected(upstream.url, headers=fields) as line:
        await line.ask()
        headers = upstream.asked[0].headers
        assert headers["Authorization"] == "Bearer t"
        assert headers.getall("User-Agent") == ["mine"]
        assert headers.getall("MCP-Protocol-Version") == ["2025-11-25"]


async def test_a_user_in_the_url_becomes_authorization() -> None:
    async with serving(says()) as upstream:
        url = upstream.url.replace("http://", "http://us%20er:p%40ss@") + "?key=k#f"
        async with connected(url) as line:
            await line.ask()
            assert line.connector.target == upstream.url
        expected = "Basic " + base64.b64encode(b"us er:p@ss").decode()
        assert upstream.asked[0].headers["Authorization"] == expected
        assert upstream.asked[0].path == "/mcp?key=k"
        async with connected(url, headers={"authorization": "Bearer t"}) as line:
            await line.ask()
        assert upstream.asked[1].headers["Authorization"] == "Bearer t"


async def test_cookies_are_not_kept() -> None:
    async with serving(says(headers={"Set-Cookie": "a=b"})) as upstream:
        # From a bare address nobody keeps any.
        async with connected(upstream.url.replace("127.0.0.1", "localhost")) as line:
            await line.ask()
            await line.ask(stream=2)
        assert "Cookie" not in upstream.asked[1].headers


async def test_a_field_that_cannot_be_sent_fails_that_message_only() -> None:
    async with serving(says()) as upstream, connected(upstream.url) as line:
        problem = await line.ask(headers={"Mcp-Name": "secret\r\nX: y"})
        assert "a header field of the request is malformed" in problem
        assert "secret" not in problem
        assert await line.ask(stream=2) == ""
        assert len(upstream.asked) == 1


# -- refusals


async def test_a_json_rpc_error_with_an_error_status_arrives() -> None:
    error = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}'
    async with serving(says(error, status=404)) as upstream, connected(upstream.url) as line:
        assert await line.ask() == "HTTP 404 Not Found"
        assert line.messages() == [error]
        assert line.inbox.closings == []


@pytest.mark.parametrize(
    ("body", "type", "said"),
    [
        (b"busy\x1b[31m\r\nnow", "text/plain", ": busy [31m now"),
        (b"", "text/plain", ""),
        (b'{"error":"invalid_token"}', "application/json", ': {"error":"invalid_token"}'),
        (b"[" * 50_000, "application/json", ": " + "[" * 200 + "..."),
        (b'["jsonrpc"]', "application/json", ': ["jsonrpc"]'),
        (b"\xff\xfe", "application/json", ": \ufffd\ufffd"),
    ],
)
async def test_other_refusals_are_told(body: bytes, type: str, said: str) -> None:
    async with serving(says(body, status=503, type=type)) as upstream, connected(upstream.url) as line:
        host = upstream.url.split("/")[2]
        assert await line.ask() == f"HTTP 503 Service Unavailable from {host}{said}"
        assert line.inbox.messages == []


async def test_another_content_type_is_no_answer() -> None:
    async with serving(says(b"<html>", type="text/html")) as upstream, connected(upstream.url) as line:
        assert "is text/html, neither JSON nor an event stream" in await line.ask()
        assert line.inbox.messages == []


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("https://user:pass@other.example/mcp?key=k", "it redirects to https://other.example/mcp;"),
        ("/elsewhere/", "/elsewhere/;"),
        ("", "it redirects to nowhere;"),
        ("http://[", "it redirects to something that is no URL;"),
    ],
)
async def test_redirects_are_not_followed(location: str, told: str) -> None:
    act = says(b"", status=307, headers={"Location": location} if location else None)
    async with serving(act) as upstream, connected(upstream.url) as line:
        problem = await line.ask()
        assert problem.startswith("HTTP 307 from 127.0.0.1:")
        assert told in problem
        assert "key" not in problem
        assert len(upstream.asked) == 1


# -- no answer


async def test_a_refused_connection() -> None:
    origin = f"http://127.0.0.1:{closed_port()}"
    async with connected(f"{origin}/mcp?key=k") as line:
        assert (await line.ask()).startswith(f"cannot reach {origin}: ")
        assert "refused" in line.inbox.endings[0][1].lower()


async def test_a_name_that_does_not_exist() -> None:
    async with connected("http://no.such.host.invalid/") as line:
        problem = await line.ask()
        assert problem.startswith(
            "cannot reach http://no.such.host.invalid:80: the name no.such.host.invalid"
        )


async def test_tls_to_a_server_without_it() -> None:
    async with serving(says()) as upstream, connected(upstream.url.replace("http", "https")) as line:
        assert "TLS failed" in await line.ask()


async def _raw(data: bytes) -> tuple[asyncio.Server, str]:
    """A server that says `data` to whatever comes, and hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.read(10_000)
            writer.write(data)
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "the server closed it without an answer"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "the answer is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{", "is incomplete"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "broke",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
            b"Content-Length: 4\r\n\r\nabcd",
            "broke",
        ),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "broke"),
    ],
)
async def test_garbage(data: bytes, told: str) -> None:
    server, url = await _raw(data)
    async with server, connected(url) as line:
        assert told in await line.ask()
        assert line.inbox.messages == []


async def test_a_connection_that_does_not_open() -> None:
    """A listener whose queue is full does not answer, like a host behind a firewall."""
    import socket

    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        async with connected(f"http://127.0.0.1:{full.getsockname()[1]}/", open_timeout=0.3) as line:
            started = time.monotonic()
            assert "did not open in time (open_timeout)" in await line.ask()
            assert time.monotonic() - started < 2


# -- sessions


async def test_a_session_is_kept_and_ended() -> None:
    async with clean(), serving(says(headers=SESSION), says(), delete=[says(b"")]) as upstream:
        async with connected(upstream.url, headers={"X-Key": "k"}) as line:
            await line.ask(headers={})
            await line.ask(stream=2)
            assert upstream.asked[1].headers["Mcp-Session-Id"] == "s1"
        [farewell] = upstream.of("DELETE")
        assert farewell.headers["Mcp-Session-Id"] == "s1"
        assert farewell.headers["MCP-Protocol-Version"] == "2025-11-25"
        assert farewell.headers["X-Key"] == "k"
        await line.connection.close()
        assert len(upstream.of("DELETE")) == 1


@pytest.mark.parametrize("id", ["", "a b", "ä", "x" * 2000])
async def test_a_session_id_that_is_none_is_ignored(id: str) -> None:
    async with serving(says(headers={"Mcp-Session-Id": id})) as upstream:
        async with connected(upstream.url) as line:
            await line.ask()
            await line.ask(stream=2)
        assert "Mcp-Session-Id" not in upstream.asked[1].headers
        assert upstream.of("DELETE") == []


async def test_a_refusal_opens_no_session() -> None:
    async with serving(says(b"", status=400, headers=SESSION), says()) as upstream:
        async with connected(upstream.url) as line:
            await line.ask()
            await line.ask(stream=2)
        assert "Mcp-Session-Id" not in upstream.asked[1].headers


async def test_a_404_within_a_session_ends_the_connection() -> None:
    async with serving(says(headers=SESSION), says(b"", status=404), streams(hold=True)) as upstream:
        async with connected(upstream.url) as line:
            await line.ask()
            line.connection.send(REQUEST, HEADERS, 2)
            line.connection.send(REQUEST, HEADERS, 3)
            assert (await line.ending(2)).startswith("HTTP 404 Not Found from")
            assert line.inbox.closings == ["the server ended the session"]
            line.connection.send(REQUEST, HEADERS, 4)
            await asyncio.sleep(0.05)
            assert len(line.inbox.endings) == 2
            assert len(line.inbox.closings) == 1
        assert upstream.of("DELETE") == []


async def test_a_404_without_a_session_is_only_an_answer() -> None:
    async with serving(says(b"", status=404)) as upstream, connected(upstream.url) as line:
        await line.ask()
        assert line.inbox.closings == []


async def test_nothing_overtakes_the_end_of_the_handshake() -> None:
    release = asyncio.Event()

    async def slowly(request: web.Request) -> web.Response:
        await release.wait()
        return web.Response(status=202)

    async with serving(says(headers=SESSION), slowly, says()) as upstream, connected(upstream.url) as line:
        await line.ask()
        for stream in (2, 3, 4):
            line.connection.send(REQUEST, HEADERS, stream)
        line.connection.listen(HEADERS)
        await upstream.wait_for(lambda: len(upstream.asked) == 2)
        await asyncio.sleep(0.1)
        assert len(upstream.asked) == 2
        release.set()
        assert await line.ending(4) == ""


# -- leaving


@pytest.mark.parametrize("stage", ["before the head", "in the stream"])
async def test_abandon_closes_the_answer(stage: str) -> None:
    note = b'data: {"jsonrpc":"2.0","method":"a"}\n\n'
    act = hangs if stage == "before the head" else streams(note, hold=True)
    async with clean(), serving(act) as upstream, connected(upstream.url) as line:
        line.connection.send(REQUEST, HEADERS, 1)
        await upstream.wait_for(lambda: len(upstream.asked) == 1)
        if stage == "in the stream":
            await line.inbox.wait_for(lambda: bool(line.inbox.messages))
        line.connection.abandon(1)
        await asyncio.wait_for(upstream.left.wait(), 5)
        assert line.inbox.endings == []


async def test_abandon_of_what_has_not_left_yet() -> None:
    async with serving(says()) as upstream, connected(upstream.url) as line:
        line.connection.send(REQUEST, HEADERS, 1)
        line.connection.abandon(1)
        assert await line.ask(stream=2) == ""
        assert len(upstream.asked) == 1
        assert line.messages(1) == []


async def test_an_abandoned_end_of_the_handshake_holds_nothing_up() -> None:
    async with serving(says(headers=SESSION), says()) as upstream, connected(upstream.url) as line:
        await line.ask()
        line.connection.send(REQUEST, HEADERS, 2)
        line.connection.abandon(2)
        started = time.monotonic()
        assert await line.ask(stream=3) == ""
        assert time.monotonic() - started < 2


async def test_close_cancels_and_waits_briefly_for_a_server_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("only1mcp_transports.http.farewell.FAREWELL", 0.3)
    async with (
        serving(
            says(headers=SESSION), streams(hold=True), delete=[hangs], get=[streams(hold=True)]
        ) as upstream,
        open_alone(OFFER, fast_lane=Lane.fast, url=upstream.url) as connector,
        clean(),
    ):
        inbox = RecordingInbox()
        connection = await connector.connect(inbox)
        connection.send(REQUEST, HEADERS, 1)
        await inbox.wait_for(lambda: bool(inbox.endings))
        connection.send(REQUEST, HEADERS, 2)
        connection.listen(HEADERS)
        await upstream.wait_for(lambda: len(upstream.asked) == 3)
        started = time.monotonic()
        await asyncio.gather(connection.close(), connection.close())
        assert 0.3 <= time.monotonic() - started < 2
        assert inbox.endings == [(1, "")]
        assert inbox.closings == []


async def test_the_end_of_the_connector_ends_its_connections() -> None:
    async with clean(), serving(says(headers=SESSION)) as upstream:
        async with open_alone(OFFER, fast_lane=Lane.fast, url=upstream.url) as connector:
            inbox = RecordingInbox()
            connection = await connector.connect(inbox)
            connection.send(REQUEST, HEADERS, 1)
            await inbox.wait_for(lambda: bool(inbox.endings))
        assert len(upstream.of("DELETE")) == 1


# -- proxies


async def test_proxies_of_the_environment_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(says()) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("http://", "http://me:pw@"))
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        async with connected("http://far.example.invalid/mcp") as line:
            assert await line.ask() == ""
        [asked] = proxy.asked
        assert asked.headers["Host"] == "far.example.invalid"
        assert asked.headers["Proxy-Authorization"] == "Basic " + base64.b64encode(b"me:pw").decode()
        monkeypatch.setenv("no_proxy", "example.invalid")
        async with connected("http://far.example.invalid/mcp") as line:
            assert "can't be looked up" in await line.ask()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_this_machine_needs_no_proxy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    async with serving(says()) as upstream, connected(upstream.url.replace("127.0.0.1", name)) as line:
        assert await line.ask() == ""


async def test_a_proxy_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    port = closed_port()
    monkeypatch.setenv("http_proxy", f"127.0.0.1:{port}")
    monkeypatch.delenv("no_proxy", raising=False)
    async with connected("http://far.example.invalid/") as line:
        assert f"the proxy at 127.0.0.1:{port} can't be reached" in await line.ask()


async def test_a_proxy_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    async with open_alone(OFFER, fast_lane=Lane.fast, url="https://far.example.invalid/") as connector:
        with pytest.raises(ConnectFailed, match="HTTPS_PROXY"):
            await connector.connect(RecordingInbox())


async def test_values_of_header_fields_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        serving(says(ANSWER, headers={"Mcp-Session-Id": "hidden-id"}), says(b"", status=500)) as upstream,
        connected(upstream.url, headers={"Authorization": "Bearer hidden-token"}) as line,
    ):
        await line.ask()
        line.connection.listen(HEADERS)
        await line.ask(stream=2)
        await upstream.wait_for(lambda: bool(upstream.of("GET")))
        await asyncio.sleep(0.05)
    assert "hidden" not in caplog.text
