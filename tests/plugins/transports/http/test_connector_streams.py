"""Event streams: as the answer to a message, broken and resumed, and for listening."""

import asyncio
import json
import logging
import time

import pytest
from aiohttp import web

from only1mcp_transports.http import listening, refusal, stream
from only1mcp_transports.http.stream import is_answer
from tests.plugins.transports.http.upstream import (
    ANSWER,
    BOTH,
    HEADERS,
    NOTE,
    REQUEST,
    Act,
    clean,
    connected,
    event,
    hangs,
    says,
    serving,
    streams,
)

LOOPS = BOTH

SESSION = {"Mcp-Session-Id": "s1"}
SOON = b"retry: 50\n\n"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "DEFAULT_RETRY", 0.05)
    monkeypatch.setattr(stream, "MIN_RETRY", 0.01)
    monkeypatch.setattr(listening, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(listening, "LONGEST_WAIT", 0.1)


@pytest.mark.parametrize("size", [1, 5, 1000])
async def test_messages_arrive_however_they_are_cut(size: int) -> None:
    whole = b"\xef\xbb\xbf: hello\r\nid: 1\r\ndata:\r\n\r\n" + event(NOTE, b"2") + event(ANSWER)
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    async with clean(), serving(streams(*pieces)) as upstream, connected(upstream.url) as line:
        assert await line.ask() == ""
        assert line.inbox.messages == [(NOTE, 1), (ANSWER, 1)]


async def test_messages_arrive_while_the_stream_is_open() -> None:
    async with serving(streams(event(NOTE), hold=True)) as upstream, connected(upstream.url) as line:
        line.connection.send(REQUEST, HEADERS, 1)
        await line.inbox.wait_for(lambda: line.messages() == [NOTE])
        assert line.inbox.endings == []


async def test_an_answer_in_several_lines_and_events_of_other_types() -> None:
    pieces = [b"event: ping\ndata: {}\n\n", b'event: message\ndata: {"id":1,\ndata: "result":{}}\n\n']
    async with serving(streams(*pieces)) as upstream, connected(upstream.url) as line:
        assert await line.ask() == ""
        assert line.messages() == [b'{"id":1,\n"result":{}}']


async def test_a_stream_that_stays_open_after_its_answer_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LINGER", 0.1)
    act = streams(event(ANSWER, b"1"), hold=True)
    async with clean(), serving(act) as upstream, connected(upstream.url) as line:
        assert await line.ask() == ""
        await asyncio.wait_for(upstream.left.wait(), 5)
        assert upstream.of("GET") == []


async def test_one_tcp_connection_serves_one_stream_after_another() -> None:
    ports = set()

    async def act(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername"))
        return await streams(event(ANSWER))(request)

    async with serving(act) as upstream, connected(upstream.url) as line:
        for stream in range(1, 6):
            assert await line.ask(stream=stream) == ""
    assert len(ports) == 1


async def test_an_event_over_the_limit_ends_the_stream() -> None:
    act = streams(event(b"x" * 2000), hold=True)
    async with serving(act) as upstream, connected(upstream.url, max_message_bytes=1000) as line:
        assert "more than 1000 bytes (max_message_bytes)" in await line.ask()
        assert line.inbox.messages == []
        await asyncio.wait_for(upstream.left.wait(), 5)


async def test_a_refusal_that_never_ends_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusal, "BRIEF", 0.1)

    async def act(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=500)
        await response.prepare(request)
        await response.write(b"x")
        await asyncio.sleep(60)
        return response

    async with serving(act) as upstream, connected(upstream.url) as line:
        assert (await line.ask()).startswith("HTTP 500 Internal Server Error from")


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (ANSWER, True),
        (b'{"id":1,"error":{"code":1}}', True),
        (b'{"id":1,"result":{"method":1}}', True),
        (b'{"id":1,"result":{"content":"\\"method\\""}}', True),
        (NOTE, False),
        (b'{"id":1,"method":"a","params":{"result":1}}', False),
        (b'{"method":"a","params":{"error":1}}', False),
        (b"", False),
        (b'"result" "method"', False),
        (b'["result", "method"]', False),
        (b'{"method":"result"' + b"[" * 100_000, False),
    ],
)
def test_answers_are_told_from_other_messages(message: bytes, answer: bool) -> None:
    assert is_answer(message) is answer


