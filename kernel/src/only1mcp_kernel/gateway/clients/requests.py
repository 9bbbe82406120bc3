"""A client's request, from its arrival to its answer, in each era.

Both turn it into an exchange and its outcome into an answer. They differ in questions: a modern client gets them as
the result and comes back with a new request; a legacy client is asked on the open stream, and the request is
re-entered here with its answers.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from only1mcp_kernel.gateway.clients.events import EventStream
from only1mcp_kernel.gateway.clients.load import Load
from only1mcp_kernel.gateway.clients.reading import subject
from only1mcp_kernel.gateway.clients.rounds import Round
from only1mcp_kernel.gateway.clients.sessions import Session
from only1mcp_kernel.gateway.clients.sinks import Outlet, ResultPipe, Sink
from only1mcp_kernel.protocol import legacy, modern
from only1mcp_kernel.protocol.meta import Said
from only1mcp_kernel.protocol.revisions import INTERNAL_ERROR, REVISIONS
from only1mcp_kernel.wire import envelope as wire
from only1mcp_kernel.wire.envelope import Envelope
from only1mcp_sdk import (
    Answer,
    Caller,
    Exchange,
    Failure,
    Handler,
    InputRequired,
    Json,
    Members,
    Notification,
    Outcome,
    Pipe,
    Poured,
    Result,
    Source,
)
from only1mcp_sdk.members import join, quoted, split, text

MAX_ROUNDS = 10
"""How often a modern server may answer one request with questions. A legacy one asks as often as it wants: it works on
all the while."""


class ModernRequest:
    """A stateless request; also a `Posting`."""

    __slots__ = ("_finished", "_id", "_load", "_on_end", "_sink", "exchange")

    def __init__(
        self,
        message: Envelope,
        params: Members,
        said: Said,
        caller: Caller,
        name: str,
        sink: Outlet,
        load: Load,
        on_end: Callable[[], None] | None,
    ) -> None:
        """Raises `Refused` for malformed answers of a retry, or no log level. `load` has been entered when it
        starts."""
        self._id = message.id
        self._sink = sink
        self._finished = False
        self._load = load
        self._on_end = on_end
        meta = params.get("_meta", b"")
        self.exchange = exchange = Exchange(
            message.method, params, meta, caller, self.emit, name, origin=self
        )
        if said.progress_token:
            exchange.progress_token = bytes(said.progress_token)
        if "inputResponses" in params or "requestState" in params:
            exchange.answers, exchange.state = modern.read_answers(params)
        if said.log_level:
            exchange.log_level = modern.read_level(bytes(said.log_level))

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
        self._load.leave(exchange.caller.principal.id)
        if self._on_end is not None:
            self._on_end()
        exchange.emit, exchange.origin = _nobody, None
        if exchange.cancelled:
            self._sink.finish()
        elif type(outcome) is Result:
            try:
                result = modern.write_result(exchange.method, outcome)
            except ValueError as error:
                self._sink.finish(wire.error(self._id, _malformed(error).raw))
            else:
                self._sink.finish(wire.response(self._id, result))
        elif isinstance(outcome, InputRequired):
            self._sink.finish(wire.response(self._id, modern.write_input_required(outcome)))
        elif isinstance(outcome, Failure):
            self._sink.finish(wire.error(self._id, outcome.raw), modern.status_of(outcome))


class LegacyRequest:
    """A request within a session; over HTTP also a `Posting`. What it says goes to its sink, which outlives
    connections; one that says nothing before its answer needs none."""

    __slots__ = (
        "_finished",
        "_handler",
        "_id",
        "_load",
        "_message",
        "_outlet",
        "_params",
        "_progress",
        "_round",
        "_rounds",
        "_said",
        "_session",
        "exchange",
    )

    def __init__(
        self,
        session: Session,
        message: Envelope,
        params: Members,
        said: Said,
        outlet: Sink | Answer,
        load: Load,
        handler: Handler,
    ) -> None:
        """`outlet` is the answer to its POST where it came with one. `load` has been entered. `handler` serves each
        round of it."""
        self._outlet = outlet
        self._session = session
        self._id = message.id
        self._message = message
        self._params = params
        self._said = said
        self._load = load
        self._handler = handler
        self._rounds = 0
        self._progress: Decimal | None = None
        self._finished = False
        self._round: Round | None = None
        self.exchange = self._new_exchange()
        session.requests[self._id] = self

    @property
    def sink(self) -> Sink:
        """Where what it says goes."""
        if not isinstance(self._outlet, Sink):
            self._outlet = EventStream(self._session.journal, self._outlet)
        return self._outlet

    # -- only1mcp_sdk.Posting

    def waiting(self) -> None:
        if not self._finished and isinstance(self.sink, EventStream):
            self.sink.waiting()

    def disconnected(self) -> None:
        if isinstance(self.sink, EventStream):
            self.sink.disconnected()

    # -- for the session

    def cancel(self, reason: str) -> None:
        if self._finished:
            return
        if self._round is not None:
            self._round.withdraw()
            self._round = None
        self._finish(b"")  # first: after a cancel the client hears nothing more
        self.exchange.cancel(reason)

    def emit(self, notification: Notification) -> None:
        if self._finished:
            return
        if notification.method == "notifications/cancelled":
            if self._round is not None:
                self._round.take_back(text(split(notification.params)["requestId"]) or "")
            return
        if notification.method == "notifications/progress" and not self._advances(notification.params):
            return
        if notification.method == "notifications/message":
            members = split(notification.params) if notification.params else {}
            level = text(members.get("level")) or "info"
            if not legacy.wants(level, self._session.log_level):
                return
        self.sink.send(wire.notification(notification.method, notification.params))

    def _advances(self, params: Json) -> bool:
        """Whether progress is news. A server that is called again begins anew, and the client knows that part."""
        try:
            progress = Decimal(split(params)["progress"].decode())
        except (KeyError, ValueError, InvalidOperation):
            return True  # as the server said it
        if self._rounds and self._progress is not None and progress <= self._progress:
            return False
        self._progress = progress
        return True

    def _new_exchange(self) -> Exchange:
        params, session, method, said = self._params, self._session, self._message.method, self._said
        return Exchange(
            method,
            params or None,
            params.get("_meta", b""),
            session.caller,
            self.emit,
            subject(method, params) if params else "",
            progress_token=bytes(said.progress_token) if said.progress_token else None,
            log_level=session.log_level,  # a modern server has to be told with each request
            origin=self,
        )

    # -- only1mcp_sdk.Origin

    def pour(self, source: Source) -> Pipe | None:
        pipe = None if self._finished else self._outlet.pour(source)
        return None if pipe is None else ResultPipe(pipe, self._id)

    def paused(self) -> None:
        """Let the client poll, where it knows how to: its stream goes on when it comes back."""
        if REVISIONS[self._session.caller.revision].polling and isinstance(self.sink, EventStream):
            self.sink.pause()

    def asked_more(self) -> None:
        self._go_on()

    # -- the outcome

    def done(self, outcome: Outcome) -> None:
        """What a round came to."""
        if self._finished:
            return
        if self._round is not None:
            if isinstance(outcome, InputRequired) and not outcome.raw:
                self._round.extend(outcome)
                return
            self._round.withdraw()
            self._round = None
        if type(outcome) is Result:
            if outcome.era == "legacy":
                self._finish(wire.response(self._id, outcome.raw))
                return
            try:
                result = legacy.write_result(outcome)
            except ValueError as error:
                self._finish(wire.error(self._id, _malformed(error).raw))
            else:
                self._finish(wire.response(self._id, result))
        elif isinstance(outcome, Poured):
            self._finish(b"")
        elif isinstance(outcome, Failure):
            self._finish(wire.error(self._id, outcome.raw))
        elif isinstance(outcome, InputRequired):
            self._ask(outcome)

    def _ask(self, outcome: InputRequired) -> None:
        if outcome.raw and self._rounds == MAX_ROUNDS:
            self.exchange.cancel("too many rounds of questions")
            failure = Failure.of(INTERNAL_ERROR, f"The server asked for input more than {MAX_ROUNDS} times")
            self._finish(wire.error(self._id, failure.raw))
        else:
            self._rounds += 1
            self._round = Round(self._session, self.sink, outcome, self._reenter, self._go_on)
            self._round.ask()

    def _go_on(self) -> None:
        """A legacy server hears each answer at once, and its client each question: the call is rejoined with the
        answers there are, for the questions there are."""
        if self._finished or self._round is None:
            return
        exchange = self._new_exchange()
        exchange.answers, exchange.refusals, exchange.state = self._round.take()
        self.exchange = exchange
        self._handler(exchange, self.done)

    def _reenter(self, asked: InputRequired, answers: Members, refusals: Members) -> None:
        """Call a modern server again, with the answers of a round."""
        self._round = None
        failed = next(iter(refusals.values()), None)
        if failed is not None:  # it has no way to be told: the request ends with it
            self._finish(wire.error(self._id, failed))
            return
        exchange = self._new_exchange()
        exchange.answers, exchange.state = answers, asked.state
        exchange.params = {**self._params, "inputResponses": join(answers)}
        if asked.state is not None:
            exchange.params["requestState"] = quoted(asked.state)
        self.exchange = exchange
        self._handler(exchange, self.done)

    def _finish(self, message: bytes) -> None:
        self._finished = True
        session, exchange = self._session, self.exchange
        session.requests.pop(self._id, None)
        self._load.leave(session.caller.principal.id)
        exchange.emit, exchange.origin = _nobody, None
        if message:
            self._outlet.finish(message)
        else:
            self._outlet.finish(status=202)


def _nobody(notification: Notification) -> None:
    """Hears what is said after the end."""


def _malformed(error: ValueError) -> Failure:
    return Failure.of(INTERNAL_ERROR, f"The server answered with a malformed result: {error}")
