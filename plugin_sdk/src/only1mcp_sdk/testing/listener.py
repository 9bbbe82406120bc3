"""What every listener keeps to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from only1mcp_sdk.kinds import Listener
from only1mcp_sdk.offer import Offer
from only1mcp_sdk.testing.fakes import FakeGate
from only1mcp_sdk.testing.harness import Harness
from only1mcp_sdk.testing.lifecycle import check_lifecycle, nothing_left, settle

Client: TypeAlias = Callable[[str, bytes], Awaitable[bytes]]
"""Sends one message to a listener's address the way clients of its transport do, and returns the reply. Leaves nothing
open, also when cancelled."""

PATIENCE = 10.0
DRAIN = 0.2


async def check_listener(
    offer: Offer[Listener],
    options: Mapping[str, Any],
    client: Client,
    prepare: Callable[[Path], None] = lambda base: None,
) -> None:
    """Assert that messages go to the gate and back whole, that nothing over its limit gets there, that a client that
    leaves is reported, that a reload drops nobody, and that draining ends in time and leaves nothing.

    `options` name a free port, where there are ports.
    """
    await check_lifecycle(offer, options, prepare)
    with Harness() as harness:
        prepare(harness.base_dir)
        async with nothing_left(offer.name):
            await _check_service(harness, offer, options, client)
            await _check_reload(harness, offer, options, client)
        settle(harness, offer)


async def _check_service(
    harness: Harness, offer: Offer[Listener], options: Mapping[str, Any], client: Client
) -> None:
    async with harness.open(offer, options) as listener:
        assert isinstance(listener.exposed, bool), f"exposed is {listener.exposed!r}"
        gate = FakeGate()
        listener.attach(gate)
        assert listener.address, "address is empty; tell people where clients find it"
        await _ask(listener, client, 1)
        await asyncio.gather(*(_ask(listener, client, number) for number in range(2, 12)))
        await _ask(listener, client, 12, padding=gate.message_limit // 2)
        await _check_limit(listener, gate, client)
        await _check_leaving(listener, gate, client)
        async with asyncio.timeout(DRAIN + PATIENCE):
            await listener.drain(DRAIN)


async def _check_reload(
    harness: Harness, offer: Offer[Listener], options: Mapping[str, Any], client: Client
) -> None:
    """The next generation opens and attaches before this one is drained and closed."""
    gate = FakeGate()
    old, new = harness.open(offer, options), harness.open(offer, options)
    before = await old.__aenter__()
    before.attach(gate)
    await _ask(before, client, 1)
    after = await new.__aenter__()
    after.attach(gate)
    await before.drain(DRAIN)
    await old.__aexit__(None, None, None)
    await _ask(after, client, 2)
    await after.drain(DRAIN)
    await new.__aexit__(None, None, None)


async def _ask(listener: Listener, client: Client, number: int, padding: int = 0) -> None:
    """A request and its answer, which a `FakeGate` makes of the params."""
    params = {"number": number, "padding": "x" * padding}
    try:
        async with asyncio.timeout(PATIENCE):
            reply = await client(listener.address, _request(number, params))
    except TimeoutError:
        raise AssertionError(f"no answer to request {number} within {PATIENCE:.0f} s") from None
    answer = msgspec.json.decode(reply)
    assert answer == {"jsonrpc": "2.0", "id": number, "result": params}, (
        f"request {number} got {reply[:200]!r}"
    )


async def _check_limit(listener: Listener, gate: FakeGate, client: Client) -> None:
    message = _request(13, {"padding": "x" * gate.message_limit})
    try:
        async with asyncio.timeout(PATIENCE):
            await client(listener.address, message)
    except TimeoutError:
        raise AssertionError("a client that sent a message over the limit was left waiting") from None
    except Exception:
        assert (
            gate.refused
        )  # Cut off while it was still sending; what its library makes of that is its own affair.
    assert gate.refused, "a message over Gate.message_limit did not lead to Gate.too_large"
    largest = max(map(len, gate.bodies))
    assert largest <= gate.message_limit, (
        f"a message of {largest} bytes got past the limit of {gate.message_limit}"
    )
    await _ask(listener, client, 14)


async def _check_leaving(listener: Listener, gate: FakeGate, client: Client) -> None:
    gate.hold = True
    seen = len(gate.bodies)
    leaving = asyncio.ensure_future(client(listener.address, _request(15, {})))  # noqa: TID251  (awaited below)
    async with asyncio.timeout(PATIENCE):
        while len(gate.bodies) == seen:  # noqa: ASYNC110  (the gate is called, it does not signal)
            await asyncio.sleep(0.01)
    leaving.cancel()
    await asyncio.wait([leaving])
    try:
        async with asyncio.timeout(PATIENCE):
            await gate.clients[-1].gone.wait()
    except TimeoutError:
        raise AssertionError(
            "a client left before its answer, and the gate was not told (disconnected)"
        ) from None
    gate.hold = False
    await _ask(listener, client, 16)


def _request(number: int, params: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode({"jsonrpc": "2.0", "id": number, "method": "ping", "params": params})
