"""The statuses each revision prescribes, by a real gateway at one URL."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from only1mcp_sdk import Listener
from tests.kernel.gateway.servers import META, FakeServer
from tests.kernel.gateway.world import world
from tests.plugins.transports.http.listening import (
    GET,
    POST,
    Fields,
    Reply,
    ask,
    changed,
    head,
    listening,
    post,
)

LEGACY = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
MODERN = "2026-07-28"
CALL = {"name": "echo", "arguments": {}}


class Client:
    """Of one revision; a legacy one with a session."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.fields: Fields = []

    async def say(self, message: Any, **fields: str | None) -> tuple[Reply, Any]:
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        return decoded(await ask(self.listener, post(body, changed([*POST, *self.fields], **fields))))

    async def request(self, method: str, params: Any = None, **fields: str | None) -> tuple[int, Any]:
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
        reply, answer = await self.say(message, **fields)
        return reply.status, answer

    async def modern(self, method: str, params: Any = None, **fields: str | None) -> tuple[int, Any]:
        meta = {META + "protocolVersion": MODERN, META + "clientCapabilities": {}}
        name = {"mcp_name": params["name"]} if params and "name" in params else {}
        told = {"mcp_protocol_version": MODERN, "mcp_method": method, **name, **fields}
        return await self.request(method, {**(params or {}), "_meta": meta}, **told)

    async def bare(self, method: str, **fields: str | None) -> tuple[Reply, Any]:
        return decoded(
            await ask(self.listener, head(method, "/mcp", changed([*GET, *self.fields], **fields)))
        )

    async def initialize(self, revision: str) -> None:
        params = {
            "protocolVersion": revision,
            "capabilities": {},
            "clientInfo": {"name": "c", "version": "1"},
        }
        message = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
        reply, answer = await self.say(message)
        assert (reply.status, answer["result"]["protocolVersion"]) == (200, revision)
        session = reply.headers["mcp-session-id"]
        assert session.isascii()
        assert session.isprintable()
        assert " " not in session
        self.fields = [("Mcp-Session-Id", session)]
        if revision >= "2025-06-18":
            self.fields.append(("MCP-Protocol-Version", revision))


def decoded(answer: tuple[Reply, bytes]) -> tuple[Reply, Any]:
    reply, body = answer
    if reply.headers.get("content-type") == "text/event-stream":
        return reply, json.loads(body.rpartition(b"data: ")[2])
    return reply, json.loads(body) if body else None


@asynccontextmanager
async def met(tmp_path: Path, revision: str = "") -> AsyncIterator[Client]:
    async with (
        world(tmp_path, one=FakeServer(tools=[{"name": "echo"}])) as it,
        listening(it.gateway.gate) as listener,
    ):
        client = Client(listener)
        if revision:
            await client.initialize(revision)
        yield client


every_legacy = pytest.mark.parametrize("revision", LEGACY)


@every_legacy
async def test_what_is_no_request_is_accepted_without_a_body(tmp_path: Path, revision: str) -> None:
    async with met(tmp_path, revision) as client:
        for message in (
            {"method": "notifications/initialized"},
            {"method": "notifications/unheard-of"},
            {"id": 77, "result": {}},
            {"id": 78, "error": {"code": 1, "message": "m"}},
        ):
            reply, body = await client.say({"jsonrpc": "2.0", **message})
            assert (reply.status, body) == (202, None)
            assert "content-type" not in reply.headers


@every_legacy
async def test_errors_of_requests_are_answers(tmp_path: Path, revision: str) -> None:
    async with met(tmp_path, revision) as client:
        assert (await client.request("tools/list"))[0] == 200
        status, answer = await client.request("unheard-of")
        assert (status, answer["error"]["code"]) == (200, -32601)


@every_legacy
async def test_messages_that_are_none(tmp_path: Path, revision: str) -> None:
    async with met(tmp_path, revision) as client:
        for body, code in ((b"{", -32700), (b"[]", -32600), (b'{"jsonrpc":"2.0","id":1}', -32600)):
            reply, answer = await client.say(body)
            assert (reply.status, answer["error"]["code"]) == (400, code)


@every_legacy
async def test_sessions(tmp_path: Path, revision: str) -> None:
    async with met(tmp_path, revision) as client:
        assert (await client.request("ping", mcp_session_id=None))[0] == 400
        assert (await client.request("ping", mcp_session_id="unknown"))[0] == 404
        for method in ("GET", "DELETE"):
            assert (await client.bare(method, mcp_session_id=None))[0].status == 400
            assert (await client.bare(method, mcp_session_id="unknown"))[0].status == 404
        reply, body = await client.bare("DELETE")
        assert (reply.status, body) == (204, None)
        assert (await client.request("ping"))[0] == 404
        assert (await client.bare("GET"))[0].status == 404
        assert (await client.bare("DELETE"))[0].status == 404


