"""A connection in aiohttp's hands: what is not plain is served by a connection of aiohttp's on the same transport.

It is told from aiohttp's private fields whether it rests: aiohttp has no other word for it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from only1mcp_transports.http.fast.heads import END

if TYPE_CHECKING:
    from only1mcp_transports.http.fast.lane import Lane, Patience

_SOON = 0.1
"""Seconds in which aiohttp begins with a request it was given."""
_BEGINNINGS = (b"POST ", b"GET ", b"DELETE ")


class Handover:
    """From the first request that is given to aiohttp until it is dismissed."""

    __slots__ = ("_general", "_lane", "_whole")

    def __init__(self, general: Any, lane: Lane, transport: asyncio.Transport) -> None:
        self._general = general
        self._lane = lane
        self._whole = False
        """What it was given last ended with a blank line: it holds no part of a head."""
        general.connection_made(transport)

    def feed(self, data: bytes) -> None:
        self._whole = data.endswith(END)
        self._general.data_received(data)

    def is_over(self, data: bytes) -> bool:
        """Whether it has nothing left to do, and this may be a plain request."""
        return self._whole and self._rests() and data.startswith(_BEGINNINGS)

    def dismiss(self) -> None:
        """The transport is no longer its own."""
        self._general.transport = None  # else it would be closed
        self._general.connection_lost(None)

    def lost(self, exc: Exception | None) -> None:
        self._general.connection_lost(exc)

    def pause_writing(self) -> None:
        self._general.pause_writing()

    def resume_writing(self) -> None:
        self._general.resume_writing()

    def ended(self) -> bool:
        """The client sends nothing more. Whether the connection is kept for the answer that aiohttp is working on, or
        may be about to begin with. (Or waits for the rest, which does not come.)"""
        if self._lane.ends_in_general(self._general):
            return True
        if self._rests():
            return False
        asyncio.get_running_loop().call_later(_SOON, self._end)
        return True

    def _end(self) -> None:
        general = self._general
        if general.transport is not None and not self._lane.ends_in_general(general):
            general.force_close()

    def has(self, patience: Patience) -> float | None:
        """As `Connection.has`."""
        if not self._rests():
            return None
        return patience.next_request if self._whole else patience.head

    def _rests(self) -> bool:
        """Whether aiohttp waits for a request, or for more of one."""
        general = self._general
        return (
            general._waiter is not None
            and general._current_request is None
            and general._payload_parser is None
            and not (general._messages or general._message_tail or general._upgraded or general._close)
        )
