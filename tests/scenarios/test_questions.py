"""Servers' questions and reports through the gateway: sampling, elicitation, roots, progress, logging, changes."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from tests.scenarios.clients.steps import FORM, SAMPLE
from tests.scenarios.gateway import Gateway
from tests.scenarios.names import Tools, choices
from tests.scenarios.raw import Answer, Era, Peer, Refused, opened
from tests.scenarios.raw_http import HttpPeer
from tests.scenarios.raw_ws import WsPeer

transports = pytest.mark.parametrize("transport", [HttpPeer, WsPeer], ids=["http", "websocket"])
Transport = type[HttpPeer] | type[WsPeer]
ABLE: dict[str, Answer] = {
    "sampling/createMessage": lambda _: SAMPLE,
    "elicitation/create": lambda _: {"action": "accept", "content": FORM},
}


@transports
@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_everything_asks(era: Era, transport: Transport, seven: Gateway) -> None:
    async with opened(transport(seven.url, era, ABLE)) as peer:
        tools = await Tools.of(peer, 54)
        sampled = await peer.call(
            tools.named("everything", "trigger-sampling-request"), {"prompt": "what?", "maxTokens": 9}
        )
        assert "a driven answer" in str(sampled)
        elicited = await peer.call(tools.named("everything", "trigger-elicitation-request"))
        assert "ada@example.org" in str(elicited)
        methods = [question["method"] for question in peer.questions]
        assert methods.count("sampling/createMessage") == 1
        assert methods.count("elicitation/create") == 1
        asked = next(q for q in peer.questions if q["method"] == "sampling/createMessage")
        assert "what?" in str(asked["params"]["messages"])


@transports
@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_declining_client(era: Era, transport: Transport, seven: Gateway) -> None:
    answers: dict[str, Answer] = {**ABLE, "elicitation/create": lambda _: {"action": "decline"}}
    async with opened(transport(seven.url, era, answers)) as peer:
        tools = await Tools.of(peer, 54)
        result = await peer.call(tools.named("everything", "trigger-elicitation-request"))
        assert "declined" in str(result)


@transports
async def test_many_questions_at_once(transport: Transport, seven: Gateway) -> None:
    """Answers go back to the call that asked, though all are of one session."""

    def sample(params: dict[str, object]) -> dict[str, object]:
        return {**SAMPLE, "content": {"type": "text", "text": f"<<{params['messages']}>>"}}

    async with opened(transport(seven.url, "legacy", {**ABLE, "sampling/createMessage": sample})) as peer:
        tools = await Tools.of(peer, 54)
        ask = tools.named("everything", "trigger-sampling-request")
        results = await asyncio.gather(
            *(peer.call(ask, {"prompt": f"number-{n}-", "maxTokens": 9}) for n in range(8))
        )
        for number, result in enumerate(results):
            assert f"number-{number}-" in str(result)


@transports
@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_progress_reaches_its_own_client(era: Era, transport: Transport, seven: Gateway) -> None:
    peers = [transport(seven.url, era) for _ in range(3)]

    async def window(number: int, peer: Peer) -> None:
        async with opened(peer):
            tools = await Tools.of(peer, 52)
            tool = tools.named("everything", "trigger-long-running-operation")
            steps = number + 2
            token: int | str = f"t{number}" if number else 0
            await peer.call(tool, {"duration": 1, "steps": steps}, progressToken=token)
            seen = [m["params"] for m in peer.notifications if m["method"] == "notifications/progress"]
            assert [(p["progress"], p["total"]) for p in seen] == [(n, steps) for n in range(1, steps + 1)]
            assert {p["progressToken"] for p in seen} == {token}

    await asyncio.gather(*(window(number, peer) for number, peer in enumerate(peers)))


@transports
async def test_progress_comes_as_it_happens(transport: Transport, seven: Gateway) -> None:
    async with opened(transport(seven.url, "legacy")) as peer:
        tools = await Tools.of(peer, 52)
        tool = tools.named("everything", "trigger-long-running-operation")
        async with asyncio.TaskGroup() as group:
            call = group.create_task(peer.call(tool, {"duration": 2, "steps": 4}, progressToken="live"))
            began = time.monotonic()
            while not any(m["method"] == "notifications/progress" for m in peer.notifications):
                assert time.monotonic() - began < 1.5, "no progress before the end"
                await asyncio.sleep(0.05)
            assert not call.done()


@transports
async def test_unanswered_capability(transport: Transport, seven: Gateway) -> None:
    """A client that declared nothing is not offered the tools that ask, and nobody asks it anything."""
    async with opened(transport(seven.url, "legacy")) as peer:
        tools = await Tools.of(peer, 52)
        assert not any("trigger-sampling-request" in name for name in tools.names)
        with contextlib.suppress(Refused):
            for name in choices("everything", "trigger-sampling-request"):
                result = await peer.call(name, {"prompt": "x"})
                assert result.get("isError"), result
        assert [q for q in peer.questions if q["method"] != "ping"] == []
