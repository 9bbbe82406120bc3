"""The process's own standard input and output, taken for one client.

Nothing but messages may reach the client, so the real streams are put aside: what else prints goes to standard error,
and what else reads finds nothing. They may be pipes, sockets, files or terminals, and other processes may hold them
too, so their modes are left alone: each has a thread, which waits until it can go on without blocking.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import select
import sys
import threading
from collections.abc import Callable, Iterator

from only1mcp_sdk import OpenFailed
from only1mcp_transports.stdio.lines import Lines, as_line

CHUNK = 1 << 16
FLUSH_SECONDS = 5.0
"""How long a client may take, when all is over, to read what it was already sent."""
_GLANCE = 0.2
"""Seconds between two looks at whether a client that does not read is still waited for."""


@contextlib.contextmanager
def put_aside() -> Iterator[tuple[int, int]]:
    """The real standard input and output, as descriptors that nobody else uses; afterwards all is as before. Raises
    `OpenFailed`."""
    import fcntl

    for name, at_start in (("input", sys.__stdin__), ("output", sys.__stdout__)):
        if at_start is None:  # what has its number by now is something else
            raise OpenFailed(f"standard {name} is closed, so there is no client to serve")
    with contextlib.ExitStack() as stack:
        nothing = os.open(os.devnull, os.O_RDWR)
        stack.callback(os.close, nothing)
        aside = []
        for number, substitute in ((0, nothing), (1, nothing if sys.__stderr__ is None else 2)):
            aside.append(fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3))
            stack.callback(_put_back, aside[-1], number)
            os.dup2(substitute, number)
        yield aside[0], aside[1]


def _put_back(descriptor: int, number: int) -> None:
    os.dup2(descriptor, number)
    os.close(descriptor)


class Reader:
    """Reads lines in a thread and hands them to the event loop, no faster than they are taken there."""

    def __init__(
        self,
        descriptor: int,
        limit: Callable[[], int],
        received: Callable[[bytes], None],
        too_long: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self._lines = Lines(limit())
        self._descriptor = descriptor
        self._limit = limit
        self._received = received
        self._too_long = too_long
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._taken = threading.Semaphore(0)
        self._stop_seen, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._run, name="stdin", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while data := self._read():
            lines = self._lines.feed(data)
            if lines:
                self._hand_over(lines)
        self._hand_over([self._lines.rest()])
        if not self._stopped():
            self._loop.call_soon_threadsafe(self._ended)

    def _read(self) -> bytes:
        """Whatever is there; empty at the end."""
        _wait(None, self._descriptor, self._stop_seen)
        try:
            return b"" if self._stopped() else os.read(self._descriptor, CHUNK)
        except OSError:  # a terminal that hung up
            return b""

    def _stopped(self) -> bool:
        return _wait(0, self._stop_seen)

    def _hand_over(self, lines: list[bytes]) -> None:
        if not self._stopped():
            self._loop.call_soon_threadsafe(self._take, lines)
            self._taken.acquire()

    def _take(self, lines: list[bytes]) -> None:
        try:
            for line in lines:
                if len(line) > self._lines.limit:
                    self._too_long()
                elif line.strip():
                    self._received(line)
            self._lines.limit = self._limit()  # a newer configuration may have another one
        finally:
            self._taken.release()

    async def close(self) -> None:
        """Read no more."""
        os.close(self._stop)
        self._taken.release()
        await asyncio.to_thread(self._thread.join)
        os.close(self._stop_seen)


class Writer:
    """Writes lines in a thread, in the order they were given."""

    def __init__(self, descriptor: int, failed: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._queued = 0  # counted by the event loop's thread
        self._written = 0  # counted by the other one
        self._abandoned = False
        self._thread = threading.Thread(target=self._run, name="stdout", daemon=True)
        self._thread.start()

    @property
    def unread(self) -> int:
        """The bytes that the client has still to read."""
        return self._queued - self._written

    def write(self, message: bytes) -> None:
        """One message, soon."""
        line = as_line(message) + b"\n"
        self._queued += len(line)
        self._queue.put(line)

    def hung_up(self) -> bool:
        """Whether nobody holds the other end any more, as far as the platform tells."""
        return _wait(0, self._descriptor, events=0)

    def _run(self) -> None:
        try:
            while line := self._queue.get():
                self._write(memoryview(line))
        except OSError:
            if not self._abandoned:
                self._loop.call_soon_threadsafe(self._failed)

    def _write(self, unwritten: memoryview) -> None:
        while unwritten and not self._abandoned:
            if _wait(_GLANCE, self._descriptor, events=select.POLLOUT):
                # This much never blocks a pipe that is ready.
                count = os.write(self._descriptor, unwritten[: select.PIPE_BUF])
                self._written += count
                unwritten = unwritten[count:]

    async def close(self) -> None:
        """Write what is left, unless that takes too long."""
        self._queue.put(b"")
        try:
            await asyncio.to_thread(self._thread.join, FLUSH_SECONDS)
        finally:
            self._abandoned = True
        await asyncio.to_thread(self._thread.join, FLUSH_SECONDS)


def _wait(seconds: float | None, *descriptors: int, events: int = select.POLLIN) -> bool:
    """Whether one of these is ready, has failed or hung up; waits at most this long for it, or for ever."""
    watched = select.poll()
    for each in descriptors:
        watched.register(each, events)
    return bool(watched.poll(None if seconds is None else seconds * 1000))
