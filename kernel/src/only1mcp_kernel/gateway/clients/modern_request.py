"""A stateless request of a client, from its arrival to its answer.

Its client gets questions as the result, and comes back with a new request.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from only1mcp_kernel.gateway.clients.load import Share
from only1mcp_kernel.gateway.clients.sinks import Outlet, ResultPipe, malformed
from only1mcp_kernel.protocol import modern
from only1mcp_kernel.protocol.meta import Said
from only1mcp_kernel.wire import envelope as wire
from only1mcp_kernel.wire.envelope import Envelope
from only1mcp_sdk import (
    Caller,
    Exchange,
    Failure,
    Handler,
    InputRequired,
    Members,
    Notification,
    Outcome,
    Pipe,
    Result,
    Source,
)
from only1mcp_sdk.members import split


def stateless_exchange(message: Envelope, params: Members, said: Said, caller: Caller, name: str) -> Exchange:
    """What such a request asks for. Raises `Refused` for malformed answers of a retry, or no log level."""
    exchange = Exchange(message.method, params, params.get("_meta", b""), caller, name)
    if said.log_level or said.related_task or not said.client_info:
        exchange.meta = split(params["_meta"])  # it does not go on as it is
    if said.progress_token:
        exchange.progress_token = bytes(said.progress_token)
    if "inputResponses" in params or "requestState" in params:
        exchange.answers, exchange.state = modern.read_answers(params)
    if said.log_level:
        exchange.log_level = modern.read_level(bytes(said.log_level))
    return exchange


class ModernRequest(Struct, eq=False):
    """A stateless request; also a `Posting`."""

    exchange: Exchange
    _id: bytes
    _sink: Outlet
    _share: Share
    """It has been entered there when it starts."""
    _on_end: Callable[[], None] | None = None
    _finished: bool = False

    def start(self, handler: Handler) -> None:
        """Serve it."""
        exchange = self.exchange
        exchange.origin = self
        handler(exchange, self.done)

    # -- only1mcp_sdk.Origin

    def pour(self, source: Source) -> Pipe | None:
        pipe = None if self._finished else self._sink.pour(source)
        return None if pipe is None else ResultPipe(pipe, self._id)

    def paused(self) -> None:
        """This era has no polling."""

    def asked_more(self) -> None:
        """It comes back with a retry, and is asked the rest then."""

    # -- for the gate

    def emit(self, notification: Notification) -> None:
        if not self._finished and not self.exchange.cancelled:
            self._sink.send(wire.notification(notification.method, notification.params))

    def waiting(self) -> None:
        """Streams of this era begin with nothing."""

    def disconnected(self) -> None:
        """Closing the stream is the cancellation (specification 2026-07-28, basic/utilities/cancellation)."""
        if not self._finished:
            self.exchange.cancel("the client closed the stream")

    def cancel(self, reason: str) -> None:
        if not self._finished:
            self.exchange.cancel(reason)

    def done(self, outcome: Outcome) -> None:
        """What the exchange came to."""
        if self._finished:
            return
        exchange = self.exchange
        self._finished = True
        self._share.leave()
        if self._on_end is not None:
            self._on_end()
        exchange.origin = None
        if exchange.cancelled:
            self._sink.finish()
        elif type(outcome) is Result:
            try:
                result = modern.write_result(exchange.method, outcome)
            except ValueError as error:
                self._sink.finish(wire.error(self._id, malformed(error).raw))
            else:
                self._sink.finish(wire.RESPONSE % (self._id, result))
        elif isinstance(outcome, InputRequired):
            self._sink.finish(wire.response(self._id, modern.write_input_required(outcome)))
        elif isinstance(outcome, Failure):
            self._sink.finish(wire.error(self._id, outcome.raw), modern.status_of(outcome))
