"""Servers reached by HTTP+SSE."""

from __future__ import annotations

import asyncio
import json

import pytest
from pydantic import ValidationError

from only1mcp_sdk import ConnectFailed
from only1mcp_sdk.testing import check_connector, open_alone
from only1mcp_sdk.testing.fakes import RecordingInbox
from only1mcp_transports.sse.config import ConnectorConfig
from tests.plugins.transports.http.upstream import clean, closed_port, hangs, says, streams
from tests.plugins.transports.http.upstream import serving as http_serving
from tests.plugins.transports.sse.upstream import OFFER, OldServer, connected, serving

REQUEST = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":1}}'
NOTE = b'{"jsonrpc":"2.0","method":"notifications/message"}'
HEADERS = {"MCP-Protocol-Version": "2024-11-05"}


async def fails(url: str, **options: object) -> str:
    """Why there is no connection to it."""
    async with clean(), open_alone(OFFER, url=url, **options) as connector:
        with pytest.raises(ConnectFailed) as failed:
            async with asyncio.timeout(5):
                await connector.connect(RecordingInbox())
        return str(failed.value)


async def test_it_keeps_the_contract_of_connectors() -> None:
    async with serving() as server:
        await check_connector(OFFER, {"url": server.url}, {"url": f"http://127.0.0.1:{closed_port()}/sse"})


async def test_a_conversation() -> None:
    async with serving() as server:
        url = server.url.replace("http://", "http://us%20er:p%40ss@") + "?key=k#f"
        async with connected(url, headers={"X-Tenant": "t"}) as line:
            assert line.connection.duplex
            line.connection.send(REQUEST, HEADERS, 7)
            await line.inbox.wait_for(lambda: bool(line.inbox.messages))
            [(answer, stream)] = line.inbox.messages
            assert (json.loads(answer)["result"], stream) == ({"a": 1}, None)
            await server.say(NOTE)
            await line.inbox.wait_for(lambda: len(line.inbox.messages) == 2)
            assert line.inbox.messages[1] == (NOTE, None)
        [get] = server.gets
        assert get.path_qs == "/sse?key=k"
        assert get.headers["Accept"] == "text/event-stream"
        assert server.posts == [REQUEST]
        assert server.targets == ["/messages?session_id=1&a=%2F"]
        for fields in (get.headers, server.fields[0]):
            assert fields["Authorization"] == "Basic dXMgZXI6cEBzcw=="
            assert fields["X-Tenant"] == "t"
        assert server.fields[0]["Content-Type"] == "application/json"
        assert server.fields[0]["MCP-Protocol-Version"] == "2024-11-05"
        assert line.inbox.endings == []
        assert line.inbox.closings == []


async def test_the_greeting_is_not_overtaken() -> None:
    async with serving() as server, connected(server.url) as line:
        server.post_delay = 0.05
        bodies = [b'{"jsonrpc":"2.0","id":%d,"method":"ping"}' % number for number in range(5)]
        for number, body in enumerate(bodies):
            line.connection.send(body, {}, number)
        await line.inbox.wait_for(lambda: len(line.inbox.messages) == 5)
        assert server.posts == bodies


async def test_later_messages_do_not_wait_for_each_other() -> None:
    async with serving() as server, connected(server.url) as line:
        for number in range(4):
            line.connection.send(REQUEST, {}, number)
        await line.inbox.wait_for(lambda: len(line.inbox.messages) == 4)
        server.post_delay = 0.2
        async with asyncio.timeout(2):
            for number in range(4, 54):
                line.connection.send(REQUEST, {}, number)
            await line.inbox.wait_for(lambda: len(line.inbox.messages) == 54)


@pytest.mark.parametrize(
    "endpoint", ["/messages?session_id={id}", "messages?session_id={id}", "//{host}/messages?session_id={id}"]
)
async def test_endpoints_are_references_of_any_kind(endpoint: str) -> None:
    async with serving() as server:
        server.endpoint = endpoint.replace("{host}", server.url.split("/")[2])
        async with connected(server.url) as line:
            line.connection.send(REQUEST, {}, 1)
            await line.inbox.wait_for(lambda: bool(line.inbox.messages))


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://evil.example/messages",
        "//evil.example/messages",
        "https://127.0.0.1/messages",
        "http://127.0.0.1:1/messages",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://[::1/messages",
        "http://127.0.0.1:99999999/messages",
        "/mess ages",
        "/mess\u00e4ges",
        "/" + "x" * 9000,
    ],
)
async def test_an_endpoint_elsewhere_is_refused(endpoint: str) -> None:
    async with serving() as server:
        server.endpoint = endpoint
        problem = await fails(server.url, headers={"Authorization": "hidden"})
        assert "endpoint" in problem
        assert "hidden" not in problem
        assert server.posts == []


@pytest.mark.parametrize("endpoint", ["/m\x1b[31m", "/\u202e"])
async def test_what_a_server_says_is_printable_in_problems(endpoint: str) -> None:
    async with serving() as server:
        server.endpoint = endpoint
        assert (await fails(server.url)).isprintable()


