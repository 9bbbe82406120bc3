"""What the connections of one server share: where requests go, and how long anything may take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from only1mcp_sdk import LARGE, Budget
from only1mcp_transports.http.fast.connection import Connection
from only1mcp_transports.http.fast.heads import Head, Heads, Place, passes
from only1mcp_transports.http.fast.response import closing, common_fields
from only1mcp_transports.http.outbox import Outbox

if TYPE_CHECKING:
    from only1mcp_transports.http.answer import PendingAnswer
    from only1mcp_transports.http.fast.answer import Answer
    from only1mcp_transports.http.server import Route

KEEPALIVE_SECONDS = 75.0
"""How long an idle connection is kept for its client's next request."""
_LOOKS = 4
"""Times that the shortest patience is looked after."""


@dataclass
class Patience:
    """Seconds a client has for each thing."""

    head: float = 10.0
    body: float = 60.0
    reading: float = 60.0
    """For taking some of what waits to be sent."""
    next_request: float = KEEPALIVE_SECONDS

    @property
    def interval(self) -> float:
        return min(1.0, min(self.head, self.body, self.reading, self.next_request) / _LOOKS)


class Lane:
    """Of one server. `find` tells who serves a target, and for which profile."""

    def __init__(
        self,
        find: Callable[[str], tuple[Route | None, str]],
        new_general: Callable[[], Any | None],
        pending: Callable[[], Iterator[PendingAnswer]],
        buffers: Budget,
    ) -> None:
        self.patience = Patience()
        self.open = False
        """Somebody serves; before that, whoever connects has to wait."""
        self.ending = False
        self.connections: set[Connection] = set()
        self.new_general = new_general
        """A connection of aiohttp's; None while that is being loaded."""
        self._find = find
        self._pending = pending
        self._buffers = buffers
        self.heads = Heads()
        self.outbox = Outbox()
        self.version = 0
        """Of the routes."""
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.now = self._loop.time()
        """About the time, on the event loop's clock: as of the last look."""
        self.common_fields = common_fields()
        """Ends the head of every answer."""

    # -- for the server

    def routes_changed(self) -> None:
        """Other owners serve the paths, or none does."""
        self.version += 1
        self.heads.placed.clear()
        if not self.open:
            self.open = True
            for each in list(self.connections):
                each.answered()  # it has waited for that

    def general_came(self) -> None:
        """aiohttp has been loaded."""
        for each in self._held():
            each.answered()  # it goes on with what it waits with

    def general_failed(self) -> None:
        """aiohttp can't be loaded."""
        for each in self._held():
            each.write(closing(503, "Service Unavailable: the gateway can't serve such requests now"))
            each.end()

    def _held(self) -> list[Connection]:
        return [each for each in self.connections if each.held]

    def close(self) -> None:
        """Take no more requests, and close what is idle. What is being written goes out."""
        self.ending = True
        if self._timer is not None:
            self._timer.cancel()
        for each in list(self.connections):
            if not each.in_general:
                each.end()

    def answers(self, route: Route) -> list[Answer]:
        """What is being answered on this route."""
        found = [each.answer for each in self.connections]
        return [answer for answer in found if answer is not None and answer.route is route]

    # -- for connections

    def met(self, connection: Connection) -> None:
        transport = connection.transport
        assert transport is not None
        if self.ending:
            transport.abort()
            return
        self.connections.add(connection)
        self.waits(connection)
        if self._timer is None:
            self._look()

    def lost(self, connection: Connection) -> None:
        self.connections.discard(connection)

    def waits(self, connection: Connection) -> None:
        """It is the client's turn, from now on."""
        connection.since = self._loop.time()

    def plain(self, raw: bytes) -> tuple[Head, int] | None:
        """The head of a request that passes every check, and the length of its body; None for aiohttp to serve it."""
        found = self.heads.read(raw)
        if found is None:
            return None
        head, length = found
        place = self.place(head)
        if place is None or length > place.gate.message_limit:
            return None
        self.heads.know(raw, length, head, place)
        return found

    def place(self, head: Head) -> Place | None:
        """Where a request leads now, if it is one that leads somewhere and passes every check."""
        if head.place is None or head.place.version != self.version:
            head.place = self._place(head)
        return head.place

    def _place(self, head: Head) -> Place | None:
        path, asks, context = head.target.partition("?context=")
        if "?" in path or "%" in path or (asks and not context.isidentifier()):
            return None
        route, profile = self._find(path)
        if route is None or route.plain is None or route.draining:
            return None
        cors = passes(head, route.plain.rules)
        if cors is None or not route.plain.gate.has_profile(profile):
            return None
        return Place(self.version, route, route.plain.gate, profile, context, cors, not cors, route.plain.log)

    def take(self, count: int) -> bool:
        """Whether a body of that many bytes may be collected; `give` it back afterwards."""
        return count <= LARGE or self._buffers.take(count)

    def give(self, count: int) -> None:
        if count > LARGE:
            self._buffers.give(count)

    def ends_in_general(self, general: Any) -> bool:
        """The client sends nothing more. Whether the connection is kept for the answer that aiohttp is working on."""
        answers = [answer for answer in self._pending() if answer.connection is general]
        for answer in answers:
            answer.probe()
        if answers:
            general.close()  # once it has been answered
        return bool(answers)

    # -- time

    def _look(self) -> None:
        now, patience = self._loop.time(), self.patience
        self.now, self.common_fields = now, common_fields()
        self._timer = None
        if self.connections and not self.ending:
            self._timer = self._loop.call_later(patience.interval, self._look)
        for each in list(self.connections):
            allowed = each.has(patience) if each.since else None
            if allowed is not None and now - each.since > allowed:
                each.out_of_time(patience)
            elif each.hung_up() and each.transport is not None:
                each.transport.abort()
