"""A JSON body: one message. A large one is handed on as it comes, where the inbox takes it so, or else collected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from only1mcp_sdk import Pipe
from only1mcp_sdk.flow import LARGE
from only1mcp_transports.http.lane import Head
from only1mcp_transports.large import START, Pieces, Share

if TYPE_CHECKING:
    from only1mcp_transports.http.replies import Reply


class Body:
    """A `Reading` of one message."""

    __slots__ = ("_asked", "_length", "_pieces", "_pipe", "_reply", "_share", "_size")

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._pieces = Pieces()
        self._share = Share(reply.connection.buffers)
        self._pipe: Pipe | None = None
        self._asked = False
        self._size = 0
        self._length = -1

    def begun(self, head: Head) -> None:
        self._length = head.length
        if head.length > self._reply.connection.limit:
            self._reply.finish(self._reply.too_large)

    def took(self, piece: bytes | memoryview) -> None:
        self._size += len(piece)
        if self._size > self._reply.connection.limit:
            self._fail(self._reply.too_large)
        elif self._pipe is not None:
            self._pipe.write(piece)
        else:
            self._pieces.add(piece)
            if not self._asked and self._size != self._length:
                self._offer()
            if self._size > LARGE and not self._share.cover(self._pieces.size):
                self._fail(self._reply.no_room)

    def ended(self) -> None:
        if self._pipe is not None:
            self._pipe.end()
            self._reply.finish("")
            return
        body = self._pieces.take()
        self._share.release()
        if body and not body.isspace():
            self._reply.deliver(body)
        if not self._reply.over:
            self._reply.finish("")

    def broke(self, problem: str) -> None:
        self._fail(problem)

    def overdue(self) -> None:
        """Nothing is: how long an answer may take is the caller's affair."""

    def dropped(self, problem: str) -> None:
        self._share.release()
        if self._pipe is not None and problem:
            self._pipe.fail(problem)
        self._pipe = None

    def _offer(self) -> None:
        if self._size < START or max(self._size, self._length) <= LARGE:
            return
        self._asked = True
        start = self._pieces.peek(START)
        pipe = self._reply.arriving(start)
        if pipe is None or self._reply.over:
            return
        self._pipe = pipe
        for piece in self._pieces.take_apart(len(start)):
            if self._pipe is not None:
                self._pipe.write(piece)

    def _fail(self, problem: str) -> None:
        self._reply.finish(problem)
