"""Who serves which path at a bound port, and what is being answered there.

Listeners come and go with configurations; this stays while any of them holds the port. It knows everything that is
being answered, so that a listener's end never touches what its successor serves.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote

from only1mcp_transports.http.answer import PROBE_SECONDS, PendingAnswer
from only1mcp_transports.http.entrance import Entrance
from only1mcp_transports.http.fast.answer import Answer
from only1mcp_transports.http.fast.lane import Lane
from only1mcp_transports.http.timeouts import Timeouts

if TYPE_CHECKING:
    from aiohttp import web

    from only1mcp_transports.http.general import General

PROMPT = 1.0
"""Seconds within which an answer comes at once; one that takes longer may begin as a stream."""
GLANCE = 0.02
"""Seconds between two looks at whether somebody is still busy; nobody signals."""
LOOKS = 4
"""How often answers are looked at within the time that is prompt."""


class Guest(Protocol):
    """A client that stays, with requests of its own (a WebSocket, an HTTP+SSE stream)."""

    @property
    def busy(self) -> bool:
        """Whether it still waits for an answer."""

    def end(self) -> None:
        """Send it away, politely."""


class Owner(Protocol):
    """Serves a path."""

    @property
    def plain(self) -> Entrance | None:
        """Who lets plain requests of Streamable HTTP in; None where there are none, or aiohttp is to serve them."""

    async def serve(self, request: web.BaseRequest, route: Route, profile: str) -> web.StreamResponse:
        """Answer what aiohttp has read."""


class Route:
    """A path, who serves it now, and what is being answered there."""

    def __init__(self, owner: Owner, lane: Lane) -> None:
        self.draining = False
        self.answers: set[PendingAnswer] = set()
        """Those of aiohttp's lane."""
        self._lane = lane
        self.buffer_bytes = 0
        self._guests: dict[str, Guest] = {}
        self.posts: set[Answer] = set()
        """What plain POSTs wait for."""
        self._others = 0
        """POSTs of aiohttp's lane."""
        self._prompt = PROMPT
        self.timer: asyncio.TimerHandle | None = None
        """Looks for answers that do not come at once."""
        self._silences = Timeouts(PROMPT)
        self._probes = Timeouts(PROBE_SECONDS)
        self.adopt(owner)

    def adopt(self, owner: Owner) -> None:
        """`owner` serves it from now on."""
        self.owner = owner
        self.plain = owner.plain
        """Who lets plain requests in; None where aiohttp is to serve them all."""
        self.draining = False
        if self.plain is not None:
            config = self.plain.config
            self.buffer_bytes = config.buffer_bytes
            self._prompt = min(PROMPT, config.keepalive)
            self._silences = Timeouts(config.keepalive)

    # -- plain requests

    def look_later(self) -> None:
        """Whoever puts an answer among `posts` sees to it that there is a timer."""
        self.timer = asyncio.get_running_loop().call_later(self._prompt / LOOKS, self._look)

    def _look(self) -> None:
        """Tell answers that do not come at once."""
        self.timer = None
        if self.posts:
            self.look_later()
        for answer in list(self.posts):
            answer.looks += 1
            if answer.looks == LOOKS + 1:
                answer.timed_out()

    def waits(self, answer: Answer) -> None:
        """The client has to wait for the next word; not for ever without any."""
        (self._probes if answer.half_closed else self._silences).add(answer)

    def leave(self, answer: Answer) -> None:
        """It is over."""
        self.posts.discard(answer)
        if answer.waited or answer.streaming:
            self._silences.discard(answer)
            self._probes.discard(answer)

    # -- all requests

    @contextmanager
    def posting(self) -> Iterator[None]:
        """For the time of a POST; draining waits for it."""
        self._others += 1
        try:
            yield
        finally:
            self._others -= 1

    @contextmanager
    def answering(self, answer: PendingAnswer) -> Iterator[None]:
        """For the time of an answer. However it ends, the gate knows afterwards."""
        self.answers.add(answer)
        try:
            yield
        finally:
            self.answers.discard(answer)
            answer.abandon()

    @contextmanager
    def hosting(self, guest: Guest) -> Iterator[str]:
        """For the time a guest stays. Under the name that this gives, which nobody can guess, `guest` finds it."""
        name = secrets.token_urlsafe(32)
        self._guests[name] = guest
        try:
            yield name
        finally:
            del self._guests[name]

    def guest(self, name: str) -> Guest | None:
        return self._guests.get(name)

    async def settled(self) -> None:
        """Wait until nobody is at work."""
        while self.posts or self._others or any(guest.busy for guest in self._guests.values()):  # noqa: ASYNC110
            await asyncio.sleep(GLANCE)

    def end(self) -> None:
        """Nobody is answered any more: streams end, guests leave."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        for pending in list(self.answers):
            pending.abandon()
        for answer in self._lane.answers(self):
            answer.abandon()
        for guest in list(self._guests.values()):
            guest.end()


class BoundServer:
    """Made by `port.open_server`."""

    lane: Lane
    """How its connections serve plain requests."""
    general: General
    """Who serves the others."""

    def __init__(self, port: int, loopback: bool, tls: ssl.SSLContext | None) -> None:
        self.port = port
        self.loopback = loopback
        """Bound to loopback addresses only."""
        self.tls = tls
        self._routes: dict[str, Route] = {}

    @property
    def vacant(self) -> bool:
        """Nobody serves anything."""
        return not self._routes

    def attach(self, path: str, owner: Owner) -> None:
        """`owner` serves `path` from now on, whoever did before."""
        route = self._routes.get(path)
        if route is None:
            self._routes[path] = Route(owner, self.lane)
        else:
            route.adopt(owner)
        self.lane.routes_changed()

    async def drain(self, path: str, owner: Owner, seconds: float) -> None:
        """Refuse new requests for `path`, wait for those at work at most this long, then end every stream. Nothing
        happens when somebody else serves the path by now: what `owner` had begun is theirs."""
        route = self._routes.get(path)
        if route is None or route.owner is not owner:
            return
        route.draining = True
        self.lane.routes_changed()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await route.settled()
        if route.owner is owner:
            route.end()

    def detach(self, path: str, owner: Owner) -> None:
        """`owner` is closing."""
        route = self._routes.get(path)
        if route is not None and route.owner is owner:
            del self._routes[path]
            self.lane.routes_changed()
            route.end()

    def pending(self) -> Iterator[PendingAnswer]:
        """What aiohttp is answering."""
        for route in self._routes.values():
            yield from list(route.answers)

    def find(self, target: str) -> tuple[Route | None, str]:
        """The route and the profile that a request target names; an empty last segment names the default."""
        path = target.partition("?")[0]
        if path and path in self._routes:
            return self._routes[path], "default"
        base, _, segment = path.rpartition("/")
        return self._routes.get(base), unquote(segment) or "default"