# -- broken streams


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("id", [b"", b"1"])
async def test_without_session_or_id_nothing_is_resumed(id: bytes, torn: bool) -> None:
    session = "" if id else "s1"
    act = streams(event(NOTE, id), tear=torn, session=session)
    async with serving(act) as upstream, connected(upstream.url) as line:
        problem = await line.ask()
        assert bool(problem) is torn
        assert ("is incomplete" in problem) is torn
        assert upstream.of("GET") == []


@pytest.mark.parametrize("torn", [False, True])
async def test_a_stream_is_resumed_where_it_broke(torn: bool) -> None:
    post = streams(SOON, event(b"", b"1"), event(NOTE, b"2"), b"id: 3\ndata: {", tear=torn, session="s1")
    gets = [streams(event(NOTE, b"\xc3\xa4"), tear=torn), streams(event(ANSWER, b"5"))]
    async with clean(), serving(post, get=gets) as upstream, connected(upstream.url) as line:
        assert await line.ask() == ""
        assert line.inbox.messages == [(NOTE, 1), (NOTE, 1), (ANSWER, 1)]
        first, second = upstream.of("GET")
        assert first.headers["Last-Event-ID"] == "2"
        assert first.headers["Accept"] == "text/event-stream"
        assert first.headers["Mcp-Session-Id"] == "s1"
        assert first.headers["MCP-Protocol-Version"] == "2025-11-25"
        assert "Content-Type" not in first.headers
        assert second.headers["Last-Event-ID"] == "ä"
        assert line.inbox.pauses == ([] if torn else [1])


async def test_the_server_says_when_to_resume() -> None:
    post = streams(b"retry: 400\nid: 1\ndata:\n\n", session="s1")
    async with serving(post, get=[streams(event(ANSWER))]) as upstream, connected(upstream.url) as line:
        started = time.monotonic()
        assert await line.ask() == ""
        assert 0.4 <= time.monotonic() - started < 2


async def test_a_server_that_polls_may_close_as_often_as_it_moves_on() -> None:
    post = streams(event(b"", b"0"), session="s1")
    gets: list[Act] = [streams(event(b"", b"%d" % number)) for number in range(1, 8)]
    gets.append(streams(event(ANSWER, b"8")))
    async with serving(post, get=gets) as upstream, connected(upstream.url) as line:
        assert await line.ask() == ""
        assert len(upstream.of("GET")) == 8


@pytest.mark.parametrize("get", [streams(), streams(tear=True), says(b"", status=503)])
async def test_resuming_is_given_up(get: Act) -> None:
    post = streams(event(NOTE, b"1"), session="s1")
    async with clean(), serving(post, get=[get]) as upstream, connected(upstream.url) as line:
        assert await line.ask()
        assert len(upstream.of("GET")) == stream.ATTEMPTS
        assert line.messages() == [NOTE]


async def test_a_server_that_cannot_resume_is_asked_once() -> None:
    post = streams(event(NOTE, b"1"), session="s1")
    async with serving(post) as upstream, connected(upstream.url) as line:
        assert await line.ask() == "the answer's stream ended early: HTTP 405 Method Not Allowed on resuming"
        assert len(upstream.of("GET")) == 1
        assert line.inbox.closings == []


async def test_a_session_may_end_while_a_stream_is_resumed() -> None:
    post = streams(event(NOTE, b"1"), session="s1")
    async with serving(post, get=[says(b"", status=404)]) as upstream, connected(upstream.url) as line:
        assert "HTTP 404" in await line.ask()
        assert line.inbox.closings == ["the server ended the session"]


