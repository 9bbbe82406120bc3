import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import ValidationError

from only1mcp_sdk import (
    Answer,
    Candidate,
    Channel,
    Context,
    Conversation,
    Gate,
    Inbox,
    PluginConfig,
    Posting,
    offer,
)
from only1mcp_sdk.testing import (
    FakeCandidate,
    FakeClock,
    FakeGate,
    Harness,
    RecordingAnswer,
    RecordingChannel,
    RecordingInbox,
    make_exchange,
    nothing_left,
    open_alone,
)
from only1mcp_sdk.testing.fakes import FakeClient, FakeConversation


class Options(PluginConfig):
    size: int = 1


class Probe:
    """A component that is nothing but what it was opened with."""

    def __init__(self, config: Options, context: Context, pool: object) -> None:
        self.config = config
        self.context = context
        self.pool = pool


EVENTS: list[str] = []


@asynccontextmanager
async def open_pool() -> AsyncIterator[object]:
    EVENTS.append("pool opened")
    yield object()
    EVENTS.append("pool closed")


@asynccontextmanager
async def open_probe(config: Options, context: Context) -> AsyncIterator[Probe]:
    yield Probe(config, context, await context.shared("pool", open_pool))
    EVENTS.append("probe closed")


PROBE = offer("probe", Options, open_probe)


@pytest.fixture(autouse=True)
def _no_events() -> None:
    EVENTS.clear()


async def test_options_are_those_of_a_file() -> None:
    async with open_alone(PROBE, size=3) as probe:
        assert probe.config.size == 3
    for bad in ({"size": "3"}, {"sise": 3}):
        with pytest.raises(ValidationError):
            async with open_alone(PROBE, **bad):
                pytest.fail("it opened")


async def test_the_context_keeps_its_promises() -> None:
    clock = FakeClock()
    with Harness(clock) as harness:
        async with harness.open(PROBE, name="servers.files") as probe:
            context = probe.context
            assert (context.name, context.logger.name) == ("servers.files", "only1mcp.servers.files")
            assert context.clock is clock
            assert context.base_dir.is_dir()
            assert context.state_dir.stat().st_mode & 0o777 == 0o700
    assert not context.state_dir.exists()


async def test_what_is_shared_is_counted() -> None:
    with Harness() as harness:
        async with harness.open(PROBE) as one:
            async with harness.open(PROBE) as other:
                assert one.pool is other.pool
            assert EVENTS == ["pool opened", "probe closed"]
        assert EVENTS == ["pool opened", "probe closed", "probe closed", "pool closed"]
        assert harness.pool.keys == []


async def test_what_is_spawned_ends_with_the_component() -> None:
    async def forever() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            EVENTS.append("work ended")

    async with nothing_left("the probe"), open_alone(PROBE) as probe:
        task = probe.context.spawn(forever(), name="forever")
        await asyncio.sleep(0)
    assert task.cancelled()
    assert EVENTS == ["pool opened", "probe closed", "work ended", "pool closed"]


async def test_what_fails_in_the_background_is_raised() -> None:
    async def fail() -> None:
        raise ValueError("in the background")

    async def run() -> None:
        async with open_alone(PROBE) as probe:
            await asyncio.wait([probe.context.spawn(fail(), name="fail")])

    with pytest.raises(ValueError, match="in the background"):
        await run()


async def test_fixture(only1mcp_harness: Harness) -> None:
    async with only1mcp_harness.open(PROBE) as probe:
        assert probe.context.base_dir == only1mcp_harness.base_dir


def test_the_clock_stands_still() -> None:
    clock = FakeClock()
    before = clock.time(), clock.monotonic()
    assert (clock.time(), clock.monotonic()) == before
    clock.advance(1.5)
    assert (clock.time(), clock.monotonic()) == (before[0] + 1.5, before[1] + 1.5)


async def test_stand_ins_fit_their_protocols() -> None:
    gate: Gate = FakeGate()
    inbox: Inbox = RecordingInbox()
    answer: Answer = RecordingAnswer()
    channel: Channel = RecordingChannel()
    candidate: Candidate = FakeCandidate("a")
    posting: Posting = FakeClient()
    conversation: Conversation = FakeConversation(FakeGate(), channel)
    assert all((gate, inbox, answer, channel, candidate, posting, conversation))


def test_exchanges_are_made_as_the_gateway_does() -> None:
    exchange = make_exchange(
        "tools/call", {"name": "a", "arguments": b'{"x" : 1}', "_meta": {"k": 1}}, server="s"
    )
    assert exchange.params == {"name": b'"a"', "arguments": b'{"x" : 1}', "_meta": b'{"k":1}'}
    assert (exchange.name, exchange.target, exchange.server, exchange.arguments) == ("a", "a", "s", {"x": 1})
    resource: Any = make_exchange("resources/read", {"uri": "file:///a"})
    assert resource.name == "file:///a"
    assert make_exchange("ping").params is None


async def test_the_gate_echoes() -> None:
    gate, answer, channel = FakeGate(), RecordingAnswer(), RecordingChannel()
    from only1mcp_sdk import Arrival

    gate.post(Arrival("http"), b'{"jsonrpc":"2.0","id":"x","method":"m","params":{"a" : 1}}', answer)
    assert answer.message == b'{"jsonrpc":"2.0","id":"x","result":{"a" : 1}}'
    conversation = gate.connect(Arrival("stdio"), channel)
    conversation.received(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
    conversation.received(b'{"jsonrpc":"2.0","id":1,"method":"ping"}')
    assert channel.messages == [b'{"jsonrpc":"2.0","id":1,"result":{}}']
