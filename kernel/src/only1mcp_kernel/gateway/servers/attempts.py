"""How one server serves calls: a retry rejoins the call it comes back to, any other is served at an endpoint picked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from only1mcp_kernel.gateway.servers.call import CANCELLED, Call
from only1mcp_kernel.gateway.servers.endpoint import Endpoint
from only1mcp_kernel.gateway.servers.link import Link
from only1mcp_kernel.gateway.servers.loglevels import LogLevels
from only1mcp_kernel.gateway.servers.mirroring import Mirror
from only1mcp_kernel.gateway.servers.parking import Parking
from only1mcp_kernel.gateway.servers.pinning import Pins
from only1mcp_kernel.gateway.servers.questions import calls_in_flight, decline
from only1mcp_kernel.protocol.errors import STALE
from only1mcp_kernel.protocol.revisions import INTERNAL_ERROR, INVALID_PARAMS
from only1mcp_kernel.protocol.tasks import NAMING
from only1mcp_kernel.tasks import Tasks
from only1mcp_sdk import (
    Balancer,
    Done,
    Exchange,
    Failure,
    Handler,
    InputRequired,
    Json,
    Members,
    Only1McpError,
    Outcome,
    Question,
)

if TYPE_CHECKING:
    from only1mcp_kernel.gateway.servers.server import Server


LOOKS = 8
"""How often calls are looked at within the time they have."""
LONGEST_LOOK = 0.5


class Attempts:
    """Those of one server."""

    def __init__(
        self,
        server: Server,
        balancer: Balancer | None,
        parking: Parking,
        pins: Pins,
        levels: LogLevels,
        tasks: Tasks,
        call_timeout: float,
    ) -> None:
        self._server = server
        self._balancer = balancer
        self.parking = parking
        self._pins = pins
        self._levels = levels
        self._tasks = tasks
        self._timeout = call_timeout
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self._timer: asyncio.TimerHandle | None = None
        """Looks for calls that take too long; a timer for each would nearly always be armed for nothing."""

    def serve_with(self, attempt: Handler) -> Handler:
        """The handler of logical calls: it rejoins the call a retry comes back to, else picks an endpoint and has
        `attempt` (this server's own, with filters around it) serve it there."""

        def serve(exchange: Exchange, done: Done) -> None:
            if exchange.state is not None or exchange.endpoint:
                self._serve_again(exchange, done, attempt)
                return
            endpoint = self._pick(exchange)
            if endpoint is None:
                done(self._unavailable(self._server.problem))
                return
            exchange.endpoint = endpoint.key
            attempt(exchange, self._sealing(exchange, endpoint.key, done))

        return serve

    def _serve_again(self, exchange: Exchange, done: Done, attempt: Handler) -> None:
        """Serve a retry, or what is about a task."""
        if exchange.state is not None and self.parking.is_ours(exchange.state):
            call = self.parking.take(exchange)
            if call is not None:
                call.resume(exchange, self._sealing(exchange, call.endpoint.key, done))
                return
            endpoint = self._server.endpoint(self._pins.unpin(exchange) or "")
        elif exchange.endpoint:  # where a task is
            endpoint = self._server.endpoint(exchange.endpoint)
        else:
            endpoint = self._pick(exchange)
            if endpoint is None:
                done(self._unavailable(self._server.problem))
                return
        if endpoint is None:
            done(STALE)
            return
        exchange.endpoint = endpoint.key
        attempt(exchange, self._sealing(exchange, endpoint.key, done))

    def _sealing(self, exchange: Exchange, endpoint: str, done: Done) -> Done:
        """A `done` for which request states are sealed."""
        params = exchange.params

        def leave(outcome: Outcome) -> None:
            if isinstance(outcome, InputRequired):
                outcome = self._pins.pinned(exchange, endpoint, len(self._server.endpoints), outcome)
                outcome = self.parking.sealed(exchange, params, outcome)
            done(outcome)

        return leave

    def _pick(self, exchange: Exchange) -> Endpoint | None:
        candidates = self._server.reachable
        if not candidates:
            # Not known to be down yet: the call may wait for the first connect.
            return next((each for each in self._server.endpoints if not each.tried.is_set()), None)
        if len(candidates) == 1 or self._balancer is None:
            return candidates[0]
        picked = self._balancer.pick(exchange, candidates)
        return picked if isinstance(picked, Endpoint) else self._server.endpoint(picked.key)

    def attempt(self, exchange: Exchange, done: Done) -> None:
        """Serve one attempt at the endpoint that was picked."""
        endpoint = self._server.endpoint(exchange.endpoint)
        if endpoint is None:
            done(STALE)
            return
        caller = exchange.caller
        if exchange.method in NAMING and caller.era == "legacy":
            link = self._server.tasks.link_of(exchange)
            if link is None:
                done(STALE)
                return
        else:
            link = endpoint.ready(caller)
        level = exchange.log_level if caller.era == "modern" else self._levels.wanted.get(caller.session)
        if link is not None and (level is None or not self._levels.lacks(link, exchange)):
            self._call(endpoint, link, exchange, done)
            return
        work = self._call_later(endpoint, link, exchange, done)
        task = self._tasks.start(work, f"call {self._server.name}")
        # Not in the task itself: one that is cancelled before it began never runs.
        task.add_done_callback(lambda ended: done(CANCELLED) if ended.cancelled() else None)
        exchange.on_cancel = lambda reason: (task.cancel(), None)[1]

    async def _call_later(
        self, endpoint: Endpoint, link: Link | None, exchange: Exchange, done: Done
    ) -> None:
        """Call once there is a link, and its server knows what to log."""
        try:
            link = link or await endpoint.lease(exchange.caller)
        except Only1McpError as error:
            done(self._unavailable(str(error)))
            return
        self._server.join(link, exchange.caller)
        await self._levels.reach(link, exchange)
        self._call(endpoint, link, exchange, done)

    def _call(self, endpoint: Endpoint, link: Link, exchange: Exchange, done: Done) -> None:
        server, caller = self._server, exchange.caller
        mirror = None
        if link.era == "modern" and not link.duplex and exchange.method == "tools/call":
            if exchange.target in server.listings.left_out:
                done(Failure.of(INVALID_PARAMS, f"Unknown tool: {exchange.name}"))
                return
            mirror = Mirror(server.listings, exchange.target, exchange.param_headers)
        endpoint.figures.in_flight += 1
        now = link.used = self.now()
        if not caller.session:
            link.users.add(caller.principal.id)
        elif caller.session not in link.members:
            server.join(link, caller)
        timeout = self._timeout
        if timeout:
            if exchange.method == "tasks/result":  # which waits until the task is done
                timeout = max(timeout, server.tasks.seconds_left(exchange))
            if self._timer is None:
                self._timer = self._loop.call_later(self._interval, self._look)
        reread = server.tasks.reader(endpoint, link, exchange) if link.era == caller.era else None
        Call(self, endpoint, exchange, link, timeout, reread, mirror).start(done, now)

    @property
    def _interval(self) -> float:
        return min(self._timeout / LOOKS, LONGEST_LOOK)

    def _look(self) -> None:
        """End the calls that take too long."""
        self._timer = None
        now = self.now()
        calls = [call for link in self._server.links for call in calls_in_flight(link)]
        if calls:
            self._timer = self._loop.call_later(self._interval, self._look)
        for call in calls:
            if call.expires <= now:
                call.expired()

    def close(self) -> None:
        """There are no calls any more."""
        if self._timer is not None:
            self._timer.cancel()

    # -- from calls

    @property
    def server_name(self) -> str:
        return self._server.name

    def own_meta(self, call: Call) -> Members:
        """The `_meta` for a call, in the server's words."""
        return self._server.tasks.own_meta(call.link, call.exchange)

    def ended(self, call: Call, outcome: Outcome) -> None:
        """The server has answered, or never will."""
        figures = call.endpoint.figures
        figures.in_flight -= 1
        figures.seconds.observe(call.seconds)
        if isinstance(outcome, Failure):
            figures.failed += 1
        if self._balancer is not None:
            try:
                self._balancer.learn(call.endpoint, outcome, call.seconds)
            except Exception as error:
                self._server.log.error("the balancer raised while learning", exc_info=error)

    def orphaned(self, call: Call, id: Json, question: Question) -> None:
        """The server asked something while this call was the one it could be about, and the call ends without it. It
        was asked while this principal's calls alone were in flight: those may have been meant."""
        link, server = call.link, self._server
        others = calls_in_flight(link)
        mine = others and {each.principal for each in others} == {call.principal}
        # A task goes on without the request that waited for it, if it was the client who gave that up.
        if mine or (call.exchange.cancelled and server.tasks.behind(link, question) is not None):
            server.asked(link, id, question, None)
        else:
            decline(link, id, question)

    def _unavailable(self, problem: str) -> Failure:
        return Failure.of(
            INTERNAL_ERROR,
            f'Server "{self._server.name}" is not available: {problem}',
            {"server": self._server.name},
        )