@every_legacy
async def test_the_version_in_the_header(tmp_path: Path, revision: str) -> None:
    async with met(tmp_path, revision) as client:
        for version in ("1999-01-01", "2025-11-24", "x"):
            assert (await client.request("ping", mcp_protocol_version=version))[0] == 400
        assert (await client.request("ping", mcp_protocol_version=None))[0] == 200
        assert (await client.request("ping", mcp_protocol_version=revision))[0] == 200


@every_legacy
async def test_batches_belong_to_one_revision(tmp_path: Path, revision: str) -> None:
    async with met(tmp_path, revision) as client:
        reply, answer = await client.say([{"jsonrpc": "2.0", "id": 1, "method": "ping"}])
        if revision == "2025-03-26":
            assert (reply.status, answer) == (200, [{"jsonrpc": "2.0", "id": 1, "result": {}}])
            reply, answer = await client.say([{"jsonrpc": "2.0", "method": "notifications/initialized"}])
            assert (reply.status, answer) == (202, None)
        else:
            assert (reply.status, answer["error"]["code"]) == (400, -32600)


@pytest.mark.parametrize("revision", [*LEGACY, MODERN])
async def test_what_holds_for_all(tmp_path: Path, revision: str) -> None:
    async with met(tmp_path, "" if revision == MODERN else revision) as client:
        request = client.modern if revision == MODERN else client.request
        assert (await request("tools/list"))[0] == 200
        assert (await request("tools/list", origin="https://evil.example"))[0] == 403
        assert (await request("tools/list", host="evil.example"))[0] == 403
        assert (await request("tools/list", content_type="text/plain"))[0] == 415
        for accept in ("application/json", "text/event-stream", "text/html"):
            assert (await request("tools/list", accept=accept))[0] == 406
        assert (await client.bare("GET", accept="application/json"))[0].status == 406
        for method in ("PUT", "PATCH", "OPTIONS"):
            assert (await client.bare(method))[0].status == 405


async def test_2026_statuses(tmp_path: Path) -> None:
    async with met(tmp_path) as client:
        status, answer = await client.modern("tools/call", CALL)
        assert (status, answer["result"]["resultType"]) == (200, "complete")
        for method in ("unheard-of", "ping", "logging/setLevel", "resources/subscribe", "initialize"):
            status, answer = await client.modern(method)
            assert (status, answer["error"]["code"], answer["id"]) == (404, -32601, 1), method
        reply, body = await client.say(
            {"jsonrpc": "2.0", "method": "notifications/cancelled"}, mcp_protocol_version=MODERN
        )
        assert (reply.status, body) == (202, None)
        reply, _ = await client.say({"jsonrpc": "2.0", "id": 1, "result": {}}, mcp_protocol_version=MODERN)
        assert reply.status == 400
        for method in ("GET", "DELETE"):
            reply, _ = await client.bare(method, mcp_protocol_version=MODERN)
            assert (reply.status, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"mcp_protocol_version": None}, -32020),
        ({"mcp_protocol_version": "2025-11-25"}, -32020),
        ({"mcp_method": None}, -32020),
        ({"mcp_method": "tools/list"}, -32020),
        ({"mcp_method": "TOOLS/CALL"}, -32020),
        ({"mcp_name": None}, -32020),
        ({"mcp_name": "other"}, -32020),
        ({"mcp_name": "=?base64?b3RoZXI=?="}, -32020),
        ({"mcp_name": "=?base64?%%%?="}, -32020),
        ({"mcp_name": "=?base64?ZWNobw==?="}, 0),
        ({"mcp_session_id": "whatever", "last_event_id": "whatever"}, 0),
    ],
)
async def test_2026_headers(tmp_path: Path, fields: dict[str, str | None], code: int) -> None:
    async with met(tmp_path) as client:
        status, answer = await client.modern("tools/call", CALL, **fields)
        assert (status, answer.get("error", {}).get("code", 0)) == (400 if code else 200, code)


async def test_2026_versions(tmp_path: Path) -> None:
    async with met(tmp_path) as client:
        meta = {META + "protocolVersion": "2099-01-01", META + "clientCapabilities": {}}
        told = {"mcp_protocol_version": "2099-01-01", "mcp_method": "tools/list"}
        status, answer = await client.request("tools/list", {"_meta": meta}, **told)
        assert (status, answer["error"]["code"]) == (400, -32022)
        assert MODERN in answer["error"]["data"]["supported"]
        status, answer = await client.request(
            "tools/list", {}, mcp_protocol_version=MODERN, mcp_method="tools/list"
        )
        assert (status, answer["error"]["code"]) == (400, -32602)
