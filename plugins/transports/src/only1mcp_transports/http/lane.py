"""What lies between the rules of MCP over HTTP and the bytes: requests go into a lane, answers come out of it.

There are two lanes, `pool` and `aiohttp_lane`. They decide how bytes come, and nothing about what they mean.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Protocol

from only1mcp_sdk import Source

JSON, EVENTS = "application/json", "text/event-stream"


class Head:
    """The head of an answer, as far as anybody wants to know it."""

    __slots__ = ("encoding", "length", "location", "message", "plain", "reason", "session", "status", "type")

    def __init__(
        self,
        status: int,
        reason: str,
        type: str,
        length: int = -1,
        *,
        session: str = "",
        location: str = "",
        encoding: str = "",
    ) -> None:
        self.status = status
        self.reason = reason
        self.type = type or "application/octet-stream"
        """The media type, in lower case and without parameters."""
        self.length = length
        """Bytes of the body; -1 where it is not said."""
        self.session = session
        self.location = location
        self.encoding = encoding
        """How the body is coded, where nobody undoes that."""
        self.plain = status == 200 and self.type in (JSON, EVENTS) and not encoding
        self.message = self.plain and self.type == JSON and not session
        """The body is one message, and nothing else is to be learned."""

    @property
    def is_events(self) -> bool:
        return 200 <= self.status < 300 and self.type == EVENTS and not self.encoding


class Errand(Source, Protocol):
    """One request on its way."""

    def limit(self, seconds: float) -> None:
        """Call `Taker.overdue` if the answer has not ended by then, or up to a second later."""


class Taker(ABC):
    """Takes one answer: `begun`, then `took` any number of times, then `ended`; or `whole` alone; or `broke` at any
    time.

    None of them is called from within the call that sent the request, and none after `Errand.abort`.
    """

    __slots__ = ("errand", "over")

    def __init__(self) -> None:
        self.errand: Errand | None = None
        """Set by the lane as long as there is something to hold up or to stop. It is None again before the last of
        the calls."""
        self.over = False
        """Whether nothing more of the answer is wanted."""

    def whole(self, head: Head, body: bytes) -> None:
        """The whole answer in one piece."""
        self.begun(head)
        if body and not self.over:
            self.took(body)
        if not self.over:
            self.ended()

    @abstractmethod
    def begun(self, head: Head) -> None: ...

    @abstractmethod
    def took(self, piece: bytes | memoryview) -> None:
        """The next piece of the body. It never changes, and is not empty."""

    @abstractmethod
    def ended(self) -> None:
        """The answer is complete."""

    @abstractmethod
    def broke(self, problem: str) -> None:
        """There is no more; why, in words for people."""

    def overdue(self) -> None:  # noqa: B027  (most set no time)
        """The time that was set with `Errand.limit` is up."""

    def stop(self) -> None:
        """Nothing more is wanted."""
        self.over = True
        errand, self.errand = self.errand, None
        if errand is not None:
            errand.abort()


class Lane(Protocol):
    """Takes requests to one server. None of its calls but `close` blocks, or raises."""

    session: str | None
    """What every request from now on names as its session."""

    def post(self, message: bytes, headers: Mapping[str, str], taker: Taker) -> None: ...

    def get(self, last_id: bytes, headers: Mapping[str, str], taker: Taker) -> None: ...

    def delete(self, headers: Mapping[str, str], taker: Taker) -> None: ...

    async def close(self) -> None:
        """Stop what is under way, and wait until nothing is left. Idempotent."""
