"""Resources and their subscriptions: whose they are, what is hidden, what lives on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.gateway.servers import META, FakeConnection, FakeServer, Json
from tests.kernel.gateway.world import World, started, until, world

ECHO: Json = {"name": "echo"}


class Hide:
    """A transform."""

    def apply(self, entries: Any) -> Any:
        return [each for each in entries if "secret" not in each.name]


async def test_updates_carry_the_uri_that_is_shown(tmp_path: Path) -> None:
    a, b = FakeServer("legacy"), FakeServer("legacy")
    for server in (a, b):
        server.lists["resources"] = [{"uri": "file:///both", "name": "x"}]
    async with world(tmp_path, a=a, b=b) as it:
        await it.gateway.settled(2)
        alias = "only1mcp://b/file%3A%2F%2F%2Fboth"
        legacy = it.http()
        await legacy.initialize()
        await legacy.legacy_result("resources/subscribe", {"uri": alias})
        stream, _ = legacy.stream()
        listening, posting = it.http().modern_posting(
            "subscriptions/listen", {"notifications": {"resourceSubscriptions": [alias]}}
        )
        await listening.until_sent("notifications/subscriptions/acknowledged")
        b.tell_all("notifications/resources/updated", {"uri": "file:///both", "title": "x"})
        for each in (stream, listening):
            told = await each.until_sent("notifications/resources/updated")
            assert told["params"]["uri"] == alias
            assert told["params"]["title"] == "x"
        posting.disconnected()
        legacy.post({"jsonrpc": "2.0", "id": 77, "method": "resources/unsubscribe", "params": {"uri": alias}})
        await until(lambda: b.calls("resources/unsubscribe"))


async def test_a_session_takes_its_subscriptions_with_it(tmp_path: Path) -> None:
    server = FakeServer("legacy")
    server.lists["resources"] = [{"uri": "file:///x", "name": "x"}]
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        client = it.http()
        await client.initialize()
        await client.legacy_result("resources/subscribe", {"uri": "file:///x"})
        (session,) = it.gateway._sessions
        it.gateway._sessions.end(session)
        await until(lambda: server.calls("resources/unsubscribe"))


async def test_a_listen_stream_that_ends_while_it_subscribes(tmp_path: Path) -> None:
    server = FakeServer("legacy")
    server.lists["resources"] = [{"uri": "file:///x", "name": "x"}]

    async def slow(connection: FakeConnection, params: Json) -> Json:
        await asyncio.sleep(0.1)
        return {}

    server.methods["resources/subscribe"] = slow
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        _, posting = it.http().modern_posting(
            "subscriptions/listen", {"notifications": {"resourceSubscriptions": ["file:///x"]}}
        )
        await until(lambda: server.calls("resources/subscribe"))
        posting.disconnected()
        await until(lambda: server.calls("resources/unsubscribe"))


async def test_listen_streams_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("only1mcp_kernel.gateway.clients.audience.MAX_LISTENINGS", 1)
    async with world(tmp_path, one=FakeServer()) as it:
        listen = {"notifications": {"toolsListChanged": True}}
        it.http().modern("subscriptions/listen", listen)
        refused = it.http().modern("subscriptions/listen", listen)
        assert "error" in await refused.done()
        assert refused.status == 503


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_subscriptions_survive_a_changed_server(tmp_path: Path, era: str) -> None:
    server = FakeServer(era)
    server.lists["resources"] = [{"uri": "file:///x", "name": "x"}]
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        client = it.http()
        await client.initialize()
        await client.legacy_result("resources/subscribe", {"uri": "file:///x"})
        stream, _ = client.stream()
        it.fingerprints["one"] = "2"
        await it.reload()
        await it.gateway.settled(2)
        await asyncio.sleep(0.6)
        server.tell_all("notifications/resources/updated", {"uri": "file:///x"})
        await stream.until_sent("notifications/resources/updated")


async def test_an_alias_leads_to_nothing_hidden(tmp_path: Path) -> None:
    server = FakeServer()
    server.lists["resources"] = [{"uri": "file:///open", "name": "o"}, {"uri": "file:///secret", "name": "s"}]
    server.methods["resources/read"] = lambda connection, params: {"contents": [params["uri"]]}
    it = World(tmp_path, {"a": server, "b": FakeServer()})
    it.transforms = {"hide": Hide()}
    it.server_options = {"a": {"transforms": ["hide"]}}
    async with started(it):
        await it.gateway.settled(2)
        client = it.http()
        assert "error" in await client.modern("resources/read", {"uri": "file:///secret"}).done()
        assert (
            "error"
            in await client.modern("resources/read", {"uri": "only1mcp://a/file%3A%2F%2F%2Fsecret"}).done()
        )


async def test_what_a_profile_hides_cannot_be_read_there(tmp_path: Path) -> None:
    server = FakeServer()
    server.lists["resources"] = [{"uri": "file:///open", "name": "o"}, {"uri": "file:///secret", "name": "s"}]
    server.lists["resourceTemplates"] = [{"uriTemplate": "secret://{x}", "name": "t"}]
    server.methods["resources/read"] = lambda connection, params: {"contents": [params["uri"]]}
    it = World(tmp_path, {"a": server, "b": FakeServer()})
    it.transforms = {"hide": Hide()}
    it.profiles = {"default": {}, "narrow": {"transforms": ["hide"]}}
    async with started(it):
        await it.gateway.settled(2)
        for uri in ("file:///secret", "secret://x"):
            assert "result" in await it.http().modern("resources/read", {"uri": uri}).done()
            hidden = await it.http(profile="narrow").modern("resources/read", {"uri": uri}).done()
            assert hidden["error"]["code"] == -32602


async def test_a_session_that_ends_while_it_subscribes(tmp_path: Path) -> None:
    server = FakeServer("legacy")
    server.lists["resources"] = [{"uri": "file:///x", "name": "x"}]

    async def slow(connection: FakeConnection, params: Json) -> Json:
        await asyncio.sleep(0.1)
        return {}

    server.methods["resources/subscribe"] = slow
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        client = it.http()
        await client.initialize()
        client.legacy("resources/subscribe", {"uri": "file:///x"})
        await until(lambda: server.calls("resources/subscribe"))
        (session,) = it.gateway._sessions
        it.gateway._sessions.end(session)
        await until(lambda: server.calls("resources/unsubscribe"))


async def test_meta_of_updates_is_kept(tmp_path: Path) -> None:
    server = FakeServer("legacy")
    server.lists["resources"] = [{"uri": "file:///x", "name": "x"}]
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        listening = it.http().modern(
            "subscriptions/listen", {"notifications": {"resourceSubscriptions": ["file:///x"]}}, id="L"
        )
        await listening.until_sent("notifications/subscriptions/acknowledged")
        server.tell_all("notifications/resources/updated", {"uri": "file:///x", "_meta": {"v": 1}})
        told = await listening.until_sent("notifications/resources/updated")
        assert told["params"]["_meta"] == {"v": 1, META + "subscriptionId": "L"}


async def test_subscriptions_survive_a_lost_link(tmp_path: Path) -> None:
    server = FakeServer("legacy")
    server.lists["resources"] = [{"uri": "file:///x", "name": "x"}]
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        client = it.http()
        await client.initialize()
        await client.legacy_result("resources/subscribe", {"uri": "file:///x"})
        server.open_connections()[0].die()
        await asyncio.sleep(1.0)
        stream, _ = client.stream()
        server.tell_all("notifications/resources/updated", {"uri": "file:///x"})
        await stream.until_sent("notifications/resources/updated")


async def test_a_profile_that_is_gone_has_no_listen_streams(tmp_path: Path) -> None:
    async with world(tmp_path, one=FakeServer()) as it:
        last = it.http(profile="gone").modern("subscriptions/listen", {"notifications": {}})
        assert "error" in await last.done()


async def test_a_profile_that_is_removed_leaves_no_subscription(tmp_path: Path) -> None:
    server = FakeServer("legacy")
    server.lists["resources"] = [{"uri": "file:///a", "name": "a"}]
    it = World(tmp_path, {"one": server})
    it.profiles = {"default": {}, "other": {}}
    async with started(it):
        await it.gateway.settled(2)
        wanted = {"notifications": {"resourceSubscriptions": ["file:///a"]}}
        stream = it.http(profile="other").modern("subscriptions/listen", wanted)
        await stream.until_sent("notifications/subscriptions/acknowledged")
        del it.profiles["other"]
        await it.reload()
        await stream.done()
        await until(lambda: server.calls("resources/unsubscribe"))


async def test_a_subscription_is_answered_when_its_server_is_replaced(tmp_path: Path) -> None:
    server = FakeServer("legacy")
    server.lists["resources"] = [{"uri": "file:///a", "name": "a"}]
    it = World(tmp_path, {"one": server})
    it.server_options["one"] = {"isolation": "session"}
    async with started(it):
        await it.gateway.settled(2)
        client = it.http()
        await client.initialize()
        server.silent = True  # so that the session's own link does not come up
        answer = client.legacy("resources/subscribe", {"uri": "file:///a"})
        await until(lambda: len(server.connections) == 2)
        it.fingerprints["one"] = "2"
        await it.reload()
        assert (await answer.done())["error"]["code"] == -32603
