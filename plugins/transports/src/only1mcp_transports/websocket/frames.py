"""What both ends keep to. Pure; no I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

SUBPROTOCOL = "mcp"


class Outbox:
    """Messages on their way to a peer that reads at its own pace: bounded in bytes.

    `overflowed` is called, once, when a message finds others waiting and exceeds the bound together with them. A single
    one may be of any size.
    """

    def __init__(self, limit: int, overflowed: Callable[[], None]) -> None:
        self._limit = limit
        self._overflowed = overflowed
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._shut = False

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, message: bytes) -> None:
        """Ignored after `shut`."""
        if self._shut:
            return
        if self._waiting and self._size + len(message) > self._limit:
            self.shut()
            self._overflowed()
            return
        self._waiting.append(message)
        self._size += len(message)

    def take(self) -> bytes:
        """The next message, fit for a text frame."""
        message = self._waiting.popleft()
        self._size -= len(message)
        return as_text(message)

    def shut(self) -> None:
        """Take no more, and forget what waits."""
        self._shut = True
        self._waiting.clear()
        self._size = 0


def as_text(message: bytes) -> bytes:
    """The message as UTF-8, which a text frame must be, lest the peer ends the connection (section 8.1)."""
    try:
        message.decode()
    except UnicodeDecodeError:
        return message.decode(errors="replace").encode()
    return message
