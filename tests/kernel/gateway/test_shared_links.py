"""A link that several principals share, and a server that does not say whom it means: it means nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.kernel.gateway.servers import FakeConnection, FakeServer, Json
from tests.kernel.gateway.world import SDK_CAPS, HttpClient, Recorder, World, started, until

CALL: Json = {"name": "t"}


@asynccontextmanager
async def shared(
    tmp_path: Path, server: FakeServer
) -> AsyncIterator[tuple[World, HttpClient, HttpClient, Recorder]]:
    """A gateway, Alice without a session, and Bob with one, who used the link first, and his stream."""
    server.lists["tools"] = [CALL]
    server.lists["resourceTemplates"] = [{"uriTemplate": "file:///{x}", "name": "x"}]
    it = World(tmp_path, {"one": server})
    it.authenticated = True
    it.server_options = {"one": {"isolation": "shared"}}
    async with started(it):
        await it.gateway.settled(2)
        alice, bob = (it.http(token=token, capabilities=SDK_CAPS) for token in ("alice", "bob"))
        await bob.initialize()
        stream, _ = bob.stream()
        await bob.legacy_result("tools/call", CALL)
        yield it, alice, bob, stream


async def test_a_question_after_the_answer_is_for_nobody(tmp_path: Path) -> None:
    server = FakeServer("legacy")
    async with shared(tmp_path, server) as (_, alice, _, stream):
        connection = server.open_connections()[0]
        await alice.modern_result("tools/call", CALL)
        answer = connection.ask("elicitation/create", {"message": "for Alice"})
        assert (await asyncio.wait_for(answer, 1))["result"] == {"action": "cancel"}
        assert not stream.sent


async def test_logs_stop_when_a_second_principal_comes(tmp_path: Path) -> None:
    server = FakeServer("legacy")
    async with shared(tmp_path, server) as (_, alice, _, stream):
        connection = server.open_connections()[0]
        connection.tell("notifications/message", {"level": "error", "data": "of Bob"})
        await stream.until_sent("notifications/message")
        await alice.modern_result("tools/call", CALL)
        connection.tell("notifications/message", {"level": "error", "data": "of Alice"})
        connection.tell("notifications/of/its/own", {"data": "of Alice"})
        await asyncio.sleep(0.05)
        assert [each["params"]["data"] for each in stream.sent] == ["of Bob"]


@pytest.mark.parametrize("how", ["given up", "answered"])
async def test_a_question_is_not_passed_on_to_another_principal(tmp_path: Path, how: str) -> None:
    server = FakeServer("legacy")

    async def never(connection: FakeConnection, params: Json) -> Json:
        await asyncio.sleep(60)
        return {}

    async with shared(tmp_path, server) as (_, alice, bob, stream):
        server.methods["tools/call"] = never
        _, posting = alice.modern_posting("tools/call", CALL)
        await until(lambda: len(server.calls("tools/call")) == 2)
        connection = server.open_connections()[0]
        answer = connection.ask("elicitation/create", {"message": "for Alice"})  # whose call is the only one
        own = bob.legacy("tools/call", CALL)
        if how == "given up":
            posting.disconnected()
        else:
            id = server.calls("tools/call")[1]["id"]
            connection.deliver({"jsonrpc": "2.0", "id": id, "result": {"content": []}})
        assert (await asyncio.wait_for(answer, 1))["result"] == {"action": "cancel"}
        assert not own.sent
        assert not stream.sent


async def test_a_wide_subscription_tells_nothing_of_others(tmp_path: Path) -> None:
    server = FakeServer("legacy")
    async with shared(tmp_path, server) as (it, _, bob, stream):
        connection = server.open_connections()[0]
        await bob.legacy_result("resources/subscribe", {"uri": "file:///dir"})
        connection.tell("notifications/resources/updated", {"uri": "file:///dir/own"})
        connection.tell("notifications/resources/updated", {"uri": "file:///directory"})
        await stream.until_sent("notifications/resources/updated")
        other = it.http(token="alice")
        await other.initialize()
        others_stream, _ = other.stream()
        await other.legacy_result("resources/subscribe", {"uri": "file:///dir/secret"})
        connection.tell("notifications/resources/updated", {"uri": "file:///dir/secret"})
        await others_stream.until_sent("notifications/resources/updated")
        assert [each["params"]["uri"] for each in stream.sent] == ["file:///dir/own"]
