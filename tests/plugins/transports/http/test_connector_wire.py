"""What servers say byte by byte: answers however they are cut, and what is no answer at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from only1mcp_transports.http.pool import pool as pools
from only1mcp_transports.http.pool import wire as wires
from tests.plugins.transports.http.scripted import PIECES, chunked, ok, saying, slices
from tests.plugins.transports.http.upstream import ANSWER, LANES, NOTE, REQUEST, Lane, clean, connected, event

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": Lane.is_pool,
    "uvloop": Lane.is_pool_on_uvloop,
}
EVENTS = b"text/event-stream"
JSON = b"Content-Type: application/json\r\n"

GOOD = {
    "length": ok(),
    "chunks": chunked(ANSWER[:5], ANSWER[5:]),
    "one chunk": chunked(ANSWER),
    "extensions and trailers": b"HTTP/1.1 200 OK\r\n" + JSON + b"Transfer-Encoding: Chunked\r\n\r\n"
    b'%X;a=b;c="d"\r\n%b\r\n000\r\nDigest: x\r\nA: b\r\n\r\n' % (len(ANSWER), ANSWER),
    "interim heads": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok(),
    "an odd head": b"HTTP/1.1 200\r\ncontent-TYPE:\tApplication/JSON ; charset=utf-8\r\nContent-Length:%d \r\n\r\n"
    % len(ANSWER)
    + ANSWER,
    "events": chunked(event(ANSWER), type=EVENTS),
    "named events": ok(b"event: message\r\ndata: " + ANSWER + b"\r\n\r\n", type=EVENTS),
}


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("answer", GOOD.values(), ids=GOOD.keys())
async def test_answers_are_read_however_they_are_cut(answer: bytes, size: int) -> None:
    async with clean(), saying(slices(answer, size)) as server, connected(server.url) as line:
        for stream in (1, 2, 3):
            assert await line.ask(stream=stream) == ""
            assert line.messages(stream) == [ANSWER]
        assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\n" + JSON + b"\r\n" + ANSWER,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + JSON + b"\r\n" + ANSWER,
        ok(ANSWER, b"Connection: Close"),
        b"HTTP/1.0 200 OK\r\n" + JSON + b"Content-Length: %d\r\n\r\n" % len(ANSWER) + ANSWER,
    ],
)
async def test_a_connection_that_is_to_be_closed_is_not_used_again(answer: bytes) -> None:
    async with clean(), saying([answer, b""]) as server, connected(server.url) as line:
        for stream in (1, 2):
            assert await line.ask(stream=stream) == ""
            assert line.messages(stream) == [ANSWER]
        assert server.connections == 2


STATUS = b"HTTP/1.1 200 OK\r\n" + JSON
BODY = b"\r\n" + ANSWER
CHUNKED = STATUS + b"Transfer-Encoding: chunked\r\n\r\n"
BAD = {
    "two lengths": STATUS + b"Content-Length: 36\r\nContent-Length: 37\r\n" + BODY,
    "the same length twice": STATUS + b"Content-Length: 36\r\nContent-Length: 36\r\n" + BODY,
    "a list of lengths": STATUS + b"Content-Length: 36, 36\r\n" + BODY,
    "plus": STATUS + b"Content-Length: +36\r\n" + BODY,
    "minus": STATUS + b"Content-Length: -1\r\n" + BODY,
    "a length that overflows": STATUS + b"Content-Length: 18446744073709551652\r\n" + BODY,
    "a length in hex": STATUS + b"Content-Length: 0x24\r\n" + BODY,
    "underscores": STATUS + b"Content-Length: 3_6\r\n" + BODY,
    "length and chunks": STATUS + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": STATUS + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two codings": STATUS + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": STATUS + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "another coding": STATUS + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\n" + JSON + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "obs-fold": STATUS + b"Content-Length: 3\r\n 6\r\n" + BODY,
    "space before the colon": STATUS + b"Content-Length : 36\r\n" + BODY,
    "no colon": STATUS + b"Content-Length\r\n" + BODY,
    "bare LF in the head": STATUS + b"X: y\nContent-Length: 36\r\n" + BODY,
    "bare CR in the head": STATUS + b"X: y\rContent-Length: 36\r\n" + BODY,
    "NUL": STATUS + b"X: \0\r\nContent-Length: 36\r\n" + BODY,
    "another version": b"HTTP/1.2 200 OK\r\n" + JSON + b"Content-Length: 36\r\n" + BODY,
    "HTTP/2": b"HTTP/2.0 200 OK\r\n" + JSON + b"Content-Length: 36\r\n" + BODY,
    "an empty line first": b"\r\n" + ok(),
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "status 99": b"HTTP/1.1 099 OK\r\n\r\n",
    "an upgrade": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "interim heads without end": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20 + ok(),
    "a long head": STATUS + b"X: " + b"x" * 40_000 + b"\r\nContent-Length: 36\r\n" + BODY,
    "a head without end": STATUS + b"X: " + b"x" * 40_000,
    "no size": CHUNKED + b"\r\n" + ANSWER + b"\r\n0\r\n\r\n",
    "a size with a sign": CHUNKED + b"+24\r\n" + ANSWER + b"\r\n0\r\n\r\n",
    "a size with a prefix": CHUNKED + b"0x24\r\n" + ANSWER + b"\r\n0\r\n\r\n",
    "a size with a space": CHUNKED + b"24 \r\n" + ANSWER + b"\r\n0\r\n\r\n",
    "a size that overflows": CHUNKED + b"10000000000000024\r\n" + ANSWER + b"\r\n0\r\n\r\n",
    "a size with a bare LF": CHUNKED + b"24\n" + ANSWER + b"\r\n0\r\n\r\n",
    "a bare CR in an extension": CHUNKED + b"24;a\rb\r\n" + ANSWER + b"\r\n0\r\n\r\n",
    "a chunk that is too short": CHUNKED + b"25\r\n" + ANSWER + b"\r\n0\r\n\r\n",
    "a chunk that is too long": CHUNKED + b"23\r\n" + ANSWER + b"\r\n0\r\n\r\n",
    "an extension without end": CHUNKED + b"24;" + b"x" * 10_000,
    "trailers without end": CHUNKED + b"0\r\n" + b"X: y\r\n" * 5_000,
    "a long trailer": CHUNKED + b"0\r\nX: " + b"y" * 10_000,
    "a trailer with a bare LF": CHUNKED + b"0\r\nX: y\n\r\n",
}


@pytest.mark.parametrize("size", [5, 100_000])
@pytest.mark.parametrize("answer", BAD.values(), ids=BAD.keys())
async def test_what_is_no_answer_ends_the_connection(answer: bytes, size: int) -> None:
    if len(answer) > 10_000 and size < 100:
        size = 1000
    async with clean(), saying(slices(answer, size)) as server, connected(server.url) as line:
        problem = await line.ask()
        assert "broke: " in problem
        assert line.inbox.messages == []
        await asyncio.wait_for(server.gone.wait(), 5)


@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        ([b""], "the server closed it without an answer"),
        ([b"HTTP/1.1 200 OK\r\nContent-", b""], "the answer is incomplete"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", b""], "the server closed it without an answer"),
        ([ok()[:-1], b""], "the answer is incomplete"),
        ([chunked(ANSWER, end=b""), b""], "the answer is incomplete"),
        ([chunked(ANSWER, end=b"0\r\n"), b""], "the answer is incomplete"),
        ([b"SSH-2.0-OpenSSH_9.6\r\n"], "the answer is not HTTP"),
    ],
)
async def test_an_answer_that_breaks_off(pieces: list[PIECES], told: str) -> None:
    async with clean(), saying(pieces) as server, connected(server.url) as line:
        assert (await line.ask()).endswith(f"broke: {told}")
        assert line.inbox.messages == []
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "first", [ok(), chunked(ANSWER), chunked(ANSWER, b" "), chunked(event(ANSWER), type=EVENTS)]
)
async def test_what_comes_after_an_answer_is_nobodys(first: bytes) -> None:
    """The second answer that came with the first would be that to another request."""
    evil = ok(b'{"jsonrpc":"2.0","id":1,"result":{"evil":1}}')
    async with clean(), saying([first + evil], [ok()]) as server, connected(server.url) as line:
        assert await line.ask() == ""
        assert await line.ask(stream=2) == ""
        assert line.messages(1)[0].strip() == line.messages(2)[0] == ANSWER
        assert server.connections == 2


async def test_what_comes_unasked_ends_the_connection() -> None:
    answers: list[list[PIECES]] = [[ok(), 0.05, ok(b'{"evil":1}'), 0.2], [ok()]]
    async with clean(), saying(*answers) as server, connected(server.url) as line:
        assert await line.ask() == ""
        await asyncio.sleep(0.2)
        assert await line.ask(stream=2) == ""
        assert line.messages(2) == [ANSWER]
        assert server.connections == 2


async def test_a_request_that_is_lost_is_not_sent_again() -> None:
    async with clean(), saying([ok()], [b""], [ok()]) as server, connected(server.url) as line:
        assert await line.ask() == ""
        assert "closed it without an answer" in await line.ask(stream=2)
        assert len(server.requests) == 2
        assert await line.ask(stream=3) == ""
        assert server.connections == 2


async def test_a_connection_that_was_closed_while_idle_is_not_used() -> None:
    async with clean(), saying([ok(), b""]) as server, connected(server.url) as line:
        for stream in (1, 2, 3):
            assert await line.ask(stream=stream) == ""
            await asyncio.sleep(0.02)
        assert server.connections == 3


async def test_idle_connections_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "IDLE", 0.4)
    async with clean(), saying([ok()], [0.1, ok()]) as server, connected(server.url) as line:
        for stream in range(1, 7):
            assert await line.ask(stream=stream) == ""
        assert server.connections == 1
        started = time.monotonic()
        await asyncio.wait_for(server.gone.wait(), 5)
        assert 0.25 < time.monotonic() - started < 1
        assert await line.ask(stream=9) == ""
        assert server.connections == 2


async def test_a_head_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wires, "HEAD_PATIENCE", 0.1)
    monkeypatch.setattr(pools, "IDLE", 0.4)
    drip = [piece for _ in range(100) for piece in (b"x", 0.02)]
    async with clean(), saying([b"HTTP/1.1 200 OK\r\nX: ", *drip]) as server, connected(server.url) as line:
        assert "broke: the head of the answer did not come in time" in await line.ask()


async def test_a_connection_whose_request_still_waits_to_be_written_is_not_used_again() -> None:
    """The server refuses what is too large before it has read it."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ok())
        await over.wait()
        writer.transport.abort()

    connections: list[asyncio.StreamWriter] = []
    over = asyncio.Event()
    server = await asyncio.start_server(talk, "127.0.0.1", 0, limit=1 << 16)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with clean(), server, connected(url) as line:
        assert await line.ask(b'{"a":"%b"}' % (b"x" * (32 << 20))) == ""
        assert await line.ask(stream=2) == ""
        assert len(connections) == 2
        over.set()


