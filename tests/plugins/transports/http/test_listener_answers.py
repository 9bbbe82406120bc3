"""How the HTTP listener answers: whole or as a stream of events, to clients that stay and to those that leave."""

from __future__ import annotations

import asyncio
import json

import pytest

from only1mcp_sdk import Answer
from only1mcp_transports.http import server as server_module
from only1mcp_transports.http import serving as serving_module
from only1mcp_transports.http.answer import sse_event
from tests.plugins.transports.http.listening import (
    GET,
    POST,
    ScriptedGate,
    ask,
    client,
    head,
    listening,
    post,
    silent,
)

BOTH_LANES = True


@pytest.mark.parametrize(
    ("message", "event", "expected"),
    [
        (b"{}", "", b"data: {}\n\n"),
        (b"{}", "7", b"id: 7\ndata: {}\n\n"),
        (b"", "7", b"id: 7\nretry: 1000\ndata: \n\n"),
        (b'{\n"a":\r1,\r\n"b":2}', "", b'data: {\ndata: "a":\ndata: 1,\ndata: "b":2}\n\n'),
        (b"{}\n", "", b"data: {}\ndata: \n\n"),
    ],
)
def test_events(message: bytes, event: str, expected: bytes) -> None:
    assert sse_event(message, event) == expected


