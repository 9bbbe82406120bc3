"""Subscriptions: whoever subscribed hears of each change once, nobody else does, and servers are asked for exactly what
somebody wants, while clients come and go, links die and servers refuse."""

from __future__ import annotations

import asyncio
import itertools
from functools import partial
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from only1mcp_sdk import Arrival
from tests.kernel.gateway.servers import META, FakeConnection, Json, RpcError
from tests.property.machines import Ear, GatewayMachine, HoldingServer, post

URIS = ["res://a", "res://b", "res://c"]
picks = st.integers(0, 10**6)
PAUSES = st.sampled_from([0.0, 0.1, 0.3, 0.6])
uris = st.sampled_from(URIS)
QUIET = 40.0
"""Seconds after which everything that had to be tried again has been."""


class Listener:
    """A client that may hear: a legacy session with its GET stream, or a modern listen stream."""

    def __init__(self, token: str, session: str, ear: Ear, posting: Any) -> None:
        self.token = token
        self.session = session
        self.ear = ear
        self.posting = posting
        self.asked: list[tuple[str, str, Ear]] = []
        """Requests without an answer: method, URI."""
        self.told: set[str] = set()
        """What it subscribed to, as far as it was told."""
        self.alive = True

    def settle(self) -> None:
        """Take in what was answered."""
        for method, uri, ear in [each for each in self.asked if each[2].finished]:
            self.asked.remove((method, uri, ear))
            if ear.last is not None and "result" in ear.last:
                (self.told.add if method == "resources/subscribe" else self.told.discard)(uri)
        for each in self.ear.told("notifications/subscriptions/acknowledged"):
            self.told = set(each["params"]["notifications"].get("resourceSubscriptions", []))

    def heard(self, uri: str) -> int:
        found = self.ear.told("notifications/resources/updated")
        return sum(each["params"]["uri"] == uri for each in found)


