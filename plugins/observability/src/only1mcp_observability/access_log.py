"""The access log: who called what, where it went, what came of it and how long it took.

On the hot path a record is appended to a queue and nothing more; a thread makes lines of what has gathered, twice a
second and once more at the end. Nothing a client or server sent gets into it but method and name.

Stand it first among the filters: it is told of what the filters after it answer, and not of what those before it do.
The gateway does not tell filters of exchanges that were cancelled, so those have no line.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from only1mcp_observability.lines import Record
from only1mcp_sdk import Clock, Exchange, Failure, InputRequired, Outcome, Place

INTERVAL = 0.5
"""Seconds between writes."""
MOST = 200_000
"""Records that wait at most. While a disk or a terminal takes no more, further ones are counted and dropped."""


class Lines(Protocol):
    """Where lines go. Called from a thread, by one caller at a time."""

    def write(self, lines: Sequence[str]) -> None:
        """Write them. Raises `OSError` when that fails; they are then lost."""


class AccessLog:
    """Implements `Filter`. The opener spawns `write_regularly` and awaits `close` in the end."""

    place: Place = "gateway"
    reads_results = False

    def __init__(
        self, clock: Clock, format: Callable[[Record], str], lines: Lines, logger: logging.Logger
    ) -> None:
        self._clock = clock
        self._format = format
        self._lines = lines
        self._logger = logger
        self._records: deque[Record] = deque()
        self._dropped = 0
        self._writing = threading.Lock()

    def before(self, exchange: Exchange) -> None:
        """Lets everything pass."""

    def after(self, exchange: Exchange, outcome: Outcome) -> Outcome:
        if len(self._records) >= MOST:
            self._dropped += 1
            return outcome
        clock, caller = self._clock, exchange.caller
        seconds = clock.monotonic() - exchange.started
        self._records.append(
            (
                clock.time(),
                caller.principal.id,
                caller.profile,
                exchange.method,
                exchange.name,
                exchange.server,
                _word_for(outcome),
                seconds * 1000,
            )
        )
        return outcome

    async def write_regularly(self) -> None:
        """Write what gathers, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL)
            if self._records or self._dropped:
                await asyncio.to_thread(self._write)

    async def close(self) -> None:
        """Write the rest. A write that is under way is waited for."""
        await asyncio.to_thread(self._write)

    def _write(self) -> None:
        with self._writing:
            taken = []
            while self._records:
                taken.append(self._records.popleft())
            dropped, self._dropped = self._dropped, 0
            try:
                if taken:
                    self._lines.write([self._format(record) for record in taken])
            except OSError as error:
                self._logger.error("%d lines of the access log were lost: %s", len(taken), error)
            if dropped:
                self._logger.error("%d lines of the access log were lost: too many at once", dropped)


def _word_for(outcome: Outcome) -> str:
    if isinstance(outcome, Failure):
        return str(outcome.code)
    return "input_required" if isinstance(outcome, InputRequired) else "ok"
