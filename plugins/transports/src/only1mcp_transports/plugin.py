"""The transports' offers. Light: what they need is imported when one is opened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from only1mcp_sdk import Connector, Context, Listener, Offer, hookimpl, offer
from only1mcp_transports.http.config import ListenerConfig as HttpListenerConfig
from only1mcp_transports.http.connector_config import ConnectorConfig as HttpConnectorConfig
from only1mcp_transports.loading import load_aiohttp
from only1mcp_transports.python.config import ConnectorConfig as PythonConnectorConfig
from only1mcp_transports.sse.config import ConnectorConfig as SseConnectorConfig
from only1mcp_transports.stdio.config import ConnectorConfig as StdioConnectorConfig
from only1mcp_transports.stdio.config import ListenerConfig as StdioListenerConfig
from only1mcp_transports.websocket.config import ConnectorConfig as WebSocketConnectorConfig


@hookimpl
def only1mcp_register_listener() -> Iterable[Offer[Listener]]:
    return [
        offer("http", HttpListenerConfig, _http_listener, aliases=("websocket",)),
        offer("stdio", StdioListenerConfig, _stdio_listener),
    ]


@hookimpl
def only1mcp_register_connector() -> Iterable[Offer[Connector]]:
    return [
        offer(
            "http",
            HttpConnectorConfig,
            _http_connector,
            aliases=("streamable-http", "streamableHttp"),
            schemes=("http", "https"),
        ),
        offer("python", PythonConnectorConfig, _python_connector),
        offer("sse", SseConnectorConfig, _sse_connector),
        offer("stdio", StdioConnectorConfig, _stdio_connector),
        offer(
            "websocket",
            WebSocketConnectorConfig,
            _websocket_connector,
            aliases=("ws",),
            schemes=("ws", "wss"),
        ),
    ]


@asynccontextmanager
async def _http_listener(config: HttpListenerConfig, context: Context) -> AsyncIterator[Listener]:
    from only1mcp_transports.http.listener import open_listener

    async with open_listener(config, context) as listener:
        yield listener


@asynccontextmanager
async def _http_connector(config: HttpConnectorConfig, context: Context) -> AsyncIterator[Connector]:
    from only1mcp_transports.http.connector import open_connector

    async with open_connector(config, context) as connector:
        yield connector


@asynccontextmanager
async def _stdio_listener(config: StdioListenerConfig, context: Context) -> AsyncIterator[Listener]:
    from only1mcp_transports.stdio.listener import open_listener

    async with open_listener(config, context) as listener:
        yield listener


@asynccontextmanager
async def _stdio_connector(config: StdioConnectorConfig, context: Context) -> AsyncIterator[Connector]:
    from only1mcp_transports.stdio.connector import open_connector

    async with open_connector(config, context) as connector:
        yield connector


@asynccontextmanager
async def _websocket_connector(
    config: WebSocketConnectorConfig, context: Context
) -> AsyncIterator[Connector]:
    await load_aiohttp()
    from only1mcp_transports.websocket.connector import open_connector

    async with open_connector(config, context) as connector:
        yield connector


@asynccontextmanager
async def _python_connector(config: PythonConnectorConfig, context: Context) -> AsyncIterator[Connector]:
    from only1mcp_transports.python.connector import open_connector

    async with open_connector(config, context) as connector:
        yield connector


@asynccontextmanager
async def _sse_connector(config: SseConnectorConfig, context: Context) -> AsyncIterator[Connector]:
    await load_aiohttp()
    from only1mcp_transports.sse.connector import open_connector

    async with open_connector(config, context) as connector:
        yield connector
