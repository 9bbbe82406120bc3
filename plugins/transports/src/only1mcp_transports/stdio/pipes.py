"""One end of a pipe, read or written from the event loop as soon as it can be, without a task or a thread.

The event loop's own transports for pipes write each message by itself, and give a child sockets under uvloop, which
hold little and which `/dev/stdout` can't be opened on. These are the same on every loop. Who makes one closes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Protocol

from only1mcp_sdk.flow import LARGE, Budget
from only1mcp_transports.large import Share

CHUNK = 1 << 16
"""What a pipe holds as it is made."""
LARGE_CHUNK = 1 << 20
"""What it holds once something large goes through it, where the system lets us."""
_MOST_PIECES = 1000
"""How many buffers one call may write: below IOV_MAX."""
_F_SETPIPE_SZ = 1031


class End(Protocol):
    """One end of something like a pipe. Neither way blocks: `BlockingIOError`."""

    descriptor: int

    def read(self, count: int) -> bytes: ...

    def write(self, pieces: Sequence[bytes | memoryview]) -> int: ...

    def watched(self) -> None:
        """The event loop waits for it from now on."""

    def close(self) -> None: ...


class PlainEnd:
    """A descriptor that does not block: it was set so, or is a file."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def read(self, count: int) -> bytes:
        return os.read(self.descriptor, count)

    def write(self, pieces: Sequence[bytes | memoryview]) -> int:
        return os.writev(self.descriptor, pieces)

    def watched(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        os.close(self.descriptor)


def widen(descriptor: int) -> None:
    """Have a pipe hold a message of a MiB at once. Not before there is one: Linux counts what the pipes of a user may
    hold, 64 MiB in all, and beyond that gives the user's next pipes two pages."""
    if sys.platform == "linux":
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, _F_SETPIPE_SZ, LARGE_CHUNK)


class Inflow:
    """The end that is read. `received` gets what comes, `ended` is called once when that is all. Neither is called
    after `close`."""

    def __init__(self, end: End, received: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        self._end = end
        self._received = received
        self._ended = ended
        self._chunk = CHUNK
        self._widened = False
        self._reading = False
        self.over = False
        """Nothing more comes."""
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self.resume()

    def pause(self) -> None:
        """Read no more for now."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._end.descriptor)

    def resume(self) -> None:
        """Read on."""
        if not self._reading and not self.over:
            self._reading = True
            try:
                self._loop.add_reader(self._end.descriptor, self._ready)
            except PermissionError:  # a file: it can always be read
                self._loop.call_soon(self._read_on)
            else:
                self._end.watched()

    def close(self) -> None:
        """Idempotent."""
        if not self._closed:
            self.pause()
            self.over = self._closed = True
            self._end.close()

    def _read_on(self) -> None:
        if self._reading:
            self._ready()
            self._loop.call_soon(self._read_on)

    def _ready(self) -> None:
        try:
            data = self._end.read(self._chunk)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # a terminal that hung up, a socket that was reset
            data = b""
        if not data:
            self.pause()
            self.over = True
            self._ended()
            return
        if len(data) >= CHUNK:
            self._chunk = LARGE_CHUNK
            if not self._widened:
                self._widened = True
                widen(self._end.descriptor)
        else:
            self._chunk = CHUNK  # a buffer of a MiB costs more than a few bytes in it
        self._received(data)


class Outflow:
    """The end that is written. All that is sent within one turn of the event loop goes out in one call. `broke` is
    called once when writing fails; not after `close`."""

    def __init__(self, end: End, buffers: Budget, broke: Callable[[], None]) -> None:
        self._end = end
        self._share = Share(buffers)
        self._broke = broke
        self._pieces: deque[bytes | memoryview] = deque()
        self._widened = False
        self._flushing = False
        self._closing = False
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self.unread = 0
        """Bytes that are still to be written."""

    def watch(self) -> None:
        """Have `broke` called as soon as nobody can read the other end. For pipes: what has two ways would be taken
        to be gone when something comes from there."""
        self._loop.add_reader(self._end.descriptor, self._hung_up)
        self._end.watched()

    def send(self, message: bytes) -> bool:
        """A JSON text, as a line. Ignored after the end. False when there is no room for it to wait in.

        Line breaks in it are white space between its values (RFC 8259, section 2); a lone carriage return is one of
        them, because some readers end a line there too."""
        if self._closing:
            return True
        line = message.replace(b"\n", b" ").replace(b"\r", b" ")
        unread = self.unread + len(line) + 1
        if unread > LARGE and not self._share.cover(unread):
            return False
        self.unread = unread
        self._pieces.append(line)
        self._pieces.append(b"\n")
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)
        return True

    def close(self) -> None:
        """Send nothing more, write what is left, and close. Idempotent."""
        self._closing = True
        if not self._flushing:
            self.abort()

    def abort(self) -> None:
        """Close now. Idempotent."""
        self._closing = True
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._end.descriptor)
            self._loop.remove_writer(self._end.descriptor)
            self._end.close()
            self._pieces.clear()
            self.unread = 0
            self._share.release()

    def _flush(self) -> None:
        if not self._closed and self._write_some():
            if not self._widened:
                self._widened = True
                widen(self._end.descriptor)
                if not self._write_some():
                    return
            self._loop.add_writer(self._end.descriptor, self._writable)
            self._end.watched()

    def _writable(self) -> None:
        if not self._write_some() and not self._closed:
            self._loop.remove_writer(self._end.descriptor)

    def _write_some(self) -> bool:
        """Whether something is left."""
        pieces = self._pieces
        try:
            written = self._end.write(pieces if len(pieces) <= 2 else list(islice(pieces, _MOST_PIECES)))
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            self._hung_up()
            return False
        self.unread -= written
        self._share.cover(self.unread)
        if not self.unread:
            pieces.clear()
            self._flushing = False
            if self._closing:
                self.abort()
            return False
        while written >= len(pieces[0]):
            written -= len(pieces.popleft())
        if written:
            pieces[0] = memoryview(pieces[0])[written:]
        return True

    def _hung_up(self) -> None:
        closing = self._closing
        self.abort()
        if not closing:
            self._broke()
