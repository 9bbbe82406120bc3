"""A request within a session, from its arrival to its answer.

Its client is asked on the open stream; then the request is entered again with the answers.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from msgspec import Struct

from only1mcp_kernel.gateway.clients.events import EventStream
from only1mcp_kernel.gateway.clients.load import Share
from only1mcp_kernel.gateway.clients.reading import subject
from only1mcp_kernel.gateway.clients.rounds import Round
from only1mcp_kernel.gateway.clients.sessions import Session
from only1mcp_kernel.gateway.clients.sinks import ResultPipe, Sink, malformed
from only1mcp_kernel.protocol import legacy
from only1mcp_kernel.protocol.meta import NOTHING, Said
from only1mcp_kernel.protocol.revisions import INTERNAL_ERROR, REVISIONS
from only1mcp_kernel.wire import envelope as wire
from only1mcp_kernel.wire.envelope import Envelope
from only1mcp_sdk import (
    Answer,
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

_NOTHING_MORE = Poured(b"", "legacy")
MAX_ROUNDS = 10
"""How often a modern server may answer one request with questions. A legacy one asks as often as it wants: it works on
all the while."""


def first_exchange(session: Session, message: Envelope, params: Members, said: Said) -> Exchange:
    """What such a request asks for, before anybody has been asked anything."""
    method = message.method
    exchange = Exchange(
        method,
        params or None,
        params.get("_meta", b""),
        session.caller,
        message.name or subject(message, params),
    )
    exchange.log_level = session.log_level  # a modern server has to be told with each request
    if said is not NOTHING:
        if said.progress_token:
            exchange.progress_token = bytes(said.progress_token)
        if said.capabilities or said.client_info or said.log_level or said.related_task:
            exchange.meta = split(params["_meta"])  # it does not go on as it is
    return exchange


class LegacyRequest(Struct, eq=False):
    """A request within a session; over HTTP also a `Posting`. What it says goes to its sink, which outlives
    connections; one that says nothing before its answer needs none."""

    exchange: Exchange
    """Of the round at hand."""
    _session: Session
    _message: Envelope
    _params: Members
    _said: Said
    _outlet: Sink | Answer
    """The answer to its POST where it came with one."""
    _share: Share
    """It has been entered there."""
    _handler: Handler
    """Serves each further round of it."""
    _finished: bool = False
    _rounds: int = 0
    _round: Round | None = None
    _progress: Decimal | None = None

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
        if not self._finished:
            exchange = self.exchange
            self.done(_NOTHING_MORE)  # first: after a cancel the client hears nothing more
            exchange.cancel(reason)

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

    # -- only1mcp_sdk.Origin

    def pour(self, source: Source) -> Pipe | None:
        pipe = None if self._finished else self._outlet.pour(source)
        return None if pipe is None else ResultPipe(pipe, self._message.id)

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
        message: bytes | None
        id = self._message.id
        if type(outcome) is Result and outcome.era == "legacy":  # as a rule
            message = wire.RESPONSE % (id, outcome.raw)
        else:
            message = self._written(outcome)
            if message is None:
                return
        self._finished = True
        del self._session.requests[id]
        self._share.leave()
        self.exchange.origin = None
        if message:
            self._outlet.finish(message)
        else:
            self._outlet.finish(status=202)

    def _written(self, outcome: Outcome) -> bytes | None:
        """The answer; empty where there is no more to say, None where the client is asked first."""
        id = self._message.id
        if isinstance(outcome, Poured):
            return b""
        if isinstance(outcome, Failure):
            return wire.error(id, outcome.raw)
        if isinstance(outcome, InputRequired):
            self._ask(outcome)
            return None
        try:
            return wire.response(id, legacy.write_result(outcome))
        except ValueError as error:
            return wire.error(id, malformed(error).raw)

    def _ask(self, outcome: InputRequired) -> None:
        if outcome.raw and self._rounds == MAX_ROUNDS:
            self.exchange.cancel("too many rounds of questions")
            problem = f"The server asked for input more than {MAX_ROUNDS} times"
            self.done(Failure.of(INTERNAL_ERROR, problem))
        else:
            self._rounds += 1
            self._round = Round(self._session, self.sink, outcome, self._reenter, self._go_on)
            self._round.ask()

    def _go_on(self) -> None:
        """A legacy server hears each answer at once, and its client each question: the call is rejoined with the
        answers there are, for the questions there are."""
        if self._finished or self._round is None:
            return
        exchange = self._anew()
        exchange.answers, exchange.refusals, exchange.state = self._round.take()
        self._handler(exchange, self.done)

    def _reenter(self, asked: InputRequired, answers: Members, refusals: Members) -> None:
        """Call a modern server again, with the answers of a round."""
        self._round = None
        failed = next(iter(refusals.values()), None)
        if failed is not None:  # it has no way to be told: the request ends with it
            self.done(Failure(INTERNAL_ERROR, "", failed))
            return
        exchange = self._anew()
        exchange.answers, exchange.state = answers, asked.state
        exchange.params = {**self._params, "inputResponses": join(answers)}
        if asked.state is not None:
            exchange.params["requestState"] = quoted(asked.state)
        self._handler(exchange, self.done)

    def _anew(self) -> Exchange:
        exchange = self.exchange = first_exchange(self._session, self._message, self._params, self._said)
        exchange.origin = self
        return exchange
