"""A transport of JSON-RPC lines over TCP, both ways: small, and as a stranger would write one. The faults that the
checks are to find are subclasses elsewhere."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from only1mcp_sdk import (
    Arrival,
    ConnectFailed,
    Connection,
    Connector,
    Context,
    Conversation,
    Gate,
    Inbox,
    Listener,
    PluginConfig,
    offer,
)
from only1mcp_sdk.testing.fakes import echo


class PortConfig(PluginConfig):
    port: int = 0


class LineConnection(asyncio.Protocol):
    duplex = True

    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox
        self.buffer = bytearray()
        self.transport: asyncio.Transport | None = None
        self.closing = False
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        *lines, rest = self.buffer.split(b"\n") if b"\n" in data else [self.buffer]
        self.buffer = rest
        for line in lines:
            self.deliver(bytes(line))

    def deliver(self, line: bytes) -> None:
        if not self.closing:
            self.inbox.received(line, None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closing:
            self.inbox.closed("the server closed the connection")
        self.gone.set()

    def send(self, message: bytes, headers: Mapping[str, str], stream: int) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(message + b"\n")

    def abandon(self, stream: int) -> None:
        pass

    def listen(self, headers: Mapping[str, str]) -> None:
        pass

    async def close(self) -> None:
        self.closing = True
        if self.transport is not None:
            self.transport.abort()
            await self.gone.wait()


class LineConnector:
    connection: type[LineConnection] = LineConnection

    def __init__(self, port: int) -> None:
        self.port = port

    @property
    def target(self) -> str:
        return f"port {self.port}"

    async def connect(self, inbox: Inbox) -> Connection:
        try:
            loop = asyncio.get_running_loop()
            return (await loop.create_connection(lambda: self.connection(inbox), "127.0.0.1", self.port))[1]
        except OSError as error:
            raise ConnectFailed(f"nobody answers at {self.target}: {error}") from error


@asynccontextmanager
async def open_connector(config: PortConfig, context: Context) -> AsyncIterator[Connector]:
    yield LineConnector(config.port)


class Visitor(asyncio.Protocol):
    """A client of a `LineListener`; also a `Channel`."""

    def __init__(self, listener: LineListener) -> None:
        self.listener = listener
        self.buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        assert self.listener.gate is not None
        self.transport = transport
        self.listener.visitors.add(self)
        self.conversation: Conversation = self.listener.gate.connect(Arrival("lines"), self)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        gate = self.listener.gate
        assert gate is not None
        if len(self.buffer) > gate.message_limit:
            self.send(gate.too_large())
            self.transport.close()
            return
        *lines, rest = self.buffer.split(b"\n") if b"\n" in data else [self.buffer]
        self.buffer = rest
        for line in lines:
            self.conversation.received(bytes(line))

    def connection_lost(self, exc: Exception | None) -> None:
        self.listener.visitors.discard(self)
        self.report()

    def report(self) -> None:
        self.conversation.disconnected()

    def send(self, message: bytes) -> None:
        self.transport.write(message + b"\n")


class LineListener:
    visitor: type[Visitor] = Visitor
    exposed = False

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.gate: Gate | None = None
        self.visitors: set[Visitor] = set()
        self.accepting: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.sock.getsockname()[1]}"

    def attach(self, gate: Gate) -> None:
        self.gate = gate
        self.accepting = asyncio.create_task(self.accept())

    async def accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(self.sock)
            await loop.connect_accepted_socket(lambda: self.visitor(self), client)

    async def drain(self, seconds: float) -> None:
        if self.accepting is not None:
            self.accepting.cancel()
            await asyncio.wait([self.accepting])
        for visitor in list(self.visitors):
            visitor.transport.close()


@asynccontextmanager
async def open_socket(port: int) -> AsyncIterator[socket.socket]:
    with socket.create_server(("127.0.0.1", port)) as sock:
        sock.setblocking(False)
        yield sock


@asynccontextmanager
async def open_listener(config: PortConfig, context: Context) -> AsyncIterator[Listener]:
    sock = await context.shared(("lines", config.port), lambda: open_socket(config.port))
    listener = LineListener(sock)
    try:
        yield listener
    finally:
        await listener.drain(0)


CONNECTOR = offer("lines", PortConfig, open_connector)
LISTENER = offer("lines", PortConfig, open_listener)


async def ask(address: str, message: bytes) -> bytes:
    """A client of the listener."""
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 24)
    try:
        writer.write(message + b"\n")
        return (await reader.readuntil(b"\n"))[:-1]
    finally:
        writer.transport.abort()


@asynccontextmanager
async def echo_server() -> AsyncIterator[int]:
    """A server for the connector; yields its port."""
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        try:
            while line := await reader.readline():
                reply = echo(line)
                if reply is not None:
                    writer.write(reply + b"\n")
        except ConnectionError:
            return
        finally:
            writers.discard(writer)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 24)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for writer in writers:
            writer.transport.abort()
