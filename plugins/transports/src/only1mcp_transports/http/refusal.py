"""Answers without a message: refusals, empty ones, and bodies that are neither JSON nor an event stream."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from only1mcp_sdk.flow import LARGE
from only1mcp_transports.http.lane import JSON, Head
from only1mcp_transports.http.problems import printable, refused, status_line
from only1mcp_transports.large import Pieces, Share

if TYPE_CHECKING:
    from only1mcp_transports.http.replies import Reply

BRIEF = 5.0
"""Seconds the body gets of an answer whose head says enough."""
_LONGEST = 1 << 20
_STRANGE = (400, 404, 405)
"""How a server refuses what it does not know: the beginning of another transport, it may be."""


class Refusal:
    """A `Reading` of a body that says why: what comes of it without waiting long."""

    __slots__ = ("_head", "_pieces", "_reply", "_share")

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._pieces = Pieces()
        self._share = Share(reply.connection.buffers)
        self._head: Head | None = None

    def begun(self, head: Head) -> None:
        self._head = head
        self._reply.limit(BRIEF)

    def took(self, piece: bytes | memoryview) -> None:
        self._pieces.add(piece)
        if self._pieces.size > _LONGEST or not self._share.cover(self._pieces.size):
            self.ended()

    def ended(self) -> None:
        head, reply, body = self._head, self._reply, self._pieces.take()
        assert head is not None
        if head.type == JSON and len(body) <= _LONGEST and "jsonrpc" in members(body):
            reply.deliver(body)
            if not reply.over:
                reply.finish(status_line(head))
            return
        misunderstood = head.status in _STRANGE and not reply.connection.in_session
        reply.finish(refused(reply.connection.url, head, body), misunderstood=misunderstood)

    def broke(self, problem: str) -> None:
        self.ended()

    def overdue(self) -> None:
        self.ended()

    def dropped(self, problem: str) -> None:
        self._share.release()


class Foreign:
    """A `Reading` of a body of another type, which is a fault unless it is empty."""

    __slots__ = ("_head", "_reply")

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._head: Head | None = None

    def begun(self, head: Head) -> None:
        self._head = head
        self._reply.limit(BRIEF)

    def took(self, piece: bytes | memoryview) -> None:
        assert self._head is not None
        self._reply.finish(
            f"{refused(self._reply.connection.url, self._head, b'')} is {printable(self._head.type)}, neither JSON "
            "nor an event stream; is the url that of an MCP endpoint?"
        )

    def ended(self) -> None:
        self._reply.finish("")

    def broke(self, problem: str) -> None:
        self._reply.finish("")

    def overdue(self) -> None:
        self._reply.finish("")

    def dropped(self, problem: str) -> None:
        """Nothing is held."""


class Nothing:
    """A `Reading` of a body that means nothing, read so that the connection can be used again."""

    __slots__ = ("_left", "_reply")

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._left = LARGE

    def begun(self, head: Head) -> None:
        self._reply.limit(BRIEF)

    def took(self, piece: bytes | memoryview) -> None:
        self._left -= len(piece)
        if self._left < 0:
            self._reply.finish("")

    def ended(self) -> None:
        self._reply.finish("")

    def broke(self, problem: str) -> None:
        self._reply.finish("")

    def overdue(self) -> None:
        self._reply.finish("")

    def dropped(self, problem: str) -> None:
        """Nothing is held."""


def members(body: bytes) -> dict[str, Any]:
    """Those of a JSON object; none where it is no such thing."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
