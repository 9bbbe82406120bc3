"""How one server serves calls: a retry rejoins the call it comes back to, any other is served at an endpoint picked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from only1mcp_kernel.gateway.servers.call import CANCELLED, Call
from only1mcp_kernel.gateway.servers.endpoint import Endpoint
from only1mcp_kernel.gateway.servers.link import Link
from only1mcp_kernel.gateway.servers.loglevels import LogLevels
from only1mcp_kernel.gateway.servers.mirroring import Mirror
from only1mcp_kernel.gateway.servers.parking import Parking
from only1mcp_kernel.gateway.servers.pinning import Pins
from only1mcp_kernel.gateway.servers.questions import calls_in_flight, decline
from only1mcp_kernel.protocol import tasks
from only1mcp_kernel.protocol.errors import STALE
from only1mcp_kernel.protocol.revisions import INTERNAL_ERROR, INVALID_PARAMS
from only1mcp_kernel.tasks import Tasks
from only1mcp_sdk import (
    Balancer,
    Caller,
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
MAX_USED = 4096


class Attempts:
    """Those of one server."""

    def __init__(
        self,
        server: Server,
        balancer: Balancer | None,
        parking: Parking,
        pins: Pins,
        levels: LogLevels,
        work: Tasks,
        call_timeout: float,
    ) -> None:
        self._server = server
        self._balancer = balancer
        self._learn: Callable[[Endpoint, Outcome, float], None] | None = getattr(balancer, "learn", None)
        self.learns = self._learn is not None
        """Whether anybody wants to know what calls come to."""
        self.parking = parking
        self._pins = pins
        self._levels = levels
        self._work = work
        self._timeout = call_timeout
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self._timer: asyncio.TimerHandle | None = None
        """Looks for calls that take too long; a timer for each would nearly always be armed for nothing."""

    def serve_with(self, attempt: Handler) -> Handler:
        """The handler of logical calls: it rejoins the call a retry comes back to, else picks an endpoint and has
        `attempt` (this server's own, with filters around it) serve it there."""
        server, balancer, levels, call = self._server, self._balancer, self._levels, self._call
        direct = attempt == self.attempt
        at = self._begin if direct else _through(attempt)

        def serve(exchange: Exchange, done: Done) -> None:
            if exchange.state is not None or exchange.endpoint:
                self._serve_again(exchange, done, attempt)
                return
            candidates = server.reachable
            if balancer is not None and len(candidates) > 1:
                picked = balancer.pick(exchange, candidates)
                endpoint = picked if type(picked) is Endpoint else server.endpoint(picked.key)
            else:
                endpoint = self._only(candidates)
            if endpoint is None:
                done(self._unavailable(server.problem))
                return
            exchange.endpoint = endpoint.key
            caller = exchange.caller
            link = endpoint.used.get(caller) if direct else None
            if (
                link is None
                or not link.alive
                or levels.wanted
                or (caller.era == "modern" and exchange.log_level)
            ):
                at(endpoint, exchange, done)
            else:  # as a rule
                call(endpoint, link, exchange, done)

        return serve

    def _only(self, candidates: tuple[Endpoint, ...]) -> Endpoint | None:
        """The endpoint where there is nothing to choose from. One that is not known to be down yet will do: the call
        may wait for the first connect."""
        untried = (each for each in self._server.endpoints if not each.tried.is_set())
        return candidates[0] if candidates else next(untried, None)

    def _serve_again(self, exchange: Exchange, done: Done, attempt: Handler) -> None:
        """Serve a retry, or what is about a task."""
        state = exchange.state
        if state is None:
            endpoint = self._server.endpoint(exchange.endpoint)  # where the task is
        elif self.parking.is_ours(state):
            call = self.parking.take(exchange)
            if call is not None:
                call.resume(exchange, done)
                return
            endpoint = self._server.endpoint(self._pins.unpin(exchange) or "")
        elif exchange.endpoint:
            endpoint = self._server.endpoint(exchange.endpoint)
        else:
            endpoint = self._only(self._server.reachable)
            if endpoint is None:
                done(self._unavailable(self._server.problem))
                return
        if endpoint is None:
            done(STALE)
            return
        exchange.endpoint = endpoint.key
        exchange.repeated = exchange.params
        attempt(exchange, done)

    def attempt(self, exchange: Exchange, done: Done) -> None:
        """Serve one attempt at the endpoint that was picked."""
        endpoint = self._server.endpoint(exchange.endpoint)
        if endpoint is None:
            done(STALE)
        elif exchange.method in tasks.NAMING and exchange.caller.era == "legacy":
            link = self._server.tasks.link_of(exchange)
            if link is None:
                done(STALE)
            else:
                self._over(link, endpoint, exchange, done)
        else:
            self._begin(endpoint, exchange, done)

    def _begin(self, endpoint: Endpoint, exchange: Exchange, done: Done) -> None:
        caller = exchange.caller
        link = endpoint.used.get(caller)
        if link is None or not link.alive:
            link = endpoint.ready(caller)
            if link is not None:
                self._join(link, caller)
                if len(endpoint.used) >= MAX_USED:
                    endpoint.used.clear()
                endpoint.used[caller] = link
        if link is None or self._levels.wanted or (exchange.log_level is not None and caller.era == "modern"):
            self._over(link, endpoint, exchange, done)
        else:
            self._call(endpoint, link, exchange, done)

    def _over(self, link: Link | None, endpoint: Endpoint, exchange: Exchange, done: Done) -> None:
        if link is not None and not self._levels.lacks(link, exchange):
            self._call(endpoint, link, exchange, done)
            return
        work = self._call_later(endpoint, link, exchange, done)
        task = self._work.start(work, f"call {self._server.name}")
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
        self._join(link, exchange.caller)
        await self._levels.reach(link, exchange)
        self._call(endpoint, link, exchange, done)

    def _join(self, link: Link, caller: Caller) -> None:
        """This caller uses this link."""
        if caller.session:
            self._server.join(link, caller)
        else:
            link.users.add(caller.principal.id)

    def _call(self, endpoint: Endpoint, link: Link, exchange: Exchange, done: Done) -> None:
        timeout, now = self._timeout, self.now()
        call = Call(self, endpoint, exchange, link, done, now, timeout)
        if link.era == "modern" and not self._mirrors(call):
            done(Failure.of(INVALID_PARAMS, f"Unknown tool: {exchange.name}"))
            return
        endpoint.figures.in_flight += 1
        link.used = now
        exchange.on_cancel = call.cancel
        if timeout:
            exchange.deadline = now + timeout
            if self._timer is None:
                self._timer = self._loop.call_later(self._interval, self._look)
        if link.era != exchange.caller.era:
            call.start()
            return
        if tasks.concern(exchange):
            self._may_make_task(call)
        call.send()

    def _mirrors(self, call: Call) -> bool:
        """Have arguments repeated where that is asked for; False where the tool asks in a way that nobody can follow,
        and must not be called."""
        exchange, listings = call.exchange, self._server.listings
        if not (listings.plans or listings.left_out or exchange.param_headers):
            return True
        call.mirror = self.mirror(call.link, exchange)
        return call.mirror is None or exchange.target not in listings.left_out

    def _may_make_task(self, call: Call) -> None:
        """A task may be in the outcome."""
        exchange, relay = call.exchange, self._server.tasks
        call.reread = relay.reader(call.endpoint, call.link, exchange)
        if self._timeout and exchange.method == "tasks/result":  # which waits until the task is done
            call.timeout = max(self._timeout, relay.seconds_left(exchange))
            call.prolong()

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
            call.expire(now)

    def close(self) -> None:
        """There are no calls any more."""
        if self._timer is not None:
            self._timer.cancel()

    # -- from calls

    def sealed(self, call: Call, outcome: InputRequired) -> InputRequired:
        """Questions with a state that is good for this client and this request alone."""
        exchange, replicas = call.exchange, len(self._server.endpoints)
        params = exchange.params if exchange.repeated is None else exchange.repeated
        outcome = self._pins.pinned(exchange, call.endpoint.key, replicas, outcome)
        return self.parking.sealed(exchange, params, outcome)

    @property
    def server_name(self) -> str:
        return self._server.name

    def mirror(self, link: Link, exchange: Exchange) -> Mirror | None:
        """What repeats arguments in header fields, where that may be asked for."""
        if link.era == "legacy" or link.duplex or exchange.method != "tools/call":
            return None
        return Mirror(self._server.listings, exchange.target, exchange.param_headers)

    def own_meta(self, call: Call) -> Members:
        """The `_meta` for a call, in the server's words."""
        return self._server.tasks.own_meta(call.link, call.exchange)

    def learn(self, call: Call, outcome: Outcome) -> None:
        """Tell the balancer."""
        assert self._learn is not None
        try:
            self._learn(call.endpoint, outcome, call.seconds)
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


def _through(attempt: Handler) -> Callable[[Endpoint, Exchange, Done], None]:
    """By way of the filters, which may change what a retry repeats."""

    def at(endpoint: Endpoint, exchange: Exchange, done: Done) -> None:
        exchange.repeated = exchange.params
        attempt(exchange, done)

    return at
