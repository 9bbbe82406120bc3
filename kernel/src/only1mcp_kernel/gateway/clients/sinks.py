"""Where the messages of one client request go: an HTTP answer, a duplex channel, a part of a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Protocol

from only1mcp_kernel.protocol.revisions import INTERNAL_ERROR
from only1mcp_sdk import Channel, Failure, Pipe, Source

NOTHING: Mapping[str, str] = {}


class Outlet(Protocol):
    """Ignores everything after `finish`. An `only1mcp_sdk.Answer` is one."""

    def send(self, message: bytes) -> None:
        """A message before the last."""

    def finish(self, message: bytes = b"", status: int = 200, headers: Mapping[str, str] = NOTHING) -> None:
        """The last message; empty when there is nothing to say."""

    def pour(self, source: Source) -> Pipe | None:
        """The last message, in pieces; None where it can't be."""


class Sink(ABC):
    """An outlet that may outlive its connection."""

    __slots__ = ()

    @property
    @abstractmethod
    def reachable(self) -> bool:
        """Whether what is sent now can still get to the client."""

    @abstractmethod
    def send(self, message: bytes) -> None: ...

    @abstractmethod
    def finish(
        self, message: bytes = b"", status: int = 200, headers: Mapping[str, str] = NOTHING
    ) -> None: ...

    @abstractmethod
    def pour(self, source: Source) -> Pipe | None: ...


class ResultPipe:
    """A result in pieces, made the response to the request of this id. The id comes last: of two members of one name,
    readers take the last one."""

    __slots__ = ("_id", "_pipe", "fail", "write")

    def __init__(self, pipe: Pipe, id: bytes) -> None:
        self._pipe = pipe
        self._id = id
        self.write = pipe.write
        self.fail = pipe.fail
        pipe.write(b'{"jsonrpc":"2.0","result":')

    def end(self) -> None:
        self._pipe.write(b',"id":' + self._id + b"}")
        self._pipe.end()


class ChannelSink(Sink):
    """To a duplex channel, among everything else."""

    __slots__ = ("_channel",)

    @property
    def reachable(self) -> bool:
        return True

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def send(self, message: bytes) -> None:
        self._channel.send(message)

    def finish(self, message: bytes = b"", status: int = 200, headers: Mapping[str, str] = NOTHING) -> None:
        if message:
            self._channel.send(message)

    def pour(self, source: Source) -> Pipe | None:
        return None  # other messages have to get through in between


class Batch:
    """Collects the answers of a batch, and gives them all at once."""

    def __init__(self, sink: Sink, parts: int) -> None:
        self._sink = sink
        self._missing = parts
        self._answers: list[bytes] = []

    def part(self) -> Sink:
        return _Part(self)

    @property
    def reachable(self) -> bool:
        return self._sink.reachable

    def send(self, message: bytes) -> None:
        self._sink.send(message)

    def finished(self, message: bytes) -> None:
        if message:
            self._answers.append(message)
        self._missing -= 1
        if self._missing == 0:
            if self._answers:
                self._sink.finish(b"[" + b",".join(self._answers) + b"]")
            else:
                self._sink.finish(status=202)


class _Part(Sink):
    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._done = False

    @property
    def reachable(self) -> bool:
        return not self._done and self._batch.reachable

    def send(self, message: bytes) -> None:
        self._batch.send(message)

    def finish(self, message: bytes = b"", status: int = 200, headers: Mapping[str, str] = NOTHING) -> None:
        if not self._done:
            self._done = True
            self._batch.finished(message)

    def pour(self, source: Source) -> Pipe | None:
        return None


def malformed(error: ValueError) -> Failure:
    return Failure.of(INTERNAL_ERROR, f"The server answered with a malformed result: {error}")
