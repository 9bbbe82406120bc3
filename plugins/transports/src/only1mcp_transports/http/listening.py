"""The GET stream on which a server up to revision 2025-11-25 speaks unasked. Kept open until its connection closes.

A server without such a stream is no fault: it is left alone, quietly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from only1mcp_transports.http.lane import Head, Taker
from only1mcp_transports.http.problems import status_line
from only1mcp_transports.http.sse import Events, EventTooLarge
from only1mcp_transports.http.stream import retry_delay
from only1mcp_transports.large import Share

if TYPE_CHECKING:
    from only1mcp_transports.http.connection import HttpConnection

FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0


class Listening(Taker):
    """Opens the stream, again and again, for one connection. `over` when the server has none, or after `stop`."""

    __slots__ = (
        "_connection",
        "_events",
        "_headers",
        "_known",
        "_loop",
        "_open",
        "_opened",
        "_share",
        "_started",
        "_timer",
        "_wait",
    )

    def __init__(self, connection: HttpConnection, headers: Mapping[str, str]) -> None:
        super().__init__()
        self._connection = connection
        self._headers = headers
        self._events = Events(connection.limit)
        self._share = Share(connection.buffers)
        self._known = b""
        self._open = False
        """The answer at hand is such a stream."""
        self._opened = False
        """There was one."""
        self._wait = FIRST_WAIT
        self._started = 0.0
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        if self.over:
            return
        self._started, self._known = self._loop.time(), self._events.last_id
        self._events = Events(self._connection.limit, self._events.last_id, self._events.retry)
        self._open = False
        self._connection.lane.get(self._known, self._headers, self)

    def stop(self) -> None:
        super().stop()
        self._share.release()
        if self._timer is not None:
            self._timer.cancel()

    # -- Taker

    def begun(self, head: Head) -> None:
        connection = self._connection
        connection.learn(head)
        if head.is_events:
            self._open = self._opened = True
            return
        connection.log.debug("no stream for listening: %s", status_line(head))
        if head.status == 404 and self._opened and connection.in_session:
            connection.end_session()
        if head.status >= 500 and head.status != 501:
            self._again()
        else:
            self.stop()
            connection.report_session()

    def took(self, piece: bytes | memoryview) -> None:
        if not self._open:
            return
        try:
            for event in self._events.feed(bytes(piece)):
                if self.over:
                    return
                if event.data and event.type in (b"", b"message"):
                    self._connection.received(event.data, None)
        except EventTooLarge:
            self._skip("exceeds max_message_bytes")
            return
        if not self.over and not self._share.cover(self._events.held):
            self._skip("is large, and the gateway holds too many of those already")

    def ended(self) -> None:
        if self._timer is None:
            self._again()

    def broke(self, problem: str) -> None:
        self._connection.log.debug("the stream for listening: %s", problem)
        if self._timer is None:
            self._again()

    # -- again

    def _skip(self, why: str) -> None:
        self._connection.log.warning("an event on the stream for listening %s, skipped", why)
        self._events = Events(self._connection.limit)
        self._again()

    def _again(self) -> None:
        errand, self.errand = self.errand, None
        if errand is not None:
            errand.abort()
        self._open = False
        self._share.release()
        if self._loop.time() - self._started > LONGEST_WAIT or self._events.last_id != self._known:
            self._wait = FIRST_WAIT
        self._timer = self._loop.call_later(max(self._wait, retry_delay(self._events)), self._restart)
        self._wait = min(self._wait * 2, LONGEST_WAIT)

    def _restart(self) -> None:
        self._timer = None
        self.start()
