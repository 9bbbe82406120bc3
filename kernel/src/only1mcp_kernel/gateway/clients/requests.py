"""A client's request, from its arrival to its answer, in each era.

Both turn it into an exchange and its outcome into an answer. They differ in questions: a modern client gets them as
the result and comes back with a new request; a legacy client is asked on the open stream, and the request is
re-entered here with its answers.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from only1mcp_kernel.gateway.clients.events import EventStream
from only1mcp_kernel.gateway.clients.load import Load
from only1mcp_kernel.gateway.clients.rounds import Round
from only1mcp_kernel.gateway.clients.sessions import Session
from only1mcp_kernel.gateway.clients.sinks import ResultPipe, Sink
from only1mcp_kernel.protocol import legacy, modern
from only1mcp_kernel.protocol.revisions import INTERNAL_ERROR, INVALID_PARAMS, REVISIONS
from only1mcp_kernel.wire import envelope as wire
from only1mcp_kernel.wire.envelope import BadMessage, Envelope
from only1mcp_sdk import (
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
        meta: Members,
        caller: Caller,
        sink: Sink,
        load: Load,
        on_end: Callable[[], None],
    ) -> None:
        """Raises `Refused` for malformed answers of a retry, or no log level. `load` has been entered when it
        starts."""
        self._id = message.id
        self._sink = sink
        self._finished = False
        self._load = load
        self._on_end = on_end
        self.exchange = exchange = Exchange(message.method, params, meta, caller, self.emit)
        exchange.pour = self._pour
        exchange.name = subject(message.method, params)
        exchange.progress_token = meta.get("progressToken")
        if "inputResponses" in params or "requestState" in params:
            exchange.answers, exchange.state = modern.read_answers(params)
        if modern.LOG_LEVEL in meta:
            exchange.log_level = modern.read_level(meta[modern.LOG_LEVEL])

    def start(self, handler: Handler) -> None:
        handler(self.exchange, self._done)

    def _pour(self, source: Source) -> Pipe | None:
        pipe = None if self._finished else self._sink.pour(source)
        return None if pipe is None else ResultPipe(pipe, self._id)

    def emit(self, notification: Notification) -> None:
        if not self._finished and not self.exchange.cancelled:
            self._sink.notify(wire.notification(notification.method, notification.params))

    def waiting(self) -> None:
        """Streams of this era begin with nothing."""

    def disconnected(self) -> None:
        """Closing the stream is the cancellation (specification 2026-07-28, basic/utilities/cancellation)."""
        if not self._finished:
            self.exchange.cancel("the client closed the stream")

    def cancel(self, reason: str) -> None:
        if not self._finished:
            self.exchange.cancel(reason)

    def _done(self, outcome: Outcome) -> None:
        if self._finished:
            return
        self._finished = True
        self._load.leave(self.exchange.caller.principal.id)
        self._on_end()
        self.exchange.emit = _nobody
        self.exchange.pour = None
        if self.exchange.cancelled:
            self._sink.finish()
        elif isinstance(outcome, Poured):
            return
        elif isinstance(outcome, Result):
            try:
                result = modern.write_result(self.exchange.method, outcome)
            except ValueError as error:
                self._sink.finish(wire.error(self._id, _malformed(error).raw))
            else:
                self._sink.finish(wire.response(self._id, result))
        elif isinstance(outcome, InputRequired):
            self._sink.finish(wire.response(self._id, modern.write_input_required(outcome)))
        else:
            self._sink.finish(wire.error(self._id, outcome.raw), modern.status_of(outcome))


class LegacyRequest:
    """A request within a session. What it says goes to its sink, which outlives connections."""

    __slots__ = (
        "_exchange",
        "_finished",
        "_handler",
        "_id",
        "_load",
        "_meta",
        "_method",
        "_params",
        "_progress",
        "_round",
        "_rounds",
        "_session",
        "sink",
    )

    def __init__(
        self, session: Session, message: Envelope, params: Members, meta: Members, sink: Sink, load: Load
    ) -> None:
        """`load` has been entered."""
        self.sink = sink
        self._session = session
        self._id = message.id
        self._method = message.method
        self._params = params if message.params else None
        self._meta = meta
        self._load = load
        self._handler: Handler
        self._rounds = 0
        self._progress: Decimal | None = None
        self._finished = False
        self._round: Round | None = None
        self._exchange = self._new_exchange()

    def start(self, handler: Handler) -> None:
        self._handler = handler
        self._session.requests[self._id] = self
        handler(self._exchange, self._done)

    def cancel(self, reason: str) -> None:
        if self._finished:
            return
        if self._round is not None:
            self._round.withdraw()
            self._round = None
        self._finish(b"")  # first: after a cancel the client hears nothing more
        self._exchange.cancel(reason)

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
        self.sink.notify(wire.notification(notification.method, notification.params))

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
        exchange = Exchange(self._method, self._params, self._meta, self._session.caller, self.emit)
        exchange.name = subject(self._method, self._params) if self._params else ""
        if self._meta:
            exchange.progress_token = self._meta.get("progressToken")
        exchange.pour = self._pour
        exchange.on_pause = self._pause
        exchange.on_question = self._go_on
        exchange.log_level = self._session.log_level  # a modern server has to be told with each request
        return exchange

    def _pour(self, source: Source) -> Pipe | None:
        pipe = None if self._finished else self.sink.pour(source)
        return None if pipe is None else ResultPipe(pipe, self._id)

    def _pause(self) -> None:
        """Let the client poll, where it knows how to: its stream goes on when it comes back."""
        if REVISIONS[self._session.caller.revision].polling and isinstance(self.sink, EventStream):
            self.sink.pause()

    def _done(self, outcome: Outcome) -> None:
        if self._finished:
            return
        if self._round is not None:
            if isinstance(outcome, InputRequired) and not outcome.raw:
                self._round.extend(outcome)
                return
            self._round.withdraw()
            self._round = None
        if isinstance(outcome, Poured):
            self._finish(b"")
        elif isinstance(outcome, Result):
            try:
                result = legacy.write_result(outcome)
            except ValueError as error:
                self._finish(wire.error(self._id, _malformed(error).raw))
            else:
                self._finish(wire.response(self._id, result))
        elif isinstance(outcome, Failure):
            self._finish(wire.error(self._id, outcome.raw))
        elif outcome.raw and self._rounds == MAX_ROUNDS:
            self._exchange.cancel("too many rounds of questions")
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
        self._exchange = exchange
        self._handler(exchange, self._done)

    def _reenter(self, asked: InputRequired, answers: Members, refusals: Members) -> None:
        """Call a modern server again, with the answers of a round."""
        self._round = None
        failed = next(iter(refusals.values()), None)
        if failed is not None:  # it has no way to be told: the request ends with it
            self._finish(wire.error(self._id, failed))
            return
        exchange = self._new_exchange()
        exchange.answers, exchange.state = answers, asked.state
        exchange.params = {**(self._params or {}), "inputResponses": join(answers)}
        if asked.state is not None:
            exchange.params["requestState"] = quoted(asked.state)
        self._exchange = exchange
        self._handler(exchange, self._done)

    def _finish(self, message: bytes) -> None:
        self._finished = True
        self._session.requests.pop(self._id, None)
        self._load.leave(self._session.caller.principal.id)
        exchange = self._exchange
        exchange.emit, exchange.pour, exchange.on_pause, exchange.on_question = _nobody, None, None, None
        self.sink.finish(message, 200 if message else 202)


def _nobody(notification: Notification) -> None:
    """Hears what is said after the end."""


def _malformed(error: ValueError) -> Failure:
    return Failure.of(INTERNAL_ERROR, f"The server answered with a malformed result: {error}")


def subject(method: str, params: Members) -> str:
    """What a request names: a tool, a prompt or a URI; empty where it names nothing."""
    named = params.get("uri" if method.startswith("resources/") else "name")
    return text(named) or "" if named is not None else ""


def read_meta(raw: Json) -> Members:
    """The members of a `_meta`. Raises `ValueError`."""
    return _known_meta(raw).copy() if len(raw) < _REMEMBERED_BYTES else split(raw)


_REMEMBERED_BYTES = 2048
_known_meta = lru_cache(1024)(split)
"""A client of the modern era says the same of itself with each request."""


def open_params(message: Envelope) -> tuple[Members, Members]:
    """The members of a message's params and of their `_meta`. Raises `BadMessage`."""
    try:
        params = split(message.params) if message.params else {}
        meta = read_meta(params["_meta"]) if "_meta" in params else {}
    except ValueError as error:
        raise BadMessage(INVALID_PARAMS, f"Invalid params: {error}", message.id or wire.NO_ID) from None
    return params, meta
