"""Links: leased, lost, retired, released and closed in any order. Every connection that was opened is closed, nobody
is given another's, and nothing is left waiting."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from only1mcp_kernel.gateway.servers.endpoint import Endpoint
from only1mcp_kernel.gateway.servers.link import Link
from only1mcp_kernel.gateway.servers.sharing import Terms, owner_name
from only1mcp_kernel.protocol.capabilities import read_client
from only1mcp_kernel.tasks import Tasks
from only1mcp_kernel.wire.envelope import Envelope
from only1mcp_sdk import Caller, ConnectFailed, Connection, Era, Inbox, Json, Members, Principal, Question
from tests.property.machines import HoldingConnection, HoldingServer, LoopMachine

picks = st.integers(0, 10**6)
ROOTS = b'{"roots":{}}'
CAPABILITIES = [b"{}", ROOTS, ROOTS, b'{"sampling":{},"elicitation":{}}']
NEVER = 3600.0


class SlowConnector:
    """Reaches the server when it likes."""

    target = "memory"

    def __init__(self, server: HoldingServer) -> None:
        self.server = server
        self.delay = 0.0
        self.fails = False

    async def connect(self, inbox: Inbox) -> Connection:
        await asyncio.sleep(self.delay)
        if self.fails:
            raise ConnectFailed("nobody is there")
        connection = HoldingConnection(self.server, inbox)
        self.server.connections.append(connection)
        return connection


class Owner:
    """Whom the endpoint belongs to."""

    def __init__(self) -> None:
        self.endpoint: Endpoint
        self.roots_from: dict[Link, str] = {}

    def endpoint_up(self, endpoint: Endpoint) -> None: ...

    def endpoint_down(self, endpoint: Endpoint, problem: str) -> None: ...

    def asked(self, link: Link, id: Json, question: Question, stream: int | None) -> None:
        self.endpoint.roots_asked(link, self.roots_from.get(link) or link.opener)
        link.reply(id, result=b'{"roots":[]}')

    def withdrew(self, link: Link, id: Json) -> None: ...

    def notified(self, link: Link, message: Envelope, params: Members) -> None: ...


class Lease:
    """Somebody who wants a link, and perhaps has one."""

    def __init__(self, caller: Caller, task: asyncio.Task[Link]) -> None:
        self.caller = caller
        self.task = task


class Links(LoopMachine):
    @initialize(
        isolation=st.sampled_from(["auto", "auto", "auto", "shared", "principal", "session"]),
        eras=st.sampled_from([("legacy",), ("modern",), ("legacy", "modern")]),
        era=st.sampled_from([None, None, "legacy", "modern"]),
    )
    def begin(self, isolation: Any, eras: tuple[str, ...], era: Era | None) -> None:
        self.isolation = isolation
        self.server = HoldingServer(*eras)
        self.connector = SlowConnector(self.server)
        self.log = logging.getLogger("tests.links")
        self.tasks = Tasks(self.log)
        owner = Owner()
        terms = Terms(era=era, isolation=isolation, connect_timeout=5.0, idle_stop=60.0)
        self.endpoint = owner.endpoint = Endpoint("r0", 1, self.connector, terms, owner, self.tasks, self.log)
        self.leases: list[Lease] = []
        self.given: dict[Link, list[Caller]] = {}
        self.ended: set[str] = set()
        self.closed = False
        self.act(lambda: self.tasks.spawn(self.endpoint.supervise(), "supervise"))
        self.loop.pass_time(0.1)

    @rule(
        who=st.sampled_from(["alice", "bob"]),
        window=st.sampled_from(["", "1", "1", "2", "2"]),
        raw=st.sampled_from(CAPABILITIES),
    )
    def lease(self, who: str, window: str, raw: bytes) -> None:
        if self.closed:
            return
        session = self.session(who, window) if window else ""
        era: Era = "legacy" if window else "modern"
        revision = "2025-11-25" if window else "2026-07-28"
        caller = Caller(Principal(who), era, revision, "default", read_client(raw), session=session)
        self.leases.append(
            Lease(caller, self.act(lambda: self.tasks.start(self.endpoint.lease(caller), "lease")))
        )
        self.take_what_came()

    @rule(who=st.sampled_from(["alice", "bob"]), other=st.booleans())
    def two_windows_and_roots(self, who: str, other: bool) -> None:
        """Of one principal, or of two; the first is asked for its roots."""
        self.lease(who, "1", ROOTS)
        self.the_server_asks_for_roots(0)
        self.lease("bob" if other else who, "2", ROOTS)

    def session(self, who: str, window: str) -> str:
        """The session of a window; a new one after the last has ended."""
        return f"{who}{window}.{sum(each.startswith(who + window) for each in self.ended)}"

    def take_what_came(self) -> None:
        for lease in [each for each in self.leases if each.task.done()]:
            self.leases.remove(lease)
            if not lease.task.cancelled() and lease.task.exception() is None:
                self.got(lease.task.result(), lease.caller)
            elif not lease.task.cancelled():
                assert isinstance(lease.task.exception(), ConnectFailed)

    def got(self, link: Link, caller: Caller) -> None:
        """Nobody is given what is another's."""
        others = self.given.setdefault(link, [])
        others.append(caller)
        assert link.owner in (None, owner_name(caller))
        if link.era == "legacy" and self.isolation != "shared":
            assert len({each.principal for each in others}) == 1
            assert len({each.capabilities.group for each in others}) == 1
        if link.era == "legacy" and self.isolation == "session":
            assert len({owner_name(each) for each in others}) == 1

    @precondition(lambda self: self.leases)
    @rule(pick=picks)
    def nobody_waits_any_more(self, pick: int) -> None:
        self.act(self.leases[pick % len(self.leases)].task.cancel)
        self.take_what_came()

    @rule(
        delay=st.sampled_from([0.0, 0.0, 0.5, 30.0]), how=st.sampled_from(["", "", "", "", "fails", "silent"])
    )
    def the_server_changes(self, delay: float, how: str) -> None:
        self.connector.delay, self.connector.fails, self.server.silent = (
            delay,
            how == "fails",
            how == "silent",
        )

    @precondition(lambda self: self.server.open_connections())
    @rule(pick=picks)
    def a_connection_dies(self, pick: int) -> None:
        open = self.server.open_connections()
        self.act(open[pick % len(open)].die)
        if pick % 4:
            self.loop.pass_time(1)
            self.take_what_came()

    @rule(pick=picks)
    def the_server_asks_for_roots(self, pick: int) -> None:
        open = self.server.open_connections("legacy")
        if not open:
            return
        open = [each for each in open if "roots" in each.declared] or open
        self.act(lambda: open[pick % len(open)].ask("roots/list"))
        self.loop.pass_time(0.2)
        self.take_what_came()

    @precondition(lambda self: self.given)
    @rule(pick=picks)
    def a_request_gets_lost(self, pick: int) -> None:
        self.act(lambda: self.endpoint.link_failed(list(self.given)[pick % len(self.given)]))

    @rule(who=st.sampled_from(["alice", "bob"]), window=st.sampled_from(["1", "2"]))
    def a_session_ends(self, who: str, window: str) -> None:
        session = self.session(who, window)
        self.ended.add(session)
        self.do(self.endpoint.release(session))

    @rule(seconds=st.sampled_from([0.0, 1.0, 100.0]))
    def idle_links_are_retired(self, seconds: float) -> None:
        self.loop.pass_time(seconds)
        now = self.loop.time()
        self.do(self.endpoint.retire(now))
        for link in self.endpoint.links:
            assert (
                link is self.endpoint.anchor or link.waiting or link.subscriptions or now - link.used <= 60.0
            )

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.loop.pass_time(seconds)
        self.take_what_came()

    @rule(pick=picks)
    def close(self, pick: int) -> None:
        if pick % 10 == 1 and not self.closed:
            self.shut()

    def do(self, work: Any) -> None:
        self.loop.run_until_complete(work)
        self.loop.settle()
        self.take_what_came()

    def shut(self) -> None:
        """As a server that is removed does."""
        self.closed = True
        self.do(self.tasks.close())
        self.do(self.endpoint.close())
        self.do(self.tasks.close())
        self.loop.pass_time(NEVER)
        self.take_what_came()
        assert not self.leases
        assert not self.endpoint.links
        assert not self.endpoint._opening
        assert not self.server.open_connections()

    @invariant()
    def nothing_is_kept_for_those_who_left(self) -> None:
        if hasattr(self, "endpoint"):
            assert not [link for link in self.endpoint.links if link.alive and link.owner in self.ended]
            assert not [key for key in self.endpoint._links if self.ended & set(key)]

    @invariant()
    def every_link_that_is_kept_is_open(self) -> None:
        if hasattr(self, "endpoint"):
            kept = {link._connection for link in self.endpoint.links if link.alive}
            for connection in self.server.connections:
                assert isinstance(connection, HoldingConnection)
                assert (
                    connection in kept or not connection.open or connection.closed or self.endpoint._opening
                )

    def teardown(self) -> None:
        if hasattr(self, "endpoint"):
            if not self.closed:
                self.shut()
            for connection in self.server.connections:
                assert isinstance(connection, HoldingConnection)
                assert connection.closed
            for link in self.given:
                assert not link.alive
                assert not link.waiting
                assert not link.asked
        super().teardown()


TestLinks = Links.TestCase
TestLinks.settings = settings(max_examples=150, stateful_step_count=40)
