"""Servers at a Streamable HTTP url that turn out to speak HTTP+SSE."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from only1mcp_sdk.testing import check_connector, open_alone
from only1mcp_sdk.testing.fakes import RecordingInbox
from only1mcp_transports.http import fallback
from tests.plugins.transports.http.upstream import (
    BOTH,
    HEADERS,
    OFFER,
    REQUEST,
    Act,
    Lane,
    Line,
    clean,
    connected,
    hangs,
    says,
    serving,
    streams,
)
from tests.plugins.transports.sse import upstream as old

LOOPS = BOTH

REFUSES = says(b"Not Found", status=404, type="text/plain")


async def answered(line: Line, *numbers: int) -> None:
    def all_in() -> bool:
        got = {json.loads(message).get("id") for message, stream in line.inbox.messages if stream is None}
        return got >= set(numbers)

    await line.inbox.wait_for(all_in)


def request(number: int) -> bytes:
    return b'{"jsonrpc":"2.0","id":%d,"method":"ping"}' % number


async def test_it_keeps_the_contract_of_connectors_over_the_other_transport() -> None:
    async with old.serving() as server:
        await check_connector(OFFER, {"url": server.url, "fast_lane": Lane.fast})


async def test_it_is_duplex_from_then_on() -> None:
    async with (
        old.serving() as server,
        clean(),
        open_alone(OFFER, fast_lane=Lane.fast, url=server.url) as connector,
    ):
        inbox = RecordingInbox()
        connection = await connector.connect(inbox)
        shared = [connection.duplex]
        connection.send(REQUEST, HEADERS, 1)
        await answered(Line(connector, connection, inbox), 1)
        shared.append(connection.duplex)
        assert shared == [False, True]
        connection.listen(HEADERS)
        connection.abandon(1)
        await connection.close()
        connection.send(REQUEST, HEADERS, 2)
        await asyncio.sleep(0.05)
        assert (len(server.posts), len(server.gets), server.refused_posts) == (1, 1, 1)
        assert (inbox.endings, inbox.closings) == ([], [])


async def test_a_conversation() -> None:
    async with old.serving() as server, connected(server.url, headers={"X-Tenant": "t"}) as line:
        line.connection.send(request(1), HEADERS, 1)
        line.connection.send(request(2), HEADERS, 2)
        await answered(line, 1, 2)
        line.connection.send(request(3), HEADERS, 3)
        await answered(line, 3)
        await server.say(b'{"jsonrpc":"2.0","id":4,"method":"ping"}')
        await answered(line, 4)
        assert (sorted(server.posts), len(server.gets)) == ([request(number) for number in (1, 2, 3)], 1)
        assert server.refused_posts <= 2
        assert server.gets[0].headers["X-Tenant"] == server.fields[0]["X-Tenant"] == "t"
        server.post_status = 500
        assert "HTTP 500" in await line.ask(request(5), 5)


async def test_it_is_remembered_until_it_fails() -> None:
    async with old.serving() as server, open_alone(OFFER, fast_lane=Lane.fast, url=server.url) as connector:

        async def begin() -> Line:
            inbox = RecordingInbox()
            line = Line(connector, await connector.connect(inbox), inbox)
            line.connection.send(request(1), HEADERS, 1)
            await answered(line, 1)
            return line

        first = await begin()
        second = await begin()
        assert server.refused_posts == 1
        await first.connection.close()
        third = await begin()
        assert server.refused_posts == 1
        server.tear("2")
        await second.inbox.wait_for(lambda: bool(second.inbox.closings))
        assert second.inbox.endings == []
        fourth = await begin()
        assert server.refused_posts == 2
        server.status = 404
        await (await begin_refused(connector, server)).connection.close()
        for each in (second, third, fourth):
            await each.connection.close()


async def begin_refused(connector: object, server: old.OldServer) -> Line:
    """What was remembered does not hold any more: the url is tried as it is, and once."""
    inbox = RecordingInbox()
    line = Line(connector, await connector.connect(inbox), inbox)  # type: ignore[arg-type, attr-defined]
    gets, posts = len(server.gets), server.refused_posts
    assert "HTTP 405" in await line.ask(request(1), 1)
    assert (len(server.gets), server.refused_posts) == (gets + 1, posts + 1)
    return line


@pytest.mark.parametrize("status", [400, 404, 405])
@pytest.mark.parametrize(
    "get",
    [
        says(b"", status=405),
        says(b"{}"),
        streams(b": hello\n\n"),
        streams(b"event: endpoint\ndata: http://evil.example/\n\n", hold=True),
        streams(b"da", tear=True),
    ],
)
async def test_otherwise_the_first_problem_is_reported(status: int, get: Act) -> None:
    refuses = says(b"no such thing", status=status, type="text/plain")
    async with serving(refuses, get=[get]) as upstream, connected(upstream.url) as line:
        problem = await line.ask(REQUEST, 1)
        assert f"HTTP {status}" in problem
        assert "no such thing" in problem
        assert len(upstream.of("GET")) == 1
        assert f"HTTP {status}" in await line.ask(REQUEST, 2)
        assert len(upstream.of("GET")) == 1, "asked again"
        assert not line.connection.duplex


@pytest.mark.parametrize("get", [hangs, streams(b": hello\n\n", hold=True)])
async def test_a_server_that_says_nothing_is_not_waited_for_long(
    get: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fallback, "PATIENCE", 0.2)
    async with serving(REFUSES, get=[get]) as upstream, connected(upstream.url) as line:
        started = time.monotonic()
        assert "HTTP 404" in await line.ask()
        assert 0.2 <= time.monotonic() - started < 2
        await upstream.left.wait()


@pytest.mark.parametrize(
    "act",
    [
        says(b'{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}', status=404),
        says(b'{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no"}}', status=400),
        says(b"nope", status=401, type="text/plain"),
        says(b"nope", status=403, type="text/plain"),
        says(b"nope", status=500, type="text/plain"),
        says(b"", status=307, headers={"Location": "/sse"}),
    ],
)
async def test_who_is_not_asked_for_it(act: Act) -> None:
    async with serving(act, get=[streams(hold=True)]) as upstream, connected(upstream.url) as line:
        await line.ask()
        assert upstream.of("GET") == []


async def test_a_server_that_answered_once_is_not_asked_for_it() -> None:
    async with (
        serving(says(), REFUSES, get=[streams(hold=True)]) as upstream,
        connected(upstream.url) as line,
    ):
        assert await line.ask(REQUEST, 1) == ""
        assert "HTTP 404" in await line.ask(REQUEST, 2)
        assert upstream.of("GET") == []


async def test_closing_while_it_is_looked_for() -> None:
    async with serving(REFUSES, get=[hangs]) as upstream, clean():
        async with connected(upstream.url) as line:
            line.connection.send(REQUEST, HEADERS, 1)
            await upstream.wait_for(lambda: bool(upstream.of("GET")))
        await upstream.left.wait()
        assert (line.inbox.endings, line.inbox.closings) == ([], [])


async def test_giving_up_the_message_by_which_it_is_found() -> None:
    async with old.serving() as server, connected(server.url) as line:
        line.connection.send(request(1), HEADERS, 1)
        await asyncio.sleep(0)
        line.connection.abandon(1)
        line.connection.send(request(2), HEADERS, 2)
        await answered(line, 2)
