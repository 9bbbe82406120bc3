"""The bound port, its connections, and who serves which path there.

Listeners come and go with configurations; this stays while any of them holds it. It owns the sockets and everything
that is being answered, so that a listener's end never touches what its successor serves.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import secrets
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import unquote

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from only1mcp_sdk import Budget, OpenFailed
from only1mcp_transports.http.answer import PROBE_SECONDS, PendingAnswer
from only1mcp_transports.http.checks import error_body
from only1mcp_transports.http.entrance import Entrance
from only1mcp_transports.http.fast.answer import Answer
from only1mcp_transports.http.fast.connection import Connection
from only1mcp_transports.http.fast.lane import KEEPALIVE_SECONDS, Lane
from only1mcp_transports.http.fast.response import SERVER
from only1mcp_transports.http.timeouts import Timeouts

LINGER_SECONDS = 1.0
"""How long the rest of a refused body is read and dropped, so that the client gets to see the refusal."""
GRACE = 0.5
"""Seconds that answers get to be written out when the server closes."""
BACKLOG = 512
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

    async def serve(self, request: web.BaseRequest, route: Route, profile: str) -> web.StreamResponse: ...


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
    """Made by `open_server`."""

    lane: Lane
    """How its connections serve plain requests."""

    def __init__(self, port: int, loopback: bool, tls: ssl.SSLContext | None) -> None:
        self.port = port
        self.loopback = loopback
        """Bound to loopback addresses only."""
        self.tls = tls
        self._routes: dict[str, Route] = {}

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

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        route, profile = self.find(request.raw_path)
        if not self._routes or (route is not None and route.draining):
            response = refusal(
                503, error_body("Service Unavailable: the gateway is starting or stopping", -32000)
            )
            response.force_close()
            return response
        if route is None:
            return refusal(404, error_body("Not Found: no MCP endpoint has this path"))
        try:
            return await route.owner.serve(request, route, profile)
        except ConnectionError:  # the client left while it was being written to
            response = web.Response(status=499)
            response.force_close()
            return response

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


def refusal(status: int, body: bytes) -> web.Response:
    return web.Response(
        body=body, status=status, headers={"Content-Type": "application/json", "Server": SERVER}
    )


@asynccontextmanager
async def open_server(
    host: str, port: int, buffers: Budget, tls: ssl.SSLContext | None = None
) -> AsyncIterator[BoundServer]:
    """Listen. Raises `OpenFailed` when the port can't be had."""
    sockets = await _bind(host, port)
    names = [each.getsockname() for each in sockets]
    bound = BoundServer(names[0][1], all(ip_address(name[0]).is_loopback for name in names), tls)
    general = web.Server(
        bound.handle,
        handler_cancellation=True,  # a client that leaves ends its request
        access_log=None,
        logger=_protocol_log(),
        keepalive_timeout=KEEPALIVE_SECONDS,
        lingering_time=LINGER_SECONDS,
    )
    lane = bound.lane = Lane(bound.find, general, bound.pending, buffers)
    listening: list[asyncio.Server] = []
    try:
        for one_socket in sockets:
            loop = asyncio.get_running_loop()
            listening.append(
                await loop.create_server(partial(Connection, lane), sock=one_socket, backlog=BACKLOG, ssl=tls)
            )
        yield bound
    finally:
        for one in listening:
            one.close()
        for one_socket in sockets:
            one_socket.close()
        await _close_connections(general, lane)
        for one in listening:
            await one.wait_closed()


async def _bind(host: str, port: int) -> list[socket.socket]:
    """One socket for each address of the host, all with the same port."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    loop = asyncio.get_running_loop()
    sockets: list[socket.socket] = []
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in dict.fromkeys((each[0], each[4]) for each in found):
            bound = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(bound)
            bound.setblocking(False)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.bind((address[0], sockets[0].getsockname()[1] if len(sockets) > 1 else port, *address[2:]))
            bound.listen(BACKLOG)
    except OSError as error:
        for each in sockets:
            each.close()
        raise OpenFailed(f"Cannot listen at {where}: {_explain(error)}") from error
    return sockets


def _explain(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"the host is not known ({error.strerror}); give an IP address of this machine"
    if error.errno == errno.EADDRINUSE:
        return "another program, maybe another gateway, uses this port; stop it, or give this listener another `port`"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine does not have this address; 127.0.0.1 is for this machine only, 0.0.0.0 for all"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "not permitted; ports below 1024 are for root, take a higher one"
    return error.strerror or str(error)


async def _close_connections(general: web.Server, lane: Lane) -> None:
    """Let what is being written go out, for a moment; then close every connection."""
    transports = [each.transport for each in lane.connections if each.transport is not None]
    try:
        general.pre_shutdown()
        lane.close()
        await general.shutdown(GRACE)
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                # Transports do not tell when they are empty.
                while any(each.get_write_buffer_size() for each in transports):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
    finally:
        for each in transports:
            each.abort()


def _protocol_log() -> logging.Logger:
    """aiohttp's own words, without its tracebacks of requests that are no HTTP: those are their senders' mistakes, and
    whoever likes could fill the log with them."""
    log = logging.getLogger("only1mcp.http")
    log.addFilter(_is_ours)
    return log


def _is_ours(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
