"""The process's own standard input and output, taken for one client.

Nothing but messages may reach the client, so the real streams are put aside: what else prints goes to standard error,
and what else reads finds nothing. They may be pipes, sockets, files or terminals, and other processes may hold them
too, so their modes are left alone: what does not block is a way of our own into them.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import stat
import sys
from collections.abc import Iterator, Sequence

from only1mcp_sdk import OpenFailed
from only1mcp_transports.stdio.pipes import End, PlainEnd


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


class _SharedEnd:
    """What others have, too, and may want to block."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._blocks = os.get_blocking(descriptor)

    def watched(self) -> None:
        """uvloop has set it not to block."""
        os.set_blocking(self.descriptor, self._blocks)


class SocketEnd(_SharedEnd):
    """A socket that is told with each call not to block."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self._socket = socket.socket(fileno=descriptor)

    def read(self, count: int) -> bytes:
        return self._socket.recv(count, socket.MSG_DONTWAIT)

    def write(self, pieces: Sequence[bytes | memoryview]) -> int:
        return self._socket.sendmsg(pieces, (), socket.MSG_DONTWAIT)

    def close(self) -> None:
        self._socket.close()


class BlockingEnd(_SharedEnd):
    """What blocks. So it is read only when something is there, and written only as much as is sure to fit."""

    def read(self, count: int) -> bytes:
        if not _ready(self.descriptor, select.POLLIN):
            raise BlockingIOError
        return os.read(self.descriptor, count)

    def write(self, pieces: Sequence[bytes | memoryview]) -> int:
        if not _ready(self.descriptor, select.POLLOUT):
            raise BlockingIOError
        return os.write(self.descriptor, memoryview(pieces[0])[: select.PIPE_BUF])

    def close(self) -> None:
        os.close(self.descriptor)


def end_of(descriptor: int, mode: int) -> End:
    """A way into a stream that is also somebody else's; `mode` is `os.O_RDONLY` or `os.O_WRONLY`."""
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISSOCK(kind):
        return SocketEnd(os.dup(descriptor))
    if stat.S_ISREG(kind):
        return PlainEnd(os.dup(descriptor))
    if sys.platform == "linux":  # opened anew, it has a mode of its own
        with contextlib.suppress(OSError):  # no /proc, or a terminal of another user
            return PlainEnd(os.open(f"/proc/self/fd/{descriptor}", mode | os.O_NONBLOCK | os.O_NOCTTY))
    return BlockingEnd(os.dup(descriptor))


def hung_up(end: End) -> bool:
    """Whether nobody holds the other end any more, as far as the platform tells."""
    return _ready(end.descriptor, 0)


def _ready(descriptor: int, events: int) -> bool:
    watched = select.poll()
    watched.register(descriptor, events)
    return bool(watched.poll(0))
