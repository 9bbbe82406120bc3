"""Connector `sse`: a server that is reached by HTTP+SSE. What happens before there is a connection.

A connection that can't be had is told by `connect`, in words.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from only1mcp_sdk import ConnectFailed, Connection, Connector, Context, Inbox
from only1mcp_transports.http.problems import address
from only1mcp_transports.http.way import fixed_headers, open_pool
from only1mcp_transports.sse.config import ConnectorConfig
from only1mcp_transports.sse.connection import SseConnection
from only1mcp_transports.sse.server import NoPair, Server


class SseConnector:
    """Opens connections to one URL."""

    def __init__(self, config: ConnectorConfig, context: Context) -> None:
        self.target = address(config.url)
        self._config = config
        self._context = context
        self._headers = fixed_headers(config.url, config.headers)
        self._connections: set[SseConnection] = set()

    async def connect(self, inbox: Inbox) -> Connection:
        try:
            pool = open_pool(self._config.url, self._config.open_timeout)
        except ValueError as error:
            raise ConnectFailed(f"cannot reach {self.target}: {error}") from None
        server = Server(self._config.url, lambda: pool, self._headers, self._config.max_message_bytes)
        try:
            pair = await server.open()
        except NoPair as problem:
            await pool.close()
            raise ConnectFailed(str(problem)) from None
        except BaseException:
            await pool.close()
            raise
        connection = SseConnection(
            inbox, self._context, server, pair, lambda: self._connections.discard(connection)
        )
        self._connections.add(connection)
        return connection

    async def close(self) -> None:
        """End what is left."""
        await asyncio.gather(*(connection.close() for connection in list(self._connections)))


@asynccontextmanager
async def open_connector(config: ConnectorConfig, context: Context) -> AsyncIterator[Connector]:
    """Open the connector; the network is not touched before the first connection."""
    connector = SseConnector(config, context)
    try:
        yield connector
    finally:
        await connector.close()
