"""Clients over Streamable HTTP: requests in, answers out. What they say, and what a session is, the gate knows.

Those that ask for a WebSocket get one, after the same checks: see `websocket.serving`. Those of HTTP+SSE have a path of
their own: see `sse.serving`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from only1mcp_sdk import Arrival, Context, Gate, OpenFailed
from only1mcp_transports.http import checks
from only1mcp_transports.http.checks import Refused
from only1mcp_transports.http.config import ListenerConfig
from only1mcp_transports.http.entrance import Entrance, Fields, whole
from only1mcp_transports.http.fast.lane import Patience
from only1mcp_transports.http.server import PROMPT, BoundServer, Route, open_server
from only1mcp_transports.sse.serving import PairOwner
from only1mcp_transports.websocket.serving import converse

_WILDCARDS = ("0.0.0.0", "::")
"""Every address of the machine, and the address of none."""


class HttpListener:
    """One path at one port. Implements `Listener`, and `Owner` of its path at the server."""

    def __init__(self, config: ListenerConfig, context: Context, server: BoundServer) -> None:
        self._config = config
        self._log = context.logger
        self._server = server
        self._path = "" if config.path == "/" else config.path
        self._host = f"[{config.host}]" if ":" in config.host else config.host
        hosts = set(config.allowed_hosts)
        if (hosts or server.loopback) and config.host not in _WILDCARDS:
            hosts.add(self._host.lower())  # whoever follows `address` is served
        rules = checks.Rules(server.loopback, frozenset(hosts), frozenset(config.allowed_origins))
        self._entrance = Entrance(config, rules, context.buffers, context.logger)
        self._pair = PairOwner(self._entrance, config.sse_at) if config.sse_at else None

    @property
    def address(self) -> str:
        return f"{'http' if self._server.tls is None else 'https'}://{self._host}:{self._server.port}{self._config.path}"

    @property
    def exposed(self) -> bool:
        return not self._server.loopback

    @property
    def plain(self) -> Entrance | None:
        return self._entrance if self._config.fast_lane else None

    def attach(self, gate: Gate) -> None:
        self._entrance.gate = gate
        config = self._config
        self._server.lane.patience = Patience(config.head_timeout, config.body_timeout, config.send_timeout)
        self._server.attach(self._path, self)
        if self._pair is not None:
            self._server.attach(self._pair.path, self._pair)

    async def drain(self, seconds: float) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._server.drain(self._path, self, seconds))
            if self._pair is not None:
                tasks.create_task(self._server.drain(self._pair.path, self._pair, seconds))

    def close(self) -> None:
        self._server.detach(self._path, self)
        if self._pair is not None:
            self._server.detach(self._pair.path, self._pair)

    # -- one request

    async def serve(self, request: web.BaseRequest, route: Route, profile: str) -> web.StreamResponse:
        async def inside(headers: Fields, cors: Fields) -> web.StreamResponse:
            if checks.wants_websocket(request.method, headers):
                return await self._converse(request, route, profile, headers)
            checks.check_request(request.method, headers)
            arrival = Arrival("http", profile, headers, request.remote or "")
            if request.method == "GET":
                return await self._get(request, route, arrival, cors)
            with route.posting():
                return await self._post_or_delete(request, route, arrival, cors)

        return await self._entrance.admit(request, profile, inside)

    async def _post_or_delete(
        self, request: web.BaseRequest, route: Route, arrival: Arrival, cors: Fields
    ) -> web.StreamResponse:
        body = await self._entrance.read(request, arrival.headers)
        answer = self._entrance.new_answer(request)
        with route.answering(answer):
            try:
                if request.method == "POST":
                    answer.posting = self._entrance.gate.post(arrival, body, answer)
                else:
                    self._entrance.gate.end(arrival, answer)
            except Exception as error:
                raise self._entrance.fault(request) from error
            if not (answer.finished or answer.streaming):
                await answer.wait(min(PROMPT, self._config.keepalive))
            if not (answer.finished or answer.streaming or answer.gone):
                answer.take_time()
            if not (answer.finished or answer.streaming or answer.gone):
                await answer.wait(self._config.keepalive)
            if not answer.streaming:
                if answer.finished:
                    return whole(answer.message, answer.status, answer.headers, cors)
                if answer.gone:
                    raise Refused(503, "Service Unavailable: the gateway is stopping")
                answer.keep_alive()
            return await self._entrance.stream(request, answer, cors)

    async def _get(
        self, request: web.BaseRequest, route: Route, arrival: Arrival, cors: Fields
    ) -> web.StreamResponse:
        answer = self._entrance.new_answer(request)
        with route.answering(answer):
            try:
                answer.posting = self._entrance.gate.stream(arrival, answer)
            except Exception as error:
                raise self._entrance.fault(request) from error
            if answer.finished and not answer.streaming:
                return whole(answer.message, answer.status, answer.headers, cors)
            return await self._entrance.stream(request, answer, cors)

    async def _converse(
        self, request: web.BaseRequest, route: Route, profile: str, headers: Fields
    ) -> web.StreamResponse:
        arrival = Arrival("websocket", profile, headers, request.remote or "")
        heartbeat = 2 * self._config.keepalive  # and a client has as long as `keepalive` to answer it
        return await converse(
            request, route, arrival, self._entrance.gate, self._config.buffer_bytes, heartbeat, self._log
        )


@asynccontextmanager
async def open_listener(config: ListenerConfig, context: Context) -> AsyncIterator[HttpListener]:
    """Bind the port, or take it over from the generation before. Raises `OpenFailed`. Clients are served from `attach`
    on."""
    secure = bool(config.tls_certificate)
    key = ("http-listener", config.host, config.port, secure)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if secure else None
    _load_certificate(tls, config, context.base_dir)
    server = await context.shared(key, lambda: open_server(config.host, config.port, context.buffers, tls))
    _load_certificate(server.tls, config, context.base_dir)  # it may be another one now
    listener = HttpListener(config, context, server)
    try:
        yield listener
    finally:
        listener.close()


def _load_certificate(tls: ssl.SSLContext | None, config: ListenerConfig, base_dir: Path) -> None:
    if tls is None:
        return
    certificate = base_dir / config.tls_certificate
    key = base_dir / config.tls_key if config.tls_key else None
    try:
        tls.load_cert_chain(certificate, key)
    except OSError as error:  # of which ssl.SSLError is a kind
        reason = error.strerror or str(error)
        raise OpenFailed(
            f"tls_certificate {certificate}{f' with tls_key {key}' if key else ''} can't be used: {reason}"
        ) from error
