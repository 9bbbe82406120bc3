"""Connector `http`: a server that is reached by Streamable HTTP. What is the same for all of its connections.

Each connection has its own pool of TCP connections, so that closing one leaves nothing behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from yarl import URL

from only1mcp_sdk import ConnectFailed, Connection, Connector, Context, Inbox
from only1mcp_transports.http.connection import HttpConnection
from only1mcp_transports.http.connector_config import ConnectorConfig
from only1mcp_transports.http.fallback import Memory
from only1mcp_transports.http.problems import address
from only1mcp_transports.http.way import fixed_headers, open_pool


class HttpConnector:
    """Opens connections to one URL."""

    def __init__(self, config: ConnectorConfig, context: Context) -> None:
        self.target = address(config.url)
        self._config = config
        self._context = context
        self._headers = fixed_headers(config.url, config.headers)
        self._connections: set[HttpConnection] = set()
        self._memory = Memory()

    async def connect(self, inbox: Inbox) -> Connection:
        """No byte is sent before the first message: there is no handshake below that of MCP."""
        try:
            url = URL(self._config.url).with_user(None).with_fragment(None)
            pool = open_pool(self._config.url, self._config.open_timeout)
        except ValueError as error:
            raise ConnectFailed(f"cannot reach {self.target}: {error}") from None
        connection = HttpConnection(
            inbox, self._config, self._context, url, self._headers, pool, self._connections, self._memory
        )
        self._connections.add(connection)
        return connection

    async def close(self) -> None:
        """End what is left."""
        await asyncio.gather(*(connection.close() for connection in list(self._connections)))


@asynccontextmanager
async def open_connector(config: ConnectorConfig, context: Context) -> AsyncIterator[Connector]:
    """Open the connector; the network is not touched before the first message is sent."""
    connector = HttpConnector(config, context)
    try:
        yield connector
    finally:
        await connector.close()
