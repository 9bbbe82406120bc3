"""Subscriptions with modern servers: what they acknowledge, and streams that take over from each other."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from only1mcp_kernel.gateway.clients import audience
from only1mcp_kernel.gateway.servers import watching
from tests.kernel.gateway.servers import META, FakeConnection, FakeServer, Json
from tests.kernel.gateway.world import HttpClient, Recorder, until, world

UPDATED = "notifications/resources/updated"
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"


def a_server(era: str = "modern") -> FakeServer:
    server = FakeServer(era)
    server.lists["resources"] = [{"uri": f"file:///{name}", "name": name} for name in "abc"]
    return server


def listen(client: HttpClient, *names: str) -> Recorder:
    uris = [f"file:///{name}" for name in names]
    return client.modern("subscriptions/listen", {"notifications": {"resourceSubscriptions": uris}})


async def honoured(stream: Recorder) -> Any:
    acknowledged = await stream.until_sent(ACKNOWLEDGED)
    return acknowledged["params"]["notifications"].get("resourceSubscriptions", [])


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_what_a_server_refuses_is_not_acknowledged(tmp_path: Path, era: str) -> None:
    server = a_server(era)
    server.refused_uris.add("file:///b")

    def subscribe(connection: FakeConnection, params: Json) -> Json:
        if params["uri"] in server.refused_uris:
            from tests.kernel.gateway.servers import RpcError

            raise RpcError(-32602, "not this one")
        return {}

    server.methods["resources/subscribe"] = subscribe
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        assert await honoured(listen(it.http(), "a", "b", "c")) == ["file:///a", "file:///c"]


async def test_an_acknowledgement_does_not_wait_for_silent_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audience, "ACKNOWLEDGE_SECONDS", 0.2)
    silent, quick = a_server("legacy"), FakeServer("legacy")
    quick.lists["resources"] = [{"uri": "file:///q", "name": "q"}]
    silent.methods["resources/subscribe"] = lambda connection, params: asyncio.sleep(60)
    async with world(tmp_path, silent=silent, quick=quick) as it:
        await it.gateway.settled(2)
        assert await honoured(listen(it.http(), "a", "q")) == ["file:///q"]


async def test_a_wider_stream_takes_over_without_loss_or_repetition(tmp_path: Path) -> None:
    server = a_server()
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        first = listen(it.http(), "a")
        assert await honoured(first) == ["file:///a"]
        (connection,) = server.open_connections("modern")
        second = listen(it.http(), "b")
        assert await honoured(second) == ["file:///b"]
        assert len(connection.listening) == 2  # one takes over
        old, new = connection.listening
        tell = {"uri": "file:///a"}
        connection.publish_on(old, UPDATED, tell)
        connection.publish_on(new, UPDATED, tell)
        await until(lambda: len(connection.listening) == 1, 3)
        assert new in connection.listening
        connection.updated("file:///b")
        await second.until_sent(UPDATED)
        await asyncio.sleep(0.05)
        assert [each["method"] for each in first.sent] == [ACKNOWLEDGED, UPDATED]
        assert [each["method"] for each in second.sent] == [ACKNOWLEDGED, UPDATED]


async def test_what_only_the_narrower_stream_told_is_heard(tmp_path: Path) -> None:
    server = a_server()
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        first = listen(it.http(), "a")
        await honoured(first)
        (connection,) = server.open_connections("modern")
        second = listen(it.http(), "b")
        await honoured(second)
        old, new = connection.listening
        connection.publish_on(new, UPDATED, {"uri": "file:///a"})
        connection.publish_on(old, UPDATED, {"uri": "file:///a"})
        connection.publish_on(old, UPDATED, {"uri": "file:///a"})
        await first.until_sent(UPDATED, 2)


async def test_the_last_to_leave_ends_the_subscription(tmp_path: Path) -> None:
    server = a_server()
    server.capabilities = {"resources": {"subscribe": True}}
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        client = it.http()
        params = {"notifications": {"resourceSubscriptions": ["file:///a"]}}
        streams = [client.modern_posting("subscriptions/listen", params) for _ in range(2)]
        for answer, _ in streams:
            assert await honoured(answer) == ["file:///a"]
        (connection,) = server.open_connections("modern")
        assert len(connection.listening) == 1
        streams[0][1].disconnected()
        await asyncio.sleep(0.05)
        assert len(connection.listening) == 1
        streams[1][1].disconnected()
        await until(lambda: not connection.listening)


async def test_updates_are_tagged_with_the_clients_own_request(tmp_path: Path) -> None:
    server = a_server()
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        client = it.http()
        params = {"notifications": {"resourceSubscriptions": ["file:///a"]}}
        stream = client.modern("subscriptions/listen", params, id="mine")
        await honoured(stream)
        server.open_connections("modern")[0].updated("file:///a")
        told = await stream.until_sent(UPDATED)
        assert told["params"]["_meta"] == {META + "subscriptionId": "mine"}


async def test_nothing_is_told_before_the_acknowledgement(tmp_path: Path) -> None:
    server = a_server("legacy")
    subscribing = asyncio.Event()

    async def subscribe(connection: FakeConnection, params: Json) -> Json:
        await subscribing.wait()
        return {}

    server.methods["resources/subscribe"] = subscribe
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        wanted = {"toolsListChanged": True, "resourceSubscriptions": ["file:///a"]}
        stream = it.http().modern("subscriptions/listen", {"notifications": wanted})
        other = it.http().modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
        await until(lambda: server.calls("resources/subscribe"))
        server.tell_all("notifications/tools/list_changed")
        await other.until_sent("notifications/tools/list_changed")
        assert stream.sent == []
        subscribing.set()
        await stream.until_sent("notifications/tools/list_changed")
        assert stream.sent[0]["method"] == ACKNOWLEDGED


async def test_a_stream_that_the_server_cancels_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "FIRST_PAUSE", 0.05)
    server = a_server()
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        stream = listen(it.http(), "a")
        assert await honoured(stream) == ["file:///a"]
        (connection,) = server.open_connections("modern")
        await until(lambda: len(connection.listening) == 1)
        (id,) = connection.listening
        connection.listening.clear()
        connection.tell("notifications/cancelled", {"requestId": id})
        await until(lambda: connection.listening)
        connection.updated("file:///a")
        await stream.until_sent(UPDATED)


async def test_a_refused_stream_costs_those_nothing_who_listen_already(tmp_path: Path) -> None:
    class Refusing(FakeConnection):
        def _listen(self, id: Any, wanted: Json) -> None:
            if "file:///b" in wanted.get("resourceSubscriptions", []):
                error = {"code": -32602, "message": "there is no b"}
                self.deliver({"jsonrpc": "2.0", "id": id, "error": error})
            else:
                super()._listen(id, wanted)

    server = a_server()
    server.connection_type = Refusing
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        first = listen(it.http(), "a")
        assert await honoured(first) == ["file:///a"]
        (connection,) = server.open_connections("modern")
        for _ in range(2):
            assert await honoured(listen(it.http(), "b")) == []
        connection.updated("file:///a")
        await first.until_sent(UPDATED)
        assert await honoured(listen(it.http(), "a", "c")) == ["file:///a", "file:///c"]
        await until(lambda: len(connection.listening) == 1)
        connection.updated("file:///a")
        await first.until_sent(UPDATED, 2)


async def test_what_changed_while_there_was_no_stream_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "FIRST_PAUSE", 0.1)
    changed = "notifications/tools/list_changed"
    server = FakeServer("modern", tools=[{"name": "t"}])
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        client = it.http()
        stream = client.modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
        (connection,) = server.open_connections("modern")
        for tools in (["t", "u"], ["t", "u"]):
            await until(lambda: connection.listening)
            (id,) = connection.listening
            connection.listening.clear()
            connection.deliver({"jsonrpc": "2.0", "id": id, "result": {"resultType": "complete"}})
            server.lists["tools"] = [{"name": name} for name in tools]
            await stream.until_sent(changed)
            assert (await client.modern_result("tools/list"))["tools"] == server.lists["tools"]
        await until(lambda: connection.listening)
        await asyncio.sleep(0.05)
        assert len([each for each in stream.sent if each["method"] == changed]) == 1
