"""Connector `http`: a server that is reached by Streamable HTTP. What is the same for all of its connections.

Each connection has its own pool of TCP connections, so that closing one leaves nothing behind. Proxies are taken from
the environment here and not by aiohttp, which would also send what ~/.netrc says about the host.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import unquote, urlsplit

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from only1mcp_sdk import ConnectFailed, Connection, Connector, Context, Inbox
from only1mcp_transports.http.connection import HttpConnection
from only1mcp_transports.http.connector_config import ConnectorConfig
from only1mcp_transports.http.problems import address, host

IDLE = 4.0
"""Seconds an unused TCP connection is kept. Common servers drop theirs after 5 s; a request that is sent just then is
lost, and must not be sent again because nobody knows whether it arrived."""
_PROBE_AFTER = 60
"""Seconds of silence after which TCP asks whether the other side is still there."""


class HttpConnector:
    """Opens connections to one URL."""

    def __init__(self, config: ConnectorConfig, context: Context) -> None:
        self.target = address(config.url)
        self._config = config
        self._context = context
        self._headers = _fixed_headers(config)
        self._connections: set[HttpConnection] = set()

    async def connect(self, inbox: Inbox) -> Connection:
        """No byte is sent before the first message: there is no handshake below that of MCP."""
        try:
            url = URL(self._config.url).with_user(None).with_fragment(None)
            proxy = _proxy(self._config.url)
        except ValueError as error:
            raise ConnectFailed(f"cannot reach {self.target}: {error}") from None
        connection = HttpConnection(
            inbox, self._config, self._context, url, self._headers, self._open_pool(proxy), self._connections
        )
        self._connections.add(connection)
        return connection

    def _open_pool(self, proxy: URL | None) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE, socket_factory=_probed_socket),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=self._config.open_timeout),
            proxy=proxy,
        )

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


def _fixed_headers(config: ConnectorConfig) -> CIMultiDict[str]:
    headers = CIMultiDict({"User-Agent": "only1mcp"})
    parts = urlsplit(config.url)
    if parts.username is not None:
        # aiohttp refuses a URL with a user next to an Authorization header; the header is the more explicit one.
        headers["Authorization"] = aiohttp.encode_basic_auth(
            unquote(parts.username), unquote(parts.password or "")
        )
    for name, value in config.headers.items():
        headers[name] = value
    return headers


def _proxy(url: str) -> URL | None:
    """The proxy that the environment asks for (HTTP_PROXY, HTTPS_PROXY, NO_PROXY). Raises `ValueError`."""
    parts = urlsplit(url)
    found = urllib.request.getproxies().get(parts.scheme)
    if not found or _is_loopback(parts.hostname or "") or urllib.request.proxy_bypass(host(url)):
        return None
    proxy = URL(found if "://" in found else f"http://{found}")
    if proxy.scheme not in ("http", "https") or not proxy.host:
        raise ValueError(
            f"{parts.scheme.upper()}_PROXY in the environment is no http:// URL; other proxies are not supported"
        )
    return proxy


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def _probed_socket(info: aiohttp.AddrInfoType) -> socket.socket:
    """A socket that notices when the other machine vanished without a word, as a stream for listening must."""
    family, kind, protocol, *_ = info
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _PROBE_AFTER)
    return made
