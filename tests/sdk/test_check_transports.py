"""The checks of listeners and connectors, on a transport that is right and on one with each fault."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager

import pytest

from only1mcp_sdk import Connector, Context, Inbox, Listener, offer
from only1mcp_sdk.testing import check_connector, check_listener, lifecycle, listener
from tests.sdk import lines_over_tcp as lines


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults are waited for; here they need not be waited for long."""
    monkeypatch.setattr(lifecycle, "GRACE", 0.3)
    monkeypatch.setattr(listener, "PATIENCE", 1.0)


@pytest.fixture
def nowhere() -> Iterator[dict[str, int]]:
    """The options of a port that is taken and refuses connections."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield {"port": taken.getsockname()[1]}


async def test_a_connector_that_is_right(nowhere: dict[str, int]) -> None:
    async with lines.echo_server() as port:
        await check_connector(lines.CONNECTOR, {"port": port}, broken=nowhere)


async def test_a_listener_that_is_right() -> None:
    await check_listener(lines.LISTENER, {}, lines.ask)


class Misdelivers(lines.LineConnection):
    def deliver(self, line: bytes) -> None:
        self.inbox.received(line, 1)


class Repeats(lines.LineConnection):
    def deliver(self, line: bytes) -> None:
        super().deliver(line)
        super().deliver(line)


class Splits(lines.LineConnection):
    def data_received(self, data: bytes) -> None:
        self.inbox.received(data, None)


class StaysOpen(lines.LineConnection):
    async def close(self) -> None:
        self.closing = True


class TalksOn(lines.LineConnection):
    async def close(self) -> None:
        await super().close()
        self.inbox.closed("closed")


class Blocks(lines.LineConnection):
    def send(self, message: bytes, headers: Mapping[str, str], stream: int) -> None:
        import time

        time.sleep(0.06)
        super().send(message, headers, stream)


class RaisesAfterwards(lines.LineConnection):
    def send(self, message: bytes, headers: Mapping[str, str], stream: int) -> None:
        assert not self.closing, "send after close"
        super().send(message, headers, stream)


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (Misdelivers, "came with stream=1, not None"),
        (Repeats, "delivered twice"),
        (Splits, "not one whole message"),
        (StaysOpen, "left behind: descriptor"),
        (TalksOn, r"delivered after close\(\) had returned"),
        (Blocks, "send took .* must not block"),
        (RaisesAfterwards, "send after close"),
    ],
)
async def test_connections_with_a_fault(fault: type[lines.LineConnection], found: str) -> None:
    class Faulty(lines.LineConnector):
        connection = fault

    with pytest.raises(AssertionError, match=found):
        await _check_connector(Faulty)


class ForgetsCancelled(lines.LineConnector):
    async def connect(self, inbox: Inbox) -> lines.LineConnection:
        loop = asyncio.get_running_loop()
        making = loop.create_connection(lambda: lines.LineConnection(inbox), "127.0.0.1", self.port)
        _, connection = await asyncio.shield(asyncio.create_task(making))
        return connection


class RaisesOsError(lines.LineConnector):
    async def connect(self, inbox: Inbox) -> lines.LineConnection:
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(lambda: lines.LineConnection(inbox), "127.0.0.1", self.port))[1]


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
async def test_connects_with_a_fault(nowhere: dict[str, int]) -> None:
    with pytest.raises(AssertionError, match=r"cancelled after .* left behind"):
        await _check_connector(ForgetsCancelled)
    with pytest.raises(OSError, match=r"refused|Connect"):
        await _check_connector(RaisesOsError, nowhere)


async def _check_connector(faulty: type[lines.LineConnector], nowhere: dict[str, int] | None = None) -> None:
    @asynccontextmanager
    async def open_faulty(config: lines.PortConfig, context: Context) -> AsyncIterator[Connector]:
        yield faulty(config.port)

    async with lines.echo_server() as port:
        await check_connector(offer("faulty", lines.PortConfig, open_faulty), {"port": port}, nowhere)


class IgnoresLeaving(lines.Visitor):
    def report(self) -> None:
        pass


class Unlimited(lines.Visitor):
    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.buffer.endswith(b"\n"):
            self.conversation.received(bytes(self.buffer[:-1]))
            self.buffer.clear()


class Mute(lines.Visitor):
    def data_received(self, data: bytes) -> None:
        pass


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (IgnoresLeaving, "the gate was not told"),
        (Unlimited, "did not lead to Gate.too_large"),
        (Mute, "no answer to request 1"),
    ],
)
async def test_visitors_with_a_fault(fault: type[lines.Visitor], found: str) -> None:
    class Faulty(lines.LineListener):
        visitor = fault

    with pytest.raises(AssertionError, match=found):
        await check_listener(offer("faulty", lines.PortConfig, _opens(Faulty)), {}, lines.ask)


class Hangs(lines.LineListener):
    async def drain(self, seconds: float) -> None:
        await super().drain(seconds)
        if seconds:
            await asyncio.sleep(3600)


class GreedyListener(lines.LineListener):
    """Takes the port with it when it goes."""

    async def drain(self, seconds: float) -> None:
        await super().drain(seconds)
        self.sock.close()


async def test_a_listener_that_hangs() -> None:
    with pytest.raises(TimeoutError):
        await check_listener(offer("faulty", lines.PortConfig, _opens(Hangs)), {}, lines.ask)


async def test_a_listener_that_takes_the_port_with_it() -> None:
    with pytest.raises((AssertionError, OSError)):
        await check_listener(offer("faulty", lines.PortConfig, _opens(GreedyListener)), {}, lines.ask)


def _opens(listener: type[lines.LineListener]):  # type: ignore[no-untyped-def]
    @asynccontextmanager
    async def open_faulty(config: lines.PortConfig, context: Context) -> AsyncIterator[Listener]:
        sock = await context.shared(("lines", config.port), lambda: lines.open_socket(config.port))
        opened = listener(sock)
        try:
            yield opened
        finally:
            await lines.LineListener.drain(opened, 0)

    return open_faulty
