"""A client that asks the HTTP listener for a WebSocket: from the handshake to the end of its conversation.

It comes in at the listener's own port and path and passes the same checks of Host, Origin and profile before it gets
here. From then on it is a client of a duplex transport, like one on standard input and output.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping

from aiohttp import WSCloseCode, WSMsgType, web

from only1mcp_sdk import AccessDenied, Arrival, Conversation, Gate
from only1mcp_transports.http.checks import Refused, error_body
from only1mcp_transports.http.server import Route
from only1mcp_transports.websocket.outbox import Outbox

SUBPROTOCOL = "mcp"
FAREWELL = 5.0
"""Seconds a client gets to confirm the end."""
LINGER = 1.0
"""How long the rest of a message that is too large is read and dropped, so that the client gets to see the refusal."""
UNAUTHORIZED = -32001


class Socket(web.WebSocketResponse):
    """aiohttp's, which closes by itself on a message that is too large: not before it was answered."""

    def __init__(self, gate: Gate, heartbeat: float) -> None:
        super().__init__(
            timeout=FAREWELL,
            heartbeat=heartbeat,
            autoping=False,  # it would wait until a pong is written, and read nothing meanwhile
            protocols=(SUBPROTOCOL,),
            compress=False,  # nothing that unpacks to more than it said
            max_msg_size=gate.message_limit + 1,
        )
        self._gate = gate

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        if code == WSCloseCode.MESSAGE_TOO_BIG and not self.closed:
            with contextlib.suppress(ConnectionError):
                await self.send_frame(self._gate.too_large(), WSMsgType.TEXT)
                await asyncio.sleep(LINGER)
        return await super().close(code=code, message=message, drain=drain)


class Client:
    """One client. Implements `Channel`, and `Guest` of its route."""

    def __init__(self, gate: Gate, buffer_bytes: int, request: web.BaseRequest) -> None:
        self._gate = gate
        self._request = request
        self._outbox = Outbox(buffer_bytes, self._cut_off)
        self._conversation: Conversation | None = None

    # -- for the gate

    def send(self, message: bytes) -> None:
        self._outbox.put(message)

    # -- for the route

    @property
    def busy(self) -> bool:
        return bool(self._outbox) or (self._conversation is not None and self._conversation.busy)

    def end(self) -> None:
        self._outbox.goodbye(WSCloseCode.GOING_AWAY, b"the gateway is going away")

    # -- at work

    def enter(self, arrival: Arrival) -> None:
        """Raises `Refused`."""
        try:
            self._conversation = self._gate.connect(arrival, self)
        except AccessDenied as denied:
            challenge = {"WWW-Authenticate": denied.challenge} if denied.challenge else {}
            raise Refused(401, headers=challenge, body=error_body(str(denied), UNAUTHORIZED)) from None

    async def talk(self, socket: Socket) -> None:
        """Until the client or the gateway ends it."""
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(self._outbox.deliver(socket))
            await self._read(socket)
            if not self._outbox.closing:
                writing.cancel()

    def leave(self) -> None:
        self._outbox.shut()
        transport = self._request.transport
        if transport is not None and transport.get_write_buffer_size():
            transport.abort()  # it did not read to the end, and closing would wait for that
        if self._conversation is not None:
            self._conversation.disconnected()

    async def _read(self, socket: Socket) -> None:
        with contextlib.suppress(ConnectionError):
            while await self._read_one(socket):
                pass

    async def _read_one(self, socket: Socket) -> bool:
        """Whether there may be more."""
        message = await socket.receive()
        if message.type is WSMsgType.PING:
            self._outbox.pong(message.data)
        if message.type in (WSMsgType.PING, WSMsgType.PONG):
            return True
        if message.type is WSMsgType.BINARY:
            await socket.close(code=WSCloseCode.UNSUPPORTED_DATA, message=b"messages come as text")
        if message.type is not WSMsgType.TEXT or self._conversation is None:
            return False
        body = message.data.encode()
        if len(body) > self._gate.message_limit:  # a newer configuration may have another one
            await socket.close(code=WSCloseCode.MESSAGE_TOO_BIG)
            return False
        self._conversation.received(body)
        return True

    def _cut_off(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()


async def converse(
    request: web.BaseRequest,
    route: Route,
    arrival: Arrival,
    gate: Gate,
    buffer_bytes: int,
    heartbeat: float,
    log: logging.Logger,
) -> web.StreamResponse:
    """Serve a client that asked for a WebSocket. Raises `Refused`."""
    _check_handshake(arrival.headers)
    socket = Socket(gate, heartbeat)
    if not socket.can_prepare(request):
        raise Refused(400, "Bad Request: the WebSocket handshake is malformed")
    client = Client(gate, buffer_bytes, request)
    client.enter(arrival)
    try:
        await socket.prepare(request)
        with route.hosting(client):
            try:
                await client.talk(socket)
            except ExceptionGroup:  # of the gate, which should raise none
                log.exception("a WebSocket conversation failed")
                await socket.close(code=WSCloseCode.INTERNAL_ERROR)
    finally:
        client.leave()
    return socket


def _check_handshake(headers: Mapping[str, str]) -> None:
    if headers.get("sec-websocket-version") != "13":
        raise Refused(
            426, "Upgrade Required: Sec-WebSocket-Version must be 13", {"Sec-WebSocket-Version": "13"}
        )
    offered = headers.get("sec-websocket-protocol")
    if offered is not None and SUBPROTOCOL not in map(str.strip, offered.split(",")):
        raise Refused(400, f"Bad Request: Sec-WebSocket-Protocol must name {SUBPROTOCOL}")
