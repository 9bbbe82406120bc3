"""Connector `http`: a server that is reached by Streamable HTTP. What is the same for all of its connections.

Each connection has its own pool of TCP connections, so that closing one leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

from only1mcp_sdk import ConnectFailed, Connection, Connector, Context, Inbox
from only1mcp_transports.http.connection import HttpConnection
from only1mcp_transports.http.connector_config import ConnectorConfig
from only1mcp_transports.http.fallback import Memory
from only1mcp_transports.http.lane import Lane
from only1mcp_transports.http.pool.opening import Opening, trust
from only1mcp_transports.http.pool.pool import Pool
from only1mcp_transports.http.problems import address
from only1mcp_transports.http.target import target_of
from only1mcp_transports.http.way import fixed_headers, open_pool, proxy_for
from only1mcp_transports.loading import load_aiohttp
from only1mcp_transports.sse.server import Server

_TRUST = "only1mcp_transports.http: certificate authorities"


class HttpConnector:
    """Opens connections to one URL. `tls` is whom to trust there, where the URL asks for TLS."""

    def __init__(self, config: ConnectorConfig, context: Context, tls: ssl.SSLContext | None) -> None:
        self.target = address(config.url)
        self._config = config
        self._context = context
        self._tls = tls
        self._headers = fixed_headers(config.url, config.headers)
        self._connections: set[HttpConnection] = set()
        self._memory = Memory()

    async def connect(self, inbox: Inbox) -> Connection:
        """No byte is sent before the first message: there is no handshake below that of MCP."""
        config = self._config
        try:
            lane = await self._lane()
        except ValueError as error:
            raise ConnectFailed(f"cannot reach {self.target}: {error}") from None
        server = Server(
            config.url,
            partial(open_pool, config.url, config.open_timeout),
            self._headers,
            config.max_message_bytes,
        )
        connection = HttpConnection(
            inbox, config, self._context, lane, server, self._connections, self._memory
        )
        self._connections.add(connection)
        return connection

    async def _lane(self) -> Lane:
        """Raises `ValueError`."""
        config = self._config
        regular = proxy_for(config.url) is None and not any(
            n.lower() == "accept-encoding" for n in self._headers
        )
        if config.fast_lane and regular:
            target = target_of(config.url)
            opening = Opening(target, config.open_timeout, self._tls)
            return Pool(config.url, target, self._headers.items(), opening, self._context)
        await load_aiohttp()
        from only1mcp_transports.http.aiohttp_lane import AiohttpLane

        pool = open_pool(config.url, config.open_timeout)
        return AiohttpLane(config.url, self._headers, pool, self._context)

    async def close(self) -> None:
        """End what is left."""
        await asyncio.gather(*(connection.close() for connection in list(self._connections)))


@asynccontextmanager
async def open_connector(config: ConnectorConfig, context: Context) -> AsyncIterator[Connector]:
    """Open the connector; the network is not touched before the first message is sent."""
    tls = await context.shared(_TRUST, trust) if urlsplit(config.url).scheme == "https" else None
    connector = HttpConnector(config, context, tls)
    try:
        yield connector
    finally:
        await connector.close()
