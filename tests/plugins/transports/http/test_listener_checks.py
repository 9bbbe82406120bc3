"""Which requests the HTTP listener lets through."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket

import pytest
from pydantic import ValidationError

from only1mcp_sdk import Answer
from only1mcp_transports.http.checks import Refused, Rules, admits, check_host, fold
from only1mcp_transports.http.config import ListenerConfig
from tests.plugins.transports.http.listening import (
    GET,
    POST,
    Fields,
    ScriptedGate,
    ask,
    changed,
    client,
    head,
    listening,
    post,
)

JSON, EVENTS = "application/json", "text/event-stream"
ORIGIN = "https://app.example"

BOTH_LANES = True


@pytest.mark.parametrize(
    ("accept", "json_too", "events"),
    [
        ("*/*", True, True),
        ("application/json, text/event-stream", True, True),
        ("APPLICATION/JSON;q=0.5,text/*", True, True),
        ("application/json", True, False),
        ("text/event-stream, */*;q=0", False, True),
        ("*/*, text/event-stream;q=0", True, False),
        ("*/*, text/*;q=0.0", True, False),
        ("application/json;q=none, text/event-stream", False, True),
        ("application/json;q=nan, text/event-stream", False, True),
        ("application/jsonp, text/event-streams", False, False),
        ("", False, False),
        (";;,,=;q", False, False),
    ],
)
def test_accept(accept: str, json_too: bool, events: bool) -> None:
    assert (admits(accept, JSON), admits(accept, EVENTS)) == (json_too, events)


def test_headers_are_folded() -> None:
    assert fold([("Accept", "a"), ("ACCEPT", "b"), ("X", "1")]) == {"accept": "a, b", "x": "1"}
    assert fold([("X", "\udcff")]) == {"x": "\ufffd"}


def test_a_request_without_a_host() -> None:
    with pytest.raises(Refused, match="missing"):
        check_host({}, Rules(loopback=False))


@pytest.mark.parametrize(
    "name", ["Host", "origin", "Authorization", "Mcp-Session-Id", "mcp-anything", "Content-Type"]
)
def test_some_headers_may_occur_once_only(name: str) -> None:
    with pytest.raises(Refused, match="more than once"):
        fold([(name, "a"), (name.upper(), "a")])


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (POST, 200),
        (changed(POST, host="localhost:1"), 200),
        (changed(POST, host="LOCALHOST"), 200),
        (changed(POST, host="[::1]:8080"), 200),
        (changed(POST, host="extra.example:99"), 200),
        (changed(POST, host="ported.example:99"), 200),
        (changed(POST, host="ported.example"), 403),
        (changed(POST, host="evil.example"), 403),
        (changed(POST, host="localhost.evil.example"), 403),
        (changed(POST, host="localhost:80:80"), 403),
        (changed(POST, host="localhost@evil"), 403),
        (changed(POST, host="127.0.0.2"), 403),
        (changed(POST, host=""), 403),
        (changed(POST, origin="http://localhost:3000"), 200),
        (changed(POST, origin="https://[::1]"), 200),
        (changed(POST, origin=ORIGIN), 200),
        (changed(POST, origin="https://evil.example"), 403),
        (changed(POST, origin=ORIGIN + ".evil.example"), 403),
        (changed(POST, origin="http://localhost.evil.example"), 403),
        (changed(POST, origin="http://localhost:80@evil.example"), 403),
        (changed(POST, origin="null"), 403),
        (changed(POST, origin=""), 403),
        ([*POST, ("Origin", ORIGIN), ("Origin", ORIGIN)], 400),
        (changed(POST, accept=None), 200),
        (changed(POST, accept="application/json"), 406),
        (changed(POST, accept="text/event-stream"), 406),
        (changed(POST, accept="*/*, application/json;q=0"), 406),
        (changed(POST, content_type="Application/JSON; charset=utf-8"), 200),
        (changed(POST, content_type="text/plain"), 415),
        (changed(POST, content_type="application/json-patch"), 415),
        (changed(POST, content_type=None), 415),
        ([*POST, ("Authorization", "Bearer a"), ("authorization", "Bearer b")], 400),
        ([*POST, ("Mcp-Session-Id", "a"), ("mcp-session-id", "a")], 400),
        ([*POST, ("X-Other", "a"), ("x-other", "b")], 200),
    ],
)
async def test_a_post(fields: Fields, status: int) -> None:
    gate = ScriptedGate()
    hosts = ["Extra.example", "ported.example:99"]
    async with listening(gate, allowed_hosts=hosts, allowed_origins=[ORIGIN]) as listener:
        reply, body = await ask(listener, post(fields=fields))
        assert reply.status == status
        assert len(gate.bodies) == (status == 200)
        if status != 200:
            refused = json.loads(body)
            assert refused["id"] is None
            assert refused["error"]["code"] == -32600
            assert reply.headers["content-type"] == JSON
        # and the listener is well
        assert (await ask(listener, post()))[0].status == 200


@pytest.mark.parametrize(
    ("method", "target", "fields", "status"),
    [
        ("GET", "/mcp", GET, 200),
        ("GET", "/mcp", changed(GET, accept=None), 200),
        ("GET", "/mcp", changed(GET, accept="application/json"), 406),
        ("GET", "/mcp", changed(GET, host="evil.example"), 403),
        ("DELETE", "/mcp", GET, 204),
        ("DELETE", "/mcp", changed(GET, accept="x/y"), 204),
        ("HEAD", "/mcp", GET, 405),
        ("PUT", "/mcp", GET, 405),
        ("OPTIONS", "/mcp", GET, 405),
        ("GET", "/", GET, 404),
        ("GET", "/mcpx", GET, 404),
        ("GET", "/mcp/unknown", GET, 404),
        ("GET", "/mcp/team/deeper", GET, 404),
        ("GET", "/mcp/%ff", GET, 404),
        ("GET", "/mcp/%0d%0a", GET, 404),
        ("GET", "/MCP", GET, 404),
        ("GET", "/mcp/", GET, 200),
        ("GET", "/mcp/work", GET, 200),
        ("GET", "/mcp/w%6Frk?x=/y", GET, 200),
        ("GET", "/mcp/a%20b", GET, 200),
    ],
)
async def test_other_methods_and_paths(method: str, target: str, fields: Fields, status: int) -> None:
    gate = ScriptedGate(lambda answer: answer.finish(status=200))
    gate.profiles = frozenset({"default", "work", "a b"})
    async with listening(gate) as listener:
        async with client(listener) as it:
            it.send(head(method, target, fields))
            reply = await it.reply()
        assert reply.status == status
        if status == 405:
            assert reply.headers["allow"] == "GET, POST, DELETE"
        if method == "GET" and status == 200:
            profile = {"/mcp": "default", "/mcp/": "default", "/mcp/a%20b": "a b"}.get(target, "work")
            assert [each.profile for each in gate.arrivals] == [profile]


async def test_what_the_gate_learns_of_a_request() -> None:
    gate = ScriptedGate()
    async with listening(gate) as listener:
        await ask(listener, post(b'{"a":1}', [*POST, ("Mcp-Name", "caf\xe9")]))
    (arrival,) = gate.arrivals
    assert gate.bodies == [b'{"a":1}']
    assert (arrival.transport, arrival.profile, arrival.peer) == ("http", "default", "127.0.0.1")
    assert arrival.headers["content-type"] == JSON
    assert arrival.headers["mcp-name"] == "caf\ufffd"
    assert not arrival.local


async def test_what_the_url_asks_for_beside() -> None:
    gate = ScriptedGate()
    async with listening(gate) as listener:
        for target in ("/mcp", "/mcp?context=slim", "/mcp?context=a%20b", "/mcp?x=y&context=slim"):
            await ask(listener, post(target=target))
    assert [each.context for each in gate.arrivals] == ["", "slim", "a b", "slim"]


async def test_a_listener_at_the_root() -> None:
    gate = ScriptedGate()
    gate.profiles = frozenset({"default", "work"})
    async with listening(gate, path="/") as listener:
        assert listener.address.endswith("/")
        for target, status in (("/", 200), ("/work", 200), ("/other", 404), ("/a/b", 404)):
            assert (await ask(listener, post(target=target)))[0].status == status
    assert [each.profile for each in gate.arrivals] == ["default", "work"]


async def test_an_exposed_listener() -> None:
    gate = ScriptedGate()
    async with listening(gate, host="0.0.0.0") as listener:
        assert listener.exposed
        assert (await ask(listener, post(fields=changed(POST, host="any.example"))))[0].status == 200
        # What is local to the visitor's browser is not local to the gateway.
        assert (await ask(listener, post(fields=changed(POST, origin="http://localhost"))))[0].status == 403
    async with listening(gate, host="0.0.0.0", allowed_hosts=["one.example"]) as listener:
        assert (await ask(listener, post(fields=changed(POST, host="one.example:8080"))))[0].status == 200
        assert (await ask(listener, post(fields=changed(POST, host="localhost"))))[0].status == 403
        assert (await ask(listener, post(fields=changed(POST, host="0.0.0.0"))))[0].status == 403


async def test_a_listener_serves_its_own_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: object, **__: object) -> object:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    async with listening(ScriptedGate(), host="MyMachine") as listener:
        monkeypatch.undo()
        assert not listener.exposed
        for host, status in (
            ("mymachine:8080", 200),
            ("MyMachine", 200),
            ("localhost", 200),
            ("mymachine2", 403),
        ):
            assert (await ask(listener, post(fields=changed(POST, host=host))))[0].status == status


@pytest.mark.parametrize(
    ("rules", "host", "served"),
    [
        (Rules(loopback=True, hosts=frozenset({"127.0.0.2"})), "127.0.0.2:8080", True),
        (Rules(loopback=True, hosts=frozenset({"127.0.0.2"})), "127.0.0.3:8080", False),
        (Rules(loopback=False, hosts=frozenset({"[2001:db8::1]"})), "[2001:db8::1]:8080", True),
        (Rules(loopback=False, hosts=frozenset({"[2001:db8::1]"})), "[2001:db8::1", False),
    ],
)
def test_hosts(rules: Rules, host: str, served: bool) -> None:
    if served:
        check_host({"host": host}, rules)
    else:
        with pytest.raises(Refused):
            check_host({"host": host}, rules)


async def test_browsers_of_configured_origins() -> None:
    def stream(answer: Answer) -> None:
        answer.send(b"{}")
        answer.finish()

    gate = ScriptedGate()
    asking = [
        *GET,
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "mcp-param-x"),
    ]
    async with listening(gate, allowed_origins=[ORIGIN]) as listener:
        reply, _ = await ask(listener, head("OPTIONS", "/mcp", [*asking, ("Origin", ORIGIN)]))
        assert reply.status == 204
        assert reply.headers["access-control-allow-origin"] == ORIGIN
        assert reply.headers["access-control-allow-methods"] == "GET, POST, DELETE"
        assert reply.headers["access-control-allow-headers"] == "mcp-param-x"
        for origin in ("https://evil.example", "http://localhost"):
            reply, _ = await ask(listener, head("OPTIONS", "/mcp", [*asking, ("Origin", origin)]))
            assert reply.status == 405
            assert "access-control-allow-origin" not in reply.headers
        for fields, status in ((POST, 200), (changed(POST, accept="x/y"), 406)):
            reply, _ = await ask(listener, post(fields=[*fields, ("Origin", ORIGIN)]))
            assert reply.status == status
            assert reply.headers["access-control-allow-origin"] == ORIGIN
            assert "Mcp-Session-Id" in reply.headers["access-control-expose-headers"]
        gate.script = stream
        reply, _ = await ask(listener, post(fields=[*POST, ("Origin", ORIGIN)]))
        assert reply.headers["access-control-allow-origin"] == ORIGIN
        reply, _ = await ask(listener, post(fields=[*POST, ("Origin", "http://localhost")]))
        assert "access-control-allow-origin" not in reply.headers


class TestBodies:
    LIMIT = 1000

    def gate(self) -> ScriptedGate:
        gate = ScriptedGate()
        gate.message_limit = self.LIMIT
        return gate

    async def test_as_large_as_may_be(self) -> None:
        gate = self.gate()
        async with listening(gate) as listener:
            assert (await ask(listener, post(b"x" * self.LIMIT)))[0].status == 200
            assert gate.bodies == [b"x" * self.LIMIT]

    async def test_announced_as_too_large(self) -> None:
        """Refused before any of it has come."""
        gate = self.gate()
        async with listening(gate) as listener, client(listener) as it:
            it.send(head("POST", "/mcp", [*POST, ("Content-Length", str(self.LIMIT + 1))]))
            reply = await it.reply()
            assert reply.status == 413
            assert await reply.body() == gate.too_large()
            assert reply.headers["connection"] == "close"
            assert await it.ended()
        assert not gate.bodies

    async def test_growing_too_large(self) -> None:
        gate = self.gate()
        chunk = b"fa\r\n" + b"x" * 250 + b"\r\n"
        async with listening(gate) as listener, client(listener) as it:
            it.send(head("POST", "/mcp", [*POST, ("Transfer-Encoding", "chunked")]))
            for _ in range(5):
                it.send(chunk)
                await asyncio.sleep(0)
            assert (await it.reply()).status == 413  # although the end is still to come
        assert not gate.bodies

    async def test_in_chunks(self) -> None:
        gate = self.gate()
        async with listening(gate) as listener, client(listener) as it:
            it.send(head("POST", "/mcp", [*POST, ("Transfer-Encoding", "chunked")]) + b"3\r\nabc\r\n")
            await asyncio.sleep(0.02)
            it.send(b"1\r\nd\r\n0\r\n\r\n")
            assert (await it.reply()).status == 200
        assert gate.bodies == [b"abcd"]

    async def test_of_broken_chunks(self, caplog: pytest.LogCaptureFixture) -> None:
        gate = self.gate()
        async with listening(gate) as listener:
            async with client(listener) as it:
                it.send(head("POST", "/mcp", [*POST, ("Transfer-Encoding", "chunked")]) + b"zz\r\n")
                assert (await it.reply()).status == 400
            assert not gate.bodies
            assert (await ask(listener, post()))[0].status == 200
        assert not caplog.records

    @pytest.mark.parametrize("part", [b"1\r\na\r\n", b"zz\r\n"])
    async def test_that_never_end(self, part: bytes) -> None:
        gate = self.gate()
        async with listening(gate, body_timeout=0.1) as listener, client(listener) as it:
            it.send(head("POST", "/mcp", [*POST, ("Transfer-Encoding", "chunked")]) + b"1\r\na\r\n")
            await asyncio.sleep(0.02)
            it.send(part)
            reply = await it.reply()
            assert (reply.status, reply.headers["connection"]) == (408, "close")
        assert not gate.bodies

    async def test_compressed(self) -> None:
        gate = self.gate()
        zipped = [*POST, ("Content-Encoding", "gzip")]
        async with listening(gate) as listener:
            assert (await ask(listener, post(gzip.compress(b"{}"), zipped)))[0].status == 200
            assert (await ask(listener, post(gzip.compress(b" " * 10_000_000), zipped)))[0].status == 413
            assert (await ask(listener, post(gzip.compress(b" " * 1001), zipped)))[0].status == 413
            assert (await ask(listener, post(b"no gzip", zipped)))[0].status == 400
        assert gate.bodies == [b"{}"]

    async def test_that_wait_for_permission(self) -> None:
        gate = self.gate()
        expecting = [*POST, ("Content-Length", "2"), ("Expect", "100-continue")]
        async with listening(gate) as listener, client(listener) as it:
            it.send(head("POST", "/mcp", expecting))
            assert (await it.reply()).status == 100
            it.send(b"{}")
            assert (await it.reply()).status == 200
        async with listening(gate) as listener, client(listener) as it:
            it.send(head("POST", "/mcp", changed(expecting, content_length="1001")))
            assert (await it.reply()).status == 413


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00",
        b"POST /mcp",
        b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nA b",
        b"GET /mcp HTTP/1.1\r\nAccept: */*",
        b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nHost: localhost",
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2",
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1",
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked",
        b"GET /mcp HTTP/1.1\nHost: localhost\nAccept: */*",
        b"GET /mcp HTTP/1.1\r\nHost: localhost\nAccept: */*",
        b"GET /mcp HTTP/1.1\r\nHost: localhost\rAccept: */*",
        b"GET /mcp HTTP/1.1\r\nHost : localhost",
        b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nX: y\r\n folded",
        b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 10_000,
        b"GET /mcp HTTP/1.1\r\nHost: localhost" + b"\r\nX: x" * 200,
        b"GET /mcp/" + b"x" * 10_000 + b" HTTP/1.1\r\nHost: localhost",
        b"GET /mcp/\xe9 HTTP/1.1\r\nHost: localhost",
    ],
)
async def test_what_is_no_http(garbage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    gate = ScriptedGate()
    async with listening(gate) as listener:
        async with client(listener) as it:
            it.send(garbage + b"\r\n\r\n")
            assert (await it.reply()).status == 400
        assert (await ask(listener, post()))[0].status == 200
    assert len(gate.arrivals) == 1
    assert not caplog.records


@pytest.mark.parametrize(
    "options",
    [
        {"path": "mcp"},
        {"path": "/mcp/"},
        {"path": "/m cp"},
        {"path": ""},
        {"port": -1},
        {"port": 65536},
        {"port": "80"},
        {"host": ""},
        {"keepalive": 0},
        {"buffer_bytes": 0},
        {"allowed_origins": ["null"]},
        {"allowed_origins": ["https://app.example/"]},
        {"allowed_origins": ["app.example"]},
        {"allowed_hosts": ["http://gateway.example"]},
        {"allowed_hosts": ["*"]},
        {"ports": 1},
    ],
)
def test_options_that_make_no_sense(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ListenerConfig.model_validate(options)
