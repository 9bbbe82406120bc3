"""The GET stream on which a server up to revision 2025-11-25 speaks unasked. Kept open until its connection closes.

A server without such a stream is no fault: it is left alone, quietly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

import aiohttp

from only1mcp_transports.http.problems import BROKEN, status_line, unreachable
from only1mcp_transports.http.replies import is_event_stream, retry_delay
from only1mcp_transports.http.sse import Events, EventTooLarge

if TYPE_CHECKING:
    from only1mcp_transports.http.connection import HttpConnection

FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0


class Listening:
    """Opens the stream, again and again, for one connection."""

    def __init__(self, connection: HttpConnection, headers: Mapping[str, str]) -> None:
        self._connection = connection
        self._headers = headers
        self._events = Events(connection.limit)
        self._opened = False

    async def run(self) -> None:
        """Returns when the server has no such stream, or no longer knows the session."""
        wait = FIRST_WAIT
        clock = asyncio.get_running_loop().time
        while True:
            started, known = clock(), self._events.last_id
            if not await self._once():
                return
            if clock() - started > LONGEST_WAIT or self._events.last_id != known:
                wait = FIRST_WAIT
            await asyncio.sleep(max(wait, retry_delay(self._events)))
            wait = min(wait * 2, LONGEST_WAIT)

    async def _once(self) -> bool:
        """Listen until the stream ends. Whether to try again."""
        connection = self._connection
        self._events = Events(connection.limit, self._events.last_id, self._events.retry)
        try:
            async with connection.request("GET", self._headers, last_id=self._events.last_id) as response:
                if is_event_stream(response):
                    self._opened = True
                    await self._read(response)
                    return True
                if response.status == 404 and self._opened and connection.has_session:
                    connection.end_session()
                connection.log.debug("no stream for listening: %s", status_line(response))
                return response.status >= 500 and response.status != 501
        except EventTooLarge:
            connection.log.warning("an event on the stream for listening exceeds max_message_bytes, skipped")
            self._events = Events(connection.limit)
        except BROKEN as error:
            connection.log.debug("the stream for listening: %s", unreachable(connection.url, error))
        return True

    async def _read(self, response: aiohttp.ClientResponse) -> None:
        while chunk := await response.content.readany():
            for event in self._events.feed(chunk):
                if event.data and event.type in (b"", b"message"):
                    self._connection.received(event.data, None)
