"""A client on a duplex transport: one channel for its session and its stateless requests alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from only1mcp_kernel.gateway.clients.listening import Listening
from only1mcp_kernel.gateway.clients.modern_request import ModernRequest
from only1mcp_kernel.gateway.clients.reading import read_message
from only1mcp_kernel.gateway.clients.sessions import Session
from only1mcp_kernel.gateway.clients.sinks import ChannelSink
from only1mcp_kernel.protocol import modern
from only1mcp_kernel.protocol.errors import Refused
from only1mcp_kernel.protocol.legacy import read_initialize
from only1mcp_kernel.protocol.meta import VERSION, Said
from only1mcp_kernel.protocol.revisions import REVISIONS
from only1mcp_kernel.wire import envelope as wire
from only1mcp_kernel.wire.envelope import BadMessage, Envelope
from only1mcp_sdk import Arrival, Channel, Failure, Members, Principal

if TYPE_CHECKING:
    from only1mcp_kernel.gateway.clients.gate import Gate


class Duplex:
    """Implements `only1mcp_sdk.Conversation`."""

    def __init__(self, gate: Gate, arrival: Arrival, principal: Principal, channel: Channel) -> None:
        self._gate = gate
        self._arrival = replace(arrival, headers={})  # those came with the connection, not with any message
        self._principal = principal
        self._sink = ChannelSink(channel)
        self._session: Session | None = None
        self._requests: dict[bytes, ModernRequest | Listening | None] = {}

    @property
    def busy(self) -> bool:
        waiting = any(not isinstance(request, Listening) for request in self._requests.values())
        return waiting or (self._session is not None and bool(self._session.requests))

    def admits(self, arrival: Arrival) -> bool:
        return self._gate.principal(arrival).id == self._principal.id

    def received(self, message: bytes) -> None:
        try:
            read = read_message(message)
            if isinstance(read, list):
                self._batch(read)
            else:
                self._one(*read)
        except BadMessage as bad:
            self._sink.finish(wire.error(bad.id, Failure.of(bad.code, bad.message).raw))

    def disconnected(self) -> None:
        for request in list(self._requests.values()):
            if request is not None:
                request.disconnected()
        self._requests.clear()
        if self._session is not None:
            self._gate.end_session(self._session)
            self._session = None

    def _one(self, message: Envelope, params: Members, said: Said) -> None:
        if message.method and modern.is_modern({}, said):
            self._modern(message, params, said)
        elif message.method == "initialize" and message.id:
            self._initialize(message, params)
        elif (
            message.method == "notifications/cancelled"
            and bytes(params.get("requestId", b"")) in self._requests
        ):
            request = self._requests[bytes(params["requestId"])]
            if request is not None:
                request.cancel("the client cancelled")
        elif self._session is not None:
            self._gate.within_session(self._session, message, params, said, self._sink)
        elif message.id and message.method:
            self._before_session(message)

    def _before_session(self, message: Envelope) -> None:
        if message.method == "ping":
            self._sink.finish(wire.response(message.id, b"{}"))
        elif message.method in ("server/discover", "subscriptions/listen"):
            raise BadMessage(
                -32602, f"Invalid params: _meta must name the revision in {VERSION!r}", message.id
            )
        else:
            raise BadMessage(wire.INVALID_REQUEST, "Invalid Request: initialize first", message.id)

    def _initialize(self, message: Envelope, params: Members) -> None:
        if self._session is not None:
            raise BadMessage(wire.INVALID_REQUEST, "Invalid Request: already initialized", message.id)
        try:
            session = self._gate.begin(read_initialize(params), self._arrival, self._principal)
        except Refused as refused:
            self._sink.finish(wire.error(message.id, refused.failure.raw))
            return
        self._session = session
        self._sink.finish(wire.response(message.id, self._gate.initialize_result(session)))
        session.channel = self._sink

    def _batch(self, messages: list[Envelope | BadMessage]) -> None:
        if self._session is None or not REVISIONS[self._session.caller.revision].batches:
            raise BadMessage(
                wire.INVALID_REQUEST, "Invalid Request: batches exist in revision 2025-03-26 only"
            )
        self._gate.batch(self._session, messages, self._sink)

    def _modern(self, message: Envelope, params: Members, said: Said) -> None:
        if not message.id:
            if message.method == "notifications/cancelled":
                request = self._requests.get(bytes(params.get("requestId", b"")))
                if request is not None:
                    request.cancel("the client cancelled")
            return
        id = bytes(message.id)
        if id in self._requests:
            raise BadMessage(wire.INVALID_REQUEST, "Invalid Request: this id is in use", message.id)
        self._requests[id] = None  # held before it starts: it may end within the call

        def ended() -> None:
            self._requests.pop(id, None)

        try:
            request = self._gate.modern_request(
                self._arrival, self._principal, message, params, said, self._sink, ended
            )
        except Refused as refused:
            ended()
            self._sink.finish(wire.error(message.id, refused.failure.raw))
            return
        if id in self._requests:
            self._requests[id] = request
