"""A call: the upstream half of an exchange.

It holds the link and the upstream's id for as long as the server works, also while the server waits for the client:
then the exchange ends with `InputRequired`, the call is parked, and a retry (a new exchange) rejoins it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from only1mcp_kernel.gateway.servers.dialogue import Dialogue
from only1mcp_kernel.gateway.servers.link import Link
from only1mcp_kernel.gateway.servers.mirroring import Mirror
from only1mcp_kernel.gateway.servers.pouring import Pouring
from only1mcp_kernel.gateway.servers.request import read_error
from only1mcp_kernel.gateway.servers.results import Unfit, begins_complete, read_result
from only1mcp_kernel.protocol import bridge, tasks
from only1mcp_kernel.protocol.errors import STALE
from only1mcp_kernel.protocol.legacy import wants
from only1mcp_kernel.protocol.modern import NAME_PARAM
from only1mcp_kernel.protocol.revisions import HEADER_MISMATCH, INTERNAL_ERROR
from only1mcp_kernel.wire.envelope import Envelope
from only1mcp_kernel.wire.plain import write_request
from only1mcp_kernel.wire.splice import Splice
from only1mcp_sdk import (
    Done,
    Exchange,
    Failure,
    InputRequired,
    Json,
    Members,
    Notification,
    Outcome,
    Pipe,
    Poured,
    Question,
    Result,
    Source,
)
from only1mcp_sdk.members import encode, join, text

if TYPE_CHECKING:
    from only1mcp_kernel.gateway.servers.attempts import Attempts
    from only1mcp_kernel.gateway.servers.endpoint import Endpoint

_OBJECT = ord("{")
CANCELLED = Failure.of(-32603, "Request cancelled")
Reread: TypeAlias = "Callable[[Call, Outcome], Outcome]"
"""Puts a server's answer right before anybody has seen it."""


