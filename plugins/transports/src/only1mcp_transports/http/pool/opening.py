"""Opening a TCP connection, with TLS where the URL says so. What goes wrong is told in words."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohappyeyeballs

from only1mcp_transports.http.target import Target
from only1mcp_transports.http.way import probed_socket

_HEAD_START = 0.25
"""Seconds that one address is ahead of the next (RFC 8305)."""
_REMEMBER = 10.0
"""Seconds for which the addresses of a name are kept."""

_Address = tuple[int, int, int, str, Any]


@asynccontextmanager
async def trust() -> AsyncIterator[ssl.SSLContext]:
    """Whom this machine trusts."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    yield context


class Opening:
    """Opens connections to the host of one URL."""

    def __init__(self, target: Target, timeout: float, tls: ssl.SSLContext | None) -> None:
        self._host = target.host
        self._port = target.port
        self._timeout = timeout
        self._tls = tls
        try:
            self._addresses = self._literal()
            self._known_until = float("inf")
        except socket.gaierror:
            self._addresses = []
            self._known_until = 0.0

    async def open(self, protocol: asyncio.Protocol) -> None:
        """Raises `OSError`; `TimeoutError` without an errno where it took too long."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._timeout):
            sock = await aiohappyeyeballs.start_connection(
                await self._look_up(),
                happy_eyeballs_delay=_HEAD_START,
                interleave=1,
                loop=loop,
                socket_factory=probed_socket,
            )
            await loop.create_connection(
                lambda: protocol,
                sock=sock,
                ssl=self._tls,
                server_hostname=self._host.rstrip(".") if self._tls else None,
            )

    async def _look_up(self) -> list[_Address]:
        loop = asyncio.get_running_loop()
        if loop.time() >= self._known_until:
            found = await loop.getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
            )
            self._addresses = list(found)
            self._known_until = loop.time() + _REMEMBER
        return self._addresses

    def _literal(self) -> list[_Address]:
        """The host where it is an address already."""
        return list(
            socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        )
