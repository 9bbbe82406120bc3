"""What the server of a call asks its client in the middle of it, and what the client has been given of that."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from only1mcp_kernel.gateway.servers.results import MAX_QUESTIONS
from only1mcp_kernel.protocol import bridge
from only1mcp_sdk import Exchange, Json, Notification, Outcome, Question
from only1mcp_sdk.members import encode

if TYPE_CHECKING:
    from only1mcp_kernel.gateway.servers.call import Call

GATHER_SECONDS = 0.02
"""How long a server has for asking several things at once, where the client learns of them together."""


class Dialogue:
    """Of one call, from its first question on."""

    __slots__ = ("_call", "_questions", "_shown", "outcome")

    def __init__(self, call: Call) -> None:
        self.outcome: Outcome | None = None
        """What the server answered the call with, without waiting for its client."""
        self._call = call
        self._questions: dict[str, tuple[Json, Question]] = {}
        self._shown: set[str] = set()
        """Those of them that the client has been given."""

    @property
    def open(self) -> bool:
        """Whether the server waits for anything."""
        return bool(self._questions)

    @property
    def full(self) -> bool:
        """Whether the client has enough to think about."""
        return len(self._questions) >= MAX_QUESTIONS

    def asked(self, id: Json, question: Question) -> None:
        """The server asks something more."""
        call, loop = self._call, asyncio.get_running_loop()
        key = f"{question.method.partition('/')[0]}-{id.decode().strip(chr(34))}"
        if key in self._questions:
            key += "-string"  # the ids 1 and "1" are two
        self._questions[key] = (id, question)
        if call.parked:
            loop.call_soon(self._show_more)
        elif call.exchange.caller.era == "legacy":
            loop.call_soon(call.park)  # what else the server asks can be put to it later, too
        else:
            loop.call_later(GATHER_SECONDS, call.park)

    def _show_more(self) -> None:
        """A legacy client hears of further questions while it still thinks about earlier ones."""
        origin = self._call.exchange.origin
        if self._call.parked and self._questions.keys() - self._shown and origin is not None:
            origin.asked_more()

    def shown(self) -> dict[str, Question]:
        """All open questions, for the client, which is given them now."""
        self._shown = set(self._questions)
        modern = self._call.exchange.caller.era == "modern"
        return {
            key: bridge.asked_of_modern(question) if modern else question
            for key, (_, question) in self._questions.items()
        }

    def answer(self, exchange: Exchange) -> None:
        """A retry brings the client's answers. What nobody asked is ignored."""
        link = self._call.link
        for key, answer in (exchange.answers or {}).items():
            if key in self._questions:
                id, _ = self._questions.pop(key)
                link.reply(id, result=answer)
        for key, error in (exchange.refusals or {}).items():
            if key in self._questions:
                id, _ = self._questions.pop(key)
                link.reply(id, error=error)

    def withdrew(self, id: Json) -> bool:
        """The server no longer wants an answer to this question, if it is one of these."""
        for key, (asked, _) in self._questions.items():
            if asked == id:
                del self._questions[key]
                self.take_back(key)
                return True
        return False

    def take_back(self, key: str) -> None:
        """The client need not answer any more, if it was asked: a legacy one is told, and its request goes on."""
        if self._call.parked:
            params = encode({"requestId": key})
            self._call.exchange.emit(Notification("notifications/cancelled", params))

    def leave(self) -> dict[str, tuple[Json, Question]]:
        """The call ends: what was still open."""
        questions, self._questions = self._questions, {}
        return questions
