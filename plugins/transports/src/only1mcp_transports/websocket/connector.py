"""Connector `websocket`: a server that is reached by WebSocket. What happens before there is a connection.

A connection that can't be had is told by `connect`, in words. Redirects are not followed: the new place might be
anybody's, and would get the credentials.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from only1mcp_sdk import ConnectFailed, Connection, Connector, Context, Inbox
from only1mcp_transports.http.aiohttp_problems import BROKEN, unreachable
from only1mcp_transports.http.problems import (
    address,
    host,
    printable,
    redirected,
    refused,
)
from only1mcp_transports.http.way import fixed_headers, probed_socket, proxy_for
from only1mcp_transports.websocket.config import ConnectorConfig
from only1mcp_transports.websocket.connection import FAREWELL, WebSocketConnection
from only1mcp_transports.websocket.serving import SUBPROTOCOL

_MAX_REFUSAL = 4 << 10
"""Bytes of a refusal that are read, for what it says."""
_BRIEF = 1.0
"""Seconds they may take."""


class WebSocketConnector:
    """Opens connections to one URL."""

    def __init__(self, config: ConnectorConfig, context: Context) -> None:
        self.target = address(config.url)
        self._config = config
        self._context = context
        self._headers = fixed_headers(config.url, config.headers)
        self._connections: set[WebSocketConnection] = set()

    async def connect(self, inbox: Inbox) -> Connection:
        answer = _Answer(self._config.url)
        try:
            pool = self._open_pool(answer)
        except ValueError as error:
            raise ConnectFailed(f"cannot reach {self.target}: {error}") from None
        try:
            socket = await self._shake_hands(pool)
        except BaseException:
            await pool.close()
            raise
        connection = WebSocketConnection(
            inbox, self._config, self._context, pool, socket, answer.cut, self._connections
        )
        self._connections.add(connection)
        return connection

    def _open_pool(self, answer: _Answer) -> aiohttp.ClientSession:
        """For one connection. Raises `ValueError`."""
        return aiohttp.ClientSession(
            proxy=proxy_for(self._config.url),
            connector=aiohttp.TCPConnector(limit=0, force_close=True, socket_factory=probed_socket),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=self._config.open_timeout),
            middlewares=(answer.look,),
        )

    async def _shake_hands(self, pool: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        """Raises `ConnectFailed`."""
        url = self._config.url
        try:
            return await pool.ws_connect(
                URL(url).with_user(None).with_fragment(None),
                protocols=(SUBPROTOCOL,),
                headers=self._headers,
                autoping=False,  # it would wait until a pong is written, and read nothing meanwhile
                heartbeat=self._config.keepalive,
                max_msg_size=self._config.max_message_bytes + 1,
                timeout=aiohttp.ClientWSTimeout(ws_close=FAREWELL),
            )
        except aiohttp.WSServerHandshakeError as error:
            problem = f"{host(url)} does not answer as a WebSocket server: {printable(error.message)}"
            raise ConnectFailed(problem) from None
        except BROKEN as error:
            raise ConnectFailed(unreachable(url, error)) from None

    async def close(self) -> None:
        """End what is left."""
        await asyncio.gather(*(connection.close() for connection in list(self._connections)))


class _Answer:
    """The answer to one opening handshake, seen before aiohttp goes after a redirect or drops what a refusal says."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._transport: asyncio.Transport | None = None

    async def look(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """For aiohttp to call. Raises `ConnectFailed`."""
        response = await handler(request)
        if response.status != 101:
            try:
                raise ConnectFailed(await self._refusal(response))
            finally:
                response.close()
        if response.connection is not None:
            self._transport = response.connection.transport
        return response

    def cut(self) -> None:
        """End the connection at once, whatever is still unsent."""
        if self._transport is not None:
            self._transport.abort()

    async def _refusal(self, response: aiohttp.ClientResponse) -> str:
        if 300 <= response.status < 400:
            return redirected(self._url, response.status, response.headers.get("Location", ""))
        body = b""
        with contextlib.suppress(*BROKEN):
            async with asyncio.timeout(_BRIEF):
                body = await response.content.read(_MAX_REFUSAL)
        return refused(self._url, response, body)


@asynccontextmanager
async def open_connector(config: ConnectorConfig, context: Context) -> AsyncIterator[Connector]:
    """Open the connector; the network is not touched before the first connection."""
    connector = WebSocketConnector(config, context)
    try:
        yield connector
    finally:
        await connector.close()