def prompt(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """What counts as at once, in both lanes."""
    for module in (serving_module, server_module):
        monkeypatch.setattr(module, "PROMPT", seconds)


async def test_a_whole_answer() -> None:
    gate = ScriptedGate(lambda answer: answer.finish(b'{"a":1}', 200, {"Mcp-Session-Id": "s"}))
    async with listening(gate) as listener:
        reply, body = await ask(listener, post())
    assert (reply.status, body) == (200, b'{"a":1}')
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["mcp-session-id"] == "s"
    assert gate.postings[0].left == 0


async def test_a_whole_answer_later() -> None:
    gate = ScriptedGate(silent)
    async with listening(gate) as listener, client(listener) as it:
        it.send(post())
        await gate.asked.wait()
        gate.answers[0].finish(b'{"a":1}', 404)
        reply = await it.reply()
        assert (reply.status, await reply.body()) == (404, b'{"a":1}')
        it.send(post())  # on the same connection
        await asyncio.sleep(0.02)
        gate.answers[1].finish(status=202)
        reply = await it.reply()
        assert (reply.status, await reply.body()) == (202, b"")
        assert "content-type" not in reply.headers
    assert [each.left for each in gate.postings] == [0, 0]


async def test_a_stream() -> None:
    def script(answer: Answer) -> None:
        answer.send(b"", "1")
        answer.send(b'{"n":1}', "2")
        answer.send(b"")  # neither message nor id: nothing to say

    gate = ScriptedGate(script)
    async with listening(gate) as listener, client(listener) as it:
        it.send(post())
        reply = await it.reply()
        assert reply.status == 200
        assert reply.headers["content-type"] == "text/event-stream"
        assert reply.headers["cache-control"] == "no-cache"
        assert reply.headers["x-accel-buffering"] == "no"
        expected = b'id: 1\nretry: 1000\ndata: \n\nid: 2\ndata: {"n":1}\n\n'
        assert await reply.chunks(len(expected)) == expected
        gate.answers[0].finish(b'{"last":1}', 400)
        assert await reply.body() == b'data: {"last":1}\n\n'
        gate.answers[0].finish(b"again")
        gate.answers[0].send(b"again")
        it.send(post())  # the connection serves on
        assert (await it.reply()).status == 200
    assert gate.postings[0].left == 0


async def test_a_stream_written_at_once() -> None:
    def script(answer: Answer) -> None:
        answer.send(b"1")
        answer.finish(b"2")
        answer.finish(b"3")

    async with listening(ScriptedGate(script)) as listener:
        _, body = await ask(listener, post())
    assert body == b"data: 1\n\ndata: 2\n\n"


async def test_signs_of_life_while_a_post_waits() -> None:
    gate = ScriptedGate(silent)
    async with listening(gate, keepalive=0.2) as listener, client(listener) as it:
        it.send(post())
        reply = await it.reply()
        assert reply.headers["content-type"] == "text/event-stream"
        async with asyncio.timeout(0.15):  # the first comes with the head
            assert await reply.chunk() == b": keep-alive\n\n"
        assert await reply.chunk() == b": keep-alive\n\n"
        gate.answers[0].finish(b'{"late":1}', 404)
        assert (await reply.body()).endswith(b'data: {"late":1}\n\n')


async def test_an_answer_that_takes_its_time_may_begin_as_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    prompt(monkeypatch, 0.05)
    gate = ScriptedGate(silent)
    gate.on_waiting = lambda answer: answer.send(b"", "1")
    async with listening(gate) as listener, client(listener) as it:
        it.send(post())
        reply = await it.reply()
        assert await reply.chunk() == b"id: 1\nretry: 1000\ndata: \n\n"
        gate.answers[0].send(b"{}", "2")
        gate.answers[0].finish()
        assert await reply.body() == b"id: 2\ndata: {}\n\n"
    assert gate.postings[0].waited == 1


async def test_an_answer_may_take_its_time_and_be_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    prompt(monkeypatch, 0.02)
    gate = ScriptedGate(silent)
    async with listening(gate) as listener, client(listener) as it:
        it.send(post())
        await gate.asked.wait()
        await asyncio.sleep(0.1)
        gate.answers[0].finish(b"{}")
        reply = await it.reply()
        assert (reply.headers["content-type"], await reply.body()) == ("application/json", b"{}")
    assert gate.postings[0].waited == 1


async def test_a_get() -> None:
    """Its head is there before any event is."""
    gate = ScriptedGate(silent)
    async with listening(gate) as listener, client(listener) as it:
        it.send(head("GET", "/mcp", GET))
        reply = await it.reply()
        assert (reply.status, reply.headers["content-type"]) == (200, "text/event-stream")
        gate.answers[0].send(b"{}", "5")
        assert await reply.chunk() == b"id: 5\ndata: {}\n\n"
        gate.answers[0].finish()
        assert await reply.chunk() == b""
    assert gate.postings[0].left == 0


async def test_a_refused_get() -> None:
    gate = ScriptedGate(lambda answer: answer.finish(b"{}", 405, {"Allow": "POST"}))
    async with listening(gate) as listener:
        reply, body = await ask(listener, head("GET", "/mcp", GET))
    assert (reply.status, body, reply.headers["allow"]) == (405, b"{}", "POST")


async def test_an_old_client_gets_its_stream_to_the_end_of_the_connection() -> None:
    gate = ScriptedGate(lambda answer: answer.send(b"1"))
    async with listening(gate) as listener, client(listener) as it:
        it.send(post().replace(b"HTTP/1.1", b"HTTP/1.0"))
        reply = await it.reply()
        assert "transfer-encoding" not in reply.headers
        gate.answers[0].finish(b"2")
        assert await it.reader.read() == b"data: 1\n\ndata: 2\n\n"


@pytest.mark.parametrize("when", ["before the head", "after the head"])
@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_client_that_leaves(when: str, how: str) -> None:
    gate = ScriptedGate(silent if when == "before the head" else lambda answer: answer.send(b"{}"))
    async with listening(gate) as listener:
        async with client(listener) as it:
            it.send(post())
            await gate.asked.wait()
            if when == "after the head":
                await it.reply()
            if how == "close":
                it.writer.close()
            else:
                it.writer.transport.abort()
            async with asyncio.timeout(1):
                await gate.postings[0].gone.wait()
        gate.answers[0].send(b"nobody reads this")
        gate.answers[0].finish(b"nor this")
        await asyncio.sleep(0.02)
    assert gate.postings[0].left == 1


@pytest.mark.parametrize("when", ["before the head", "after the head"])
async def test_a_client_that_says_no_more_but_reads(when: str) -> None:
    gate = ScriptedGate(silent if when == "before the head" else lambda answer: answer.send(b"{}"))
    async with listening(gate) as listener, client(listener) as it:
        it.send(post())
        await gate.asked.wait()
        it.writer.write_eof()
        await asyncio.sleep(0.6)
        gate.answers[0].finish(b'{"late":1}')
        async with asyncio.timeout(5):
            assert b'{"late":1}' in await it.reader.read()
    assert gate.postings[0].left == 0


async def test_a_client_that_leaves_its_get_stream() -> None:
    gate = ScriptedGate(silent)
    async with listening(gate) as listener:
        async with client(listener) as it:
            it.send(head("GET", "/mcp", GET))
            await it.reply()
        async with asyncio.timeout(1):
            await gate.postings[0].gone.wait()
    assert gate.postings[0].left == 1


async def test_a_client_that_leaves_within_its_body() -> None:
    gate = ScriptedGate()
    async with listening(gate) as listener:
        async with client(listener) as it:
            it.send(post(b"x" * 100)[:-50])
            await asyncio.sleep(0.02)
        assert (await ask(listener, post()))[0].status == 200
    assert len(gate.bodies) == 1


async def test_a_client_that_does_not_read() -> None:
    gate = ScriptedGate(silent)
    async with listening(gate, buffer_bytes=100_000) as listener, client(listener) as it:
        it.send(head("GET", "/mcp", GET))
        await it.reply()
        (posting,) = gate.postings
        sent = 0
        while not posting.gone.is_set():
            gate.answers[0].send(b"x" * 10_000)
            sent += 10_000
            await asyncio.sleep(0)
            assert sent < 50_000_000, "nothing bounds what waits for this client"
        assert sent > 100_000
    assert posting.left == 1


async def test_a_message_larger_than_the_buffer() -> None:
    gate = ScriptedGate(lambda answer: answer.send(b"y" * 500_000))
    async with listening(gate, buffer_bytes=1000) as listener, client(listener) as it:
        it.send(post())
        reply = await it.reply()
        assert len(await reply.chunk()) == 500_008
        gate.answers[0].finish(b"end")
        assert await reply.body() == b"data: end\n\n"


async def test_a_gate_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    def script(answer: Answer) -> None:
        raise RuntimeError("a fault")

    gate = ScriptedGate(script)
    async with listening(gate) as listener:
        for request in (post(), head("GET", "/mcp", GET)):
            reply, body = await ask(listener, request)
            assert reply.status == 500
            assert json.loads(body)["error"] == {"code": -32603, "message": "Internal error"}
    assert "a fault" in caplog.text


async def test_requests_one_after_the_other_before_the_first_answer() -> None:
    gate = ScriptedGate(silent)
    async with listening(gate) as listener, client(listener) as it:
        it.send(post(b"1") + post(b"2", fields=POST))
        await gate.asked.wait()
        assert gate.bodies == [b"1"]
        gate.answers[0].finish(b"one")
        assert await (await it.reply()).body() == b"one"
        async with asyncio.timeout(1):
            while len(gate.answers) < 2:
                await asyncio.sleep(0)
        gate.answers[1].finish(b"two")
        assert await (await it.reply()).body() == b"two"