async def test_who_is_no_such_server() -> None:
    async with http_serving(says(), get=[says(b"{}")]) as upstream:
        assert "no event stream" in await fails(upstream.url)
    async with http_serving(says()) as upstream:
        assert "HTTP 405" in await fails(upstream.url)
    async with http_serving(
        says(), get=[says(b"", status=302, headers={"Location": "http://x.example/"})]
    ) as upstream:
        assert "redirects to http://x.example/" in await fails(upstream.url)
    async with http_serving(says(), get=[streams(b": hi\n\n")]) as upstream:
        assert "before it said where messages go" in await fails(upstream.url)
    async with http_serving(says(), get=[streams(b"data: x", tear=True)]) as upstream:
        assert "broke" in await fails(upstream.url)
    async with http_serving(says(), get=[streams(b"data: " + b"x" * 3000, hold=True)]) as upstream:
        assert "max_message_bytes" in await fails(upstream.url, max_message_bytes=1000)
    assert "cannot reach" in await fails(f"http://127.0.0.1:{closed_port()}/sse")


@pytest.mark.parametrize("act", [hangs, streams(hold=True), streams(b"event: other\ndata: x\n\n", hold=True)])
async def test_a_connect_may_be_given_up(act: object) -> None:
    async with (
        http_serving(says(), get=[act]) as upstream,  # type: ignore[list-item]
        clean(),
        open_alone(OFFER, url=upstream.url) as connector,
    ):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await connector.connect(RecordingInbox())
        await upstream.left.wait()


async def test_the_end_of_the_stream_ends_the_connection() -> None:
    async with serving() as server, connected(server.url) as line:
        server.mute = True
        line.connection.send(REQUEST, {}, 1)
        await server.came.wait()
        server.tear()
        await line.inbox.wait_for(lambda: bool(line.inbox.closings))
        [problem] = line.inbox.closings
        assert "broke" in problem or "incomplete" in problem
        line.connection.send(REQUEST, {}, 2)
        await asyncio.sleep(0.05)
        assert len(server.posts) == 1


async def test_a_message_that_is_too_large_ends_it() -> None:
    async with serving() as server, connected(server.url, max_message_bytes=1000) as line:
        await server.say(b"x" * 1000)
        await line.inbox.wait_for(lambda: bool(line.inbox.messages))
        await server.say(b"x" * 1100)
        await line.inbox.wait_for(lambda: bool(line.inbox.closings))
        assert "max_message_bytes" in line.inbox.closings[0]


async def test_odd_events_are_no_messages() -> None:
    async with serving() as server, connected(server.url) as line:
        odd = b"event: endpoint\ndata: http://evil.example/\n\nevent: ping\ndata: x\n\ndata:\n\nid: 1\n\n: c\n\n"
        await server.streams["1"].write(odd)
        line.connection.send(REQUEST, {}, 1)
        await line.inbox.wait_for(lambda: bool(line.inbox.messages))
        assert len(line.inbox.messages) == 1
        assert server.targets == ["/messages?session_id=1&a=%2F"]


@pytest.mark.parametrize("status", [400, 404, 413, 500])
async def test_a_refused_message_is_reported_alone(status: int) -> None:
    async with serving() as server, connected(server.url) as line:
        server.post_status = status
        problem = await line.ask(REQUEST, 3)
        assert f"HTTP {status}" in problem
        assert "not taken" in problem
        server.post_status = 202
        line.connection.send(REQUEST, {}, 4)
        await line.inbox.wait_for(lambda: bool(line.inbox.messages))
        assert line.inbox.closings == []


async def test_a_redirect_of_a_message_is_not_followed() -> None:
    async with serving() as server, connected(server.url) as line:
        server.post_status, server.post_headers = 307, {"Location": "http://elsewhere.example/m?key=1"}
        assert "redirects to http://elsewhere.example/m;" in await line.ask(REQUEST, 3)


async def test_an_answer_in_the_response_of_the_post_is_no_second_one() -> None:
    async with serving() as server, connected(server.url) as line:
        server.post_status = 200
        line.connection.send(REQUEST, {}, 1)
        await server.came.wait()
        await asyncio.sleep(0.05)
        assert line.inbox.messages == []
        assert line.inbox.endings == []


async def test_one_message_follows_the_event_that_names_the_endpoint_at_once() -> None:
    server: OldServer
    async with serving() as server:
        server.before = b": hello\r\n\r\nevent: other\r\ndata: 1\r\n\r\n"
        server.endpoint += "\n\nevent: message\ndata: {{}}"
        async with connected(server.url) as line:
            await line.inbox.wait_for(lambda: bool(line.inbox.messages))
            assert line.inbox.messages == [(b"{}", None)]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"url": "ws://x.example/"},
        {"url": "http://"},
        {"url": "http://x.example/", "open_timeout": 0},
        {"url": "http://x.example/", "headers": {"Content-Type": "x"}},
        {"url": "http://x.example/", "headers": {"X": "a\nb"}},
        {"url": "http://x.example/", "max_message_bytes": 0},
    ],
)
def test_bad_options(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ConnectorConfig.model_validate(options)
