"""The bound port: opened with the first listener that wants it, closed with the last one that had it.

It owns the sockets and every connection on them.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from ipaddress import ip_address

from only1mcp_sdk import Budget, OpenFailed
from only1mcp_transports.http.fast.connection import Connection
from only1mcp_transports.http.fast.lane import Lane
from only1mcp_transports.http.general import GRACE, General
from only1mcp_transports.http.server import BoundServer

BACKLOG = 512


@asynccontextmanager
async def open_server(
    host: str, port: int, buffers: Budget, tls: ssl.SSLContext | None = None
) -> AsyncIterator[BoundServer]:
    """Listen. Raises `OpenFailed` when the port can't be had."""
    sockets = await _bind(host, port)
    names = [each.getsockname() for each in sockets]
    bound = BoundServer(names[0][1], all(ip_address(name[0]).is_loopback for name in names), tls)
    general = bound.general = General(bound)
    lane = bound.lane = Lane(bound.find, general.new_connection, bound.pending, buffers)
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


async def _close_connections(general: General, lane: Lane) -> None:
    """Let what is being written go out, for a moment; then close every connection."""
    transports = [each.transport for each in lane.connections if each.transport is not None]
    try:
        general.stop()
        lane.close()
        await general.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                # Transports do not tell when they are empty.
                while any(each.get_write_buffer_size() for each in transports):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
    finally:
        for each in transports:
            each.abort()
