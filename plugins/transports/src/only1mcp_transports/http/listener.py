"""Clients over Streamable HTTP: requests in, answers out. What they say, and what a session is, the gate knows.

Plain requests are served by the connections themselves (`fast`), the others by way of aiohttp (`serving`). Clients of
HTTP+SSE have a path of their own: see `sse.owner`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from only1mcp_sdk import Context, Gate, OpenFailed
from only1mcp_transports.http import checks
from only1mcp_transports.http.config import ListenerConfig
from only1mcp_transports.http.entrance import Entrance
from only1mcp_transports.http.fast.lane import Patience
from only1mcp_transports.http.port import open_server
from only1mcp_transports.http.server import BoundServer, Route
from only1mcp_transports.sse.owner import PairOwner

if TYPE_CHECKING:
    from aiohttp import web

_WILDCARDS = ("0.0.0.0", "::")
"""Every address of the machine, and the address of none."""


class HttpListener:
    """One path at one port. Implements `Listener`, and `Owner` of its path at the server."""

    def __init__(self, config: ListenerConfig, context: Context, server: BoundServer) -> None:
        self._config = config
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

    async def serve(self, request: web.BaseRequest, route: Route, profile: str) -> web.StreamResponse:
        from only1mcp_transports.http.serving import serve  # by now it is there, with aiohttp

        return await serve(self._entrance, request, route, profile)


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
    if not config.fast_lane:
        await server.general.load()
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