class Call(Struct, eq=False):
    """One request to a server on behalf of a client. A `Waiting` of its link."""

    _attempts: Attempts
    endpoint: Endpoint
    exchange: Exchange
    link: Link
    _done: Done | None
    """None while it is parked, and after its end."""
    _asked_at: float
    """Since when the server works on it, on the event loop's clock."""
    timeout: float
    """How many seconds the server has; 0 for any number."""
    reread: Reread | None = None
    mirror: Mirror | None = None
    id: int = 0
    """What the server knows it by, and the token of its progress."""
    seconds: float = 0.0
    """How long the server has worked, without the time spent waiting for the client."""
    _dialogue: Dialogue | None = None
    _pouring: Pouring | None = None

    def start(self) -> None:
        """Send it, if it may be sent where server and client are of two eras."""
        refused = self._bad_retry()
        if refused is None:
            self._send_bridged()
        else:
            self.end(refused)

    def _bad_retry(self) -> Outcome | None:
        """A legacy server never gave out a state, and has no use for the answers to what it did not ask itself: the
        visits to URLs that it required."""
        exchange = self.exchange
        if self.link.era == "modern":
            return None
        if exchange.state is not None:
            return STALE
        return bridge.unvisited(exchange.answers, exchange.method) if exchange.answers else None

    def send(self) -> None:
        """Send it, within one era."""
        exchange, link = self.exchange, self.link
        if exchange.progress_token is not None or type(exchange.as_sent) is not bytes:
            self._send_bridged()
            return
        self.id = id = next(link.ids)
        method, params = exchange.method, exchange.params or {}
        member = NAME_PARAM.get(method)
        name = None if member is None else encode(exchange.target)
        headers = link.dialect.headers_for(method, name)
        if self.mirror is not None:
            headers = self.mirror.beside(headers, params)
        link.send(id, write_request(id, method, params, member, name), headers, self)

    def _send_bridged(self) -> None:
        """Send it with another `_meta` than the client's."""
        exchange, link = self.exchange, self.link
        self.id = id = next(link.ids)
        method, caller, meta = exchange.method, exchange.caller, self._attempts.own_meta(self)
        params, capabilities = dict(exchange.params or {}), caller.capabilities
        member = NAME_PARAM.get(method)
        if member is not None:
            params[member] = encode(exchange.target)
        if link.era != caller.era:
            capabilities = tasks.without(capabilities)
            if method == "tools/call":
                params.pop("task", None)  # a server without tasks runs the call plainly
            if link.era == "legacy":
                params.pop("inputResponses", None)
                params.pop("requestState", None)
        if exchange.progress_token is not None:
            meta = {**meta, "progressToken": b"%d" % id}
        dialect = link.dialect
        message, headers = dialect.request(id, method, params, meta, capabilities, exchange.log_level)
        if self.mirror is not None:
            headers = self.mirror.beside(headers, params)
        link.send(id, message, headers, self)

    def _send_again(self) -> None:
        if self._done is None:  # it was given up meanwhile
            return
        if self.link.era == self.exchange.caller.era:
            self.send()
        else:
            self._send_bridged()

    @property
    def principal(self) -> str:
        """Whose it is."""
        return self.exchange.caller.principal.id

    @property
    def parked(self) -> bool:
        """Whether its client has been asked something, and nobody waits for its outcome."""
        return self._done is None

    def resume(self, exchange: Exchange, done: Done) -> None:
        """A retry brings the client's answers. What it leaves unanswered is asked again."""
        dialogue = self._dialogue
        assert dialogue is not None
        self.exchange = exchange
        self._done = done
        exchange.on_cancel = self.cancel
        self._asked_at = self._attempts.now()
        self.prolong()
        dialogue.answer(exchange)
        if dialogue.outcome is not None:
            self.end(dialogue.outcome)
        elif dialogue.open:
            self.park()

    def prolong(self) -> None:
        """The client works for the server meanwhile, and not on a question of this call: the time begins anew."""
        if self._done is not None and self.timeout:
            self.exchange.deadline = self._attempts.now() + self.timeout

    # -- from the link

    def answered(self, result: Json) -> None:
        if self.link.era == "legacy" and result[0] == _OBJECT and self.reread is None:  # as a rule
            self.end(Result(result, "legacy"))
            return
        try:
            outcome = read_result(result, self.link.era, self.exchange, task=self.reread is not None)
        except Unfit as unfit:
            outcome = self._failure(str(unfit))
        self.end(self.reread(self, outcome) if self.reread is not None else outcome)

    def refused(self, error: Json) -> None:
        failure, caller = read_error(error), self.exchange.caller
        if failure.code == HEADER_MISMATCH and self.link.era == "modern":
            self._mismatched()
            return
        if self.link.era == "legacy" and caller.session:
            self.link.visits.required(failure, caller.session)
        outcome = bridge.failure(failure, self.exchange.method, self.link.era, caller)
        self.end(self.reread(self, outcome) if self.reread is not None else outcome)

    def arriving(self, start: bytes, source: Source) -> Pipe | None:
        """A large result goes on as it arrives, where nobody has to see it whole."""
        exchange, era = self.exchange, self.link.era
        if exchange.whole or exchange.origin is None or self._done is None:
            return None
        if self.reread is not None or (self._dialogue is not None and self._dialogue.open):
            return None
        splice = Splice(self.id)
        begin = splice.begin(start) if era == exchange.caller.era else None
        if begin is None or (era == "modern" and not begins_complete(start, begin)):
            return None
        pipe = exchange.origin.pour(source)
        if pipe is None:
            return None
        pouring = self._pouring = Pouring(splice, source, pipe, self._poured)
        pouring.write(start[begin:])
        return pouring

    def _poured(self, size: int, problem: str) -> None:
        self._pouring = None
        self.link.poured(self.id)
        self.end(self._failure(problem) if problem else Poured(b"", self.link.era, size))

    def _mismatched(self) -> None:
        """What the server refused is between it and the gateway; the client has no part in it."""
        if self.mirror is None:
            self.mirror = self._attempts.mirror(self.link, self.exchange)
        if self.mirror is None or not self.mirror.renew(self._send_again):
            self.end(self._failure("did not accept the header fields of the request"))

    def paused(self) -> None:
        if self.exchange.origin is not None:
            self.exchange.origin.paused()

    def lost(self, problem: str) -> None:
        self.end(self._failure(problem))

    def notified(self, message: Envelope, params: Members) -> None:
        if message.method == "notifications/progress":
            if self.exchange.progress_token is None:
                return
            params["progressToken"] = self.exchange.progress_token
            self.exchange.emit(Notification(message.method, join(params)))
            return
        if message.method == "notifications/message" and self.exchange.caller.era == "modern":
            wanted = self.exchange.log_level
            if wanted is None or (self.link.era == "legacy" and not wants(_level(params), wanted)):
                return
        self.exchange.emit(Notification(message.method, message.params))

    @property
    def asks_too_much(self) -> bool:
        """Whether its client has enough to think about."""
        return self._dialogue is not None and self._dialogue.full

    def asked(self, id: Json, question: Question) -> None:
        """The server asks the client something before it can go on."""
        if self._dialogue is None:
            self._dialogue = Dialogue(self)
        self._dialogue.asked(id, question)

    def withdrew(self, id: Json) -> bool:
        """The server no longer wants an answer to this question, if it was one of this call's."""
        return self._dialogue is not None and self._dialogue.withdrew(id)

    # -- ends

    def cancel(self, reason: str) -> None:
        """The client gave up, or nobody came back."""
        self.link.cancel(self.id, reason, self.principal)
        self._attempts.parking.forget(self)
        self._let_questions_go()
        self.end(CANCELLED)

    def expire(self, now: float) -> None:
        """End it if the server took too long."""
        deadline = self.exchange.deadline
        if self._done is not None and deadline is not None and deadline <= now:
            self.link.cancel(self.id, "timed out", self.principal)
            self.end(self._failure(f"did not answer within {self.timeout:g} s"))

    def park(self) -> None:
        """Ask the client, and wait for it to come back."""
        dialogue = self._dialogue
        if self._done is None or dialogue is None or not dialogue.open:
            return
        state = self._attempts.parking.park(self)
        if state is None:
            self.link.cancel(self.id, "too many calls wait for this client", self.principal)
            self.end(self._failure("asks for input, but too many calls already wait for this client"))
            return
        self.seconds += self._attempts.now() - self._asked_at
        done, self._done = self._done, None
        done(self._attempts.sealed(self, InputRequired(dialogue.shown(), state)))

    def end(self, outcome: Outcome) -> None:
        """What it came to."""
        done = self._done
        if done is None:
            self._keep(outcome)
            return
        attempts = self._attempts
        self._done = self.exchange.on_cancel = None  # nothing is left to be told, nothing has to be collected
        self.seconds += attempts.now() - self._asked_at
        if self._pouring is not None:
            self._pouring.stop()
        if self._dialogue is None:
            self.endpoint.figures.ended(self.seconds, type(outcome) is Failure)
            if attempts.learns:
                attempts.learn(self, outcome)
        else:
            self._let_questions_go()
            if self._dialogue.outcome is None:
                self._settle(self._dialogue, outcome)
        done(attempts.sealed(self, outcome) if isinstance(outcome, InputRequired) else outcome)

    def _keep(self, outcome: Outcome) -> None:
        """The server went on without waiting: kept for the retry."""
        dialogue = self._dialogue
        if dialogue is not None and dialogue.outcome is None:
            self._settle(dialogue, outcome)
            for key, (id, question) in dialogue.leave().items():
                dialogue.take_back(key)
                self._attempts.orphaned(self, id, question)

    def _settle(self, dialogue: Dialogue, outcome: Outcome) -> None:
        """The server has answered, or never will; once."""
        dialogue.outcome = outcome
        self.endpoint.figures.ended(self.seconds, type(outcome) is Failure)
        if self._attempts.learns:
            self._attempts.learn(self, outcome)

    def _let_questions_go(self) -> None:
        """Questions that are open at the end may have been another call's all along, or are nobody's."""
        if self._dialogue is not None:
            for id, question in self._dialogue.leave().values():
                self._attempts.orphaned(self, id, question)

    def _failure(self, problem: str) -> Failure:
        server = self._attempts.server_name
        return Failure.of(INTERNAL_ERROR, f'Server "{server}" {_verb(problem)}', {"server": server})


def _level(params: Members) -> str:
    return text(params.get("level")) or "info"


def _verb(problem: str) -> str:
    return problem if problem.startswith(("did not", "answered", "asks")) else f"failed: {problem}"
