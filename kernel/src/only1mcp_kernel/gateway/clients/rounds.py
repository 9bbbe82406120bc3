"""Questions put to a legacy client on the stream of its request.

A modern server hears all answers of a round together, when it is called again. A legacy one works on meanwhile: it
hears each as it comes, and may ask more before.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from only1mcp_kernel.gateway.clients.sessions import Session
from only1mcp_kernel.gateway.clients.sinks import Sink
from only1mcp_kernel.protocol import bridge
from only1mcp_kernel.protocol.capabilities import may_ask
from only1mcp_kernel.protocol.revisions import INTERNAL_ERROR
from only1mcp_sdk import Failure, InputRequired, Members, Question

ANSWER_SECONDS = 600.0
"""How long a legacy client may think about a question."""


class Round:
    """The questions that one request has open at its client."""

    def __init__(
        self,
        session: Session,
        sink: Sink,
        asked: InputRequired,
        done: Callable[[InputRequired, Members, Members], None],
        some: Callable[[], None],
    ) -> None:
        """`done` is called at the end of a modern server's round; `some` when there is an answer for a legacy one."""
        self._session = session
        self._sink = sink
        self._asked = asked
        self._done = done
        self._some = some
        self._open: dict[str, bytes] = {}
        self._answers: Members = {}
        self._refusals: Members = {}
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False

    def ask(self) -> None:
        self.extend(self._asked)

    def take(self) -> tuple[Members, Members, str | None]:
        """The answers and refusals that came since the last time, and the state to go on with."""
        answers, self._answers = self._answers, {}
        refusals, self._refusals = self._refusals, {}
        return answers, refusals, self._asked.state

    def extend(self, asked: InputRequired) -> None:
        """These are the server's questions now; those the client has not been asked are put to it."""
        self._asked = asked
        self._set_timer()
        for key, question in asked.questions.items():
            if key in self._open or key in self._answers or key in self._refusals:
                continue
            if not may_ask(self._session.caller.capabilities, question):
                self._record(key, question, *_turned_down(question))
                continue
            if self._asked.raw:
                question = bridge.asked_of_legacy(question, secrets.token_urlsafe(12))
            self._open[key] = self._session.ask(question, self._listener(key, question), self._sink)
        self._check()

    def withdraw(self) -> None:
        """Nobody wants the answers any more."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        self._take_all_back()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(ANSWER_SECONDS, self._time_out)

    def _take_all_back(self) -> None:
        for id in self._open.values():
            self._session.withdraw(id, self._sink)
        self._open.clear()

    def take_back(self, key: str) -> None:
        """The server no longer wants this answer."""
        id = self._open.pop(key, None)
        if id is not None:
            self._session.withdraw(id, self._sink)
            self._refusals[key] = Failure.of(INTERNAL_ERROR, "No longer wanted").raw
            self._check()

    def _listener(self, key: str, question: Question) -> Callable[[bytes, bytes], None]:
        def heard(result: bytes, error: bytes) -> None:
            if self._open.pop(key, None) is not None:
                self._record(key, question, result, error)
                self._check()

        return heard

    def _record(self, key: str, question: Question, result: bytes, error: bytes) -> None:
        if result:
            self._answers[key] = result
        elif self._asked.raw and question.method == "elicitation/create":
            self._answers[key] = b'{"action":"cancel"}'
        else:
            self._refusals[key] = error

    def _time_out(self) -> None:
        late = {key: self._asked.questions[key] for key in self._open}
        self._take_all_back()
        for key, question in late.items():
            failure = Failure.of(INTERNAL_ERROR, "The client did not answer in time")
            self._record(key, question, b"", failure.raw)
        self._check()

    def _check(self) -> None:
        if self._ended:
            return
        if not self._asked.raw:
            if self._answers or self._refusals:
                self._some()
            return
        # A modern server can't be told of a refusal: the round is over with the first.
        if not self._refusals and (self._open or self._asked.questions.keys() - self._answers.keys()):
            return
        self.withdraw()
        self._done(self._asked, self._answers, self._refusals)


def _turned_down(question: Question) -> tuple[bytes, bytes]:
    kind, raw = bridge.decline(question)
    return (raw, b"") if kind == "result" else (b"", raw)