async def test_abandon_stops_resuming() -> None:
    post = streams(b"retry: 10000\n\n", event(NOTE, b"1"), session="s1")
    async with clean(), serving(post) as upstream, connected(upstream.url) as line:
        line.connection.send(REQUEST, HEADERS, 1)
        await line.inbox.wait_for(lambda: bool(line.inbox.messages))
        await asyncio.sleep(0.05)
        line.connection.abandon(1)
        await asyncio.sleep(0.05)
        assert line.inbox.endings == []


# -- listening


async def test_listening_goes_on_where_it_was_cut_off() -> None:
    gets = [
        streams(event(NOTE, b"1"), tear=True),
        says(b"", status=502),
        streams(event(NOTE, b"2")),
        streams(event(NOTE), hold=True),
    ]
    async with clean(), serving(says(headers=SESSION), get=gets) as upstream, connected(upstream.url) as line:
        await line.ask()
        line.connection.listen(HEADERS)
        line.connection.listen(HEADERS)
        await line.inbox.wait_for(lambda: len(line.messages(None)) == 3)
        ids = [asked.headers.get("Last-Event-ID") for asked in upstream.of("GET")]
        assert ids == [None, "1", "1", "2"]
        first = upstream.of("GET")[0].headers
        assert first["Accept"] == "text/event-stream"
        assert first["MCP-Protocol-Version"] == "2025-11-25"
        assert line.messages(None) == [NOTE] * 3


@pytest.mark.parametrize("status", [400, 401, 404, 405, 501, 200, 202, 302])
async def test_a_server_without_such_a_stream_is_left_alone(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    get = says(b"{}", status=status)
    async with serving(says(headers=SESSION), get=[get]) as upstream, connected(upstream.url) as line:
        await line.ask()
        line.connection.listen(HEADERS)
        await upstream.wait_for(lambda: bool(upstream.of("GET")))
        await asyncio.sleep(0.2)
        assert len(upstream.of("GET")) == 1
        assert line.inbox.closings == []
        assert await line.ask(stream=2) == ""
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


async def test_a_404_after_the_stream_was_open_ends_the_session() -> None:
    gets = [streams(event(NOTE)), says(b"", status=404)]
    async with serving(says(headers=SESSION), get=gets) as upstream, connected(upstream.url) as line:
        await line.ask()
        line.connection.listen(HEADERS)
        await line.inbox.wait_for(lambda: bool(line.inbox.closings))
        assert line.inbox.closings == ["the server ended the session"]
    assert upstream.of("DELETE") == []


async def test_attempts_to_listen_grow_apart() -> None:
    async with serving(get=[says(b"", status=500)]) as upstream, connected(upstream.url) as line:
        line.connection.listen(HEADERS)
        await asyncio.sleep(0.5)
        # 0.02 + 0.04 + 0.08 + 0.1 + 0.1 ...
        assert 3 <= len(upstream.of("GET")) <= 7


async def test_an_event_too_large_does_not_end_listening() -> None:
    gets = [streams(event(NOTE, b"1") + event(b"x" * 2000, b"2")), streams(event(NOTE), hold=True)]
    async with serving(get=gets) as upstream, connected(upstream.url, max_message_bytes=1000) as line:
        line.connection.listen(HEADERS)
        await line.inbox.wait_for(lambda: len(line.messages(None)) == 2)
        assert line.messages(None) == [NOTE, NOTE]
        assert "Last-Event-ID" not in upstream.of("GET")[1].headers


async def test_listening_and_messages_do_not_wait_for_each_other() -> None:
    async def act(request: web.Request) -> web.Response:
        return web.json_response(
            {"jsonrpc": "2.0", "id": json.loads(await request.read())["id"], "result": {}}
        )

    async with serving(act, get=[hangs]) as upstream, connected(upstream.url) as line:
        line.connection.listen(HEADERS)
        await upstream.wait_for(lambda: bool(upstream.of("GET")))
        assert await line.ask() == ""