async def test_abandoned_before_it_is_connected() -> None:
    async with clean(), saying([ok()]) as server, connected(server.url) as line:
        for stream in range(20):
            line.connection.send(REQUEST, {}, stream)
            for _ in range(stream % 7):
                await asyncio.sleep(0)
            line.connection.abandon(stream)
        assert await line.ask(stream=100) == ""
        assert {number for number, _ in line.inbox.endings} <= {*range(20), 100}


async def test_events_in_pieces_and_a_connection_that_goes_on() -> None:
    """As servers write them: the head, an event at a time, and the end by itself."""
    head, _, _ = chunked(type=EVENTS).partition(b"\r\n\r\n")
    chunks = [b"%x\r\n%b\r\n" % (len(each), each) for each in (event(NOTE), event(ANSWER))]
    pieces: list[PIECES] = [head + b"\r\n\r\n", 0.01, chunks[0], 0.01, chunks[1], 0.01, b"0\r\n\r\n"]
    async with clean(), saying(pieces) as server, connected(server.url) as line:
        for stream in (1, 2):
            assert await line.ask(stream=stream) == ""
            assert line.messages(stream) == [NOTE, ANSWER]
        assert server.connections == 1


async def test_the_lanes_ask_the_same() -> None:
    """Apart from the order of fields, which means nothing."""
    asked = []
    for fast in (True, False):
        async with saying([ok(ANSWER, b"Mcp-Session-Id: s1")]) as server:
            port = server.url.rpartition(":")[2].partition("/")[0]
            url = f"http://u:p@127.0.0.1:{port}/a%20b?q=%2F"
            async with connected(url, fast_lane=fast, headers={"X-A": "ä", "mcp-name": "no"}) as line:
                headers = {"MCP-Protocol-Version": "2025-11-25", "Mcp-Name": "x"}
                for stream in (1, 2):
                    assert await line.ask(headers=headers, stream=stream) == ""
                line.connection.listen(headers)
                await asyncio.sleep(0.05)
            lines = [request.replace(port.encode(), b"PORT").split(b"\r\n") for request in server.requests]
            asked.append([(each[0], sorted(field.lower() for field in each[1:])) for each in lines])
    assert len(asked[0]) == 4
    assert asked[0] == asked[1]


assert set(LOOPS.values()) < set(LANES.values())