class Subscribing(GatewayMachine):
    @initialize(
        era=st.sampled_from(["legacy", "modern"]), isolation=st.sampled_from(["auto", "shared", "session"])
    )
    def start(self, era: str, isolation: str) -> None:
        self.server = HoldingServer(era)
        self.server.methods["resources/subscribe"] = self.subscribed
        self.server.methods["resources/unsubscribe"] = self.unsubscribed
        self.upstream: dict[FakeConnection, set[str]] = {}
        self.refused: set[str] = set()
        self.doubtful: set[str] = set()
        """What was ever refused: it may have been given up, and taken up again by nobody."""
        self.delay = 0.0
        self.numbers = itertools.count(1)
        self.listeners: list[Listener] = []
        options = {"isolation": isolation, "list_timeout": 2.0}
        self.begin({"one": self.server}, lambda world: world.server_options.update(one=options))

    # -- the server

    def subscribed(self, connection: FakeConnection, params: Json) -> Any:
        if params["uri"] in self.refused:
            raise RpcError(-1, "no")
        self.upstream.setdefault(connection, set()).add(params["uri"])
        return self.later()

    def unsubscribed(self, connection: FakeConnection, params: Json) -> Any:
        self.upstream.setdefault(connection, set()).discard(params["uri"])
        return self.later()

    def later(self) -> Any:
        if not self.delay:
            return {}

        async def answer() -> Json:
            await asyncio.sleep(self.delay)
            return {}

        return answer()

    @rule(delay=st.sampled_from([0.0, 0.5, 0.5, 1.0]))
    def it_answers_after(self, delay: float) -> None:
        self.delay = delay

    @rule(uri=uris, refuses=st.booleans())
    def it_refuses(self, uri: str, refuses: bool) -> None:
        self.doubtful.add(uri)
        (self.refused.add if refuses else self.refused.discard)(uri)
        (self.server.refused_uris.add if refuses else self.server.refused_uris.discard)(uri)

    @precondition(lambda self: self.server.open_connections())
    @rule(pick=picks)
    def a_connection_dies(self, pick: int) -> None:
        open = self.server.open_connections()
        self.act(open[pick % len(open)].die)
        self.be_quiet()

    # -- clients

    @rule(token=st.sampled_from(["alice", "bob"]))
    def initialize(self, token: str) -> None:
        ear, stream = Ear(), Ear()
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}}
        self.act(
            partial(post, self.world, {"id": 0, "method": "initialize", "params": hello}, token, {}, ear)
        )
        session = ear.headers["Mcp-Session-Id"]
        arrival = Arrival("http", "default", {"authorization": f"Bearer {token}", "mcp-session-id": session})
        posting = self.act(lambda: self.world.gateway.gate.stream(arrival, stream))
        self.listeners.append(Listener(token, session, stream, posting))

    def sessions(self) -> list[Listener]:
        return [each for each in self.listeners if each.session and each.alive]

    @precondition(lambda self: self.sessions())
    @rule(pick=picks, uri=uris, method=st.sampled_from(["subscribe", "subscribe", "unsubscribe"]))
    def ask(self, pick: int, uri: str, method: str) -> None:
        """One thing at a time for each resource; others may be asked about it at the same time."""
        it = self.sessions()[pick % len(self.sessions())]
        it.settle()
        if any(each == uri for _, each, _ in it.asked):
            return
        ear = Ear()
        message = {"id": next(self.numbers), "method": f"resources/{method}", "params": {"uri": uri}}
        it.asked.append((f"resources/{method}", uri, ear))
        self.act(lambda: post(self.world, message, it.token, {"mcp-session-id": it.session}, ear))

    @rule(
        token=st.sampled_from(["alice", "bob"]),
        uri=uris,
        steps=st.lists(
            st.tuples(st.integers(0, 1), st.sampled_from(["subscribe", "unsubscribe"]), PAUSES), min_size=3
        ),
    )
    def two_windows(self, token: str, uri: str, steps: list[tuple[int, str, float]]) -> None:
        """Of one principal, want the same at the same time."""
        self.initialize(token)
        self.initialize(token)
        at = len(self.sessions()) - 2
        for window, method, pause in steps:
            self.ask(at + window, uri, method)
            self.loop.pass_time(pause)

    @rule(token=st.sampled_from(["alice", "bob"]), wanted=st.sets(uris, min_size=1))
    def listen(self, token: str, wanted: set[str]) -> None:
        ear = Ear()
        meta = {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": {}}
        params = {"_meta": meta, "notifications": {"resourceSubscriptions": sorted(wanted)}}
        message = {"id": next(self.numbers), "method": "subscriptions/listen", "params": params}
        headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": "subscriptions/listen"}
        posting = self.act(lambda: post(self.world, message, token, headers, ear))
        self.listeners.append(Listener(token, "", ear, posting))

    @precondition(lambda self: any(each.alive for each in self.listeners))
    @rule(pick=picks)
    def leave(self, pick: int) -> None:
        alive = [each for each in self.listeners if each.alive]
        it = alive[pick % len(alive)]
        it.alive = False
        if it.session:
            headers = {"authorization": f"Bearer {it.token}", "mcp-session-id": it.session}
            self.act(lambda: self.world.gateway.gate.end(Arrival("http", "default", headers), Ear()))
        else:
            self.act(it.posting.disconnected)

    @rule(pick=picks)
    def reload(self, pick: int) -> None:
        if pick % 3 == 1:
            self.world.fingerprints["one"] = str(next(self.numbers))
            self.loop.run_until_complete(self.world.reload())
            self.be_quiet()

    # -- changes

    @rule(seconds=st.sampled_from([0.1, 0.3, 0.6, 1.1, QUIET]))
    def time_passes(self, seconds: float) -> None:
        self.loop.pass_time(seconds)

    @rule(uri=uris)
    def it_changes(self, uri: str) -> None:
        """Whoever has been told that they are subscribed hears of it once, however much is under way."""
        for each in self.listeners:
            each.settle()
        before = [each.heard(uri) for each in self.listeners]
        for connection in self.server.open_connections():
            if connection.era == "modern":
                self.act(partial(connection.updated, uri))
            elif uri in self.upstream.get(connection, ()):
                self.act(partial(connection.tell, "notifications/resources/updated", {"uri": uri}))
        for each, count in zip(self.listeners, before, strict=True):
            heard = each.heard(uri) - count
            asked = [one for one in each.asked if one[1] == uri]
            assert heard <= 1
            if not each.alive or (not asked and each.session and uri not in each.told):
                assert heard == 0, "it did not ask for this"
            if each.alive and not asked and uri in each.told and uri not in self.doubtful:
                assert heard == 1, "it was subscribed"

    @rule()
    def be_quiet(self) -> None:
        """Once everything has settled, servers have exactly the subscriptions that somebody wants."""
        self.loop.pass_time(QUIET)
        wanted: set[str] = set()
        for each in self.listeners:
            each.settle()
            assert not each.asked or not each.alive
            if each.alive:
                wanted |= each.told
        open = self.server.open_connections()
        if self.server.eras == ("legacy",):
            at_server = set().union(*(self.upstream.get(each, set()) for each in open))
        else:
            streams = [list(each.listening.values()) for each in open]
            assert self.refused or all(len(each) <= 1 for each in streams)  # what is refused is tried again
            at_server = {
                uri for each in streams for one in each for uri in one.get("resourceSubscriptions", [])
            }
        assert at_server - wanted == set(), "nobody wants these"
        assert wanted - at_server <= self.doubtful, "somebody wants these"

    def at_end(self) -> None:
        self.be_quiet()
        for each in self.listeners:
            if each.alive:
                each.alive = False
                if not each.session:
                    self.act(each.posting.disconnected)
        gateway = self.world.gateway
        self.act(lambda: gateway._sessions.close())
        self.be_quiet()
        for server in gateway._in_force().servers.values():
            assert not server.subscriptions._wanted
            assert not [link.subscriptions for link in server.links if link.subscriptions]
        assert len(gateway._clients) == 0


TestSubscribing = Subscribing.TestCase
TestSubscribing.settings = settings(max_examples=40, stateful_step_count=40)


def test_one_window_leaves_while_another_joins() -> None:
    it = Subscribing()
    it.start("legacy", "auto")
    it.it_answers_after(0.5)
    it.two_windows("alice", URIS[0], [(0, "subscribe", 0.3), (1, "subscribe", 0.3), (0, "unsubscribe", 0.1)])
    it.be_quiet()
    it.it_changes(URIS[0])
    assert [each.heard(URIS[0]) for each in it.listeners] == [0, 1]
    it.teardown()
