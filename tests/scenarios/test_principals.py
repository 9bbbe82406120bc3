"""Two people at one gateway never meet: not in sessions, not in answers, notifications or questions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.scenarios.farm import Server
from tests.scenarios.gateway import Gateway, tiny
from tests.scenarios.names import Tools
from tests.scenarios.raw import Answer, Era, opened
from tests.scenarios.raw_http import HttpPeer, HttpStatus

KEYS = {"alice": "alice-key-0123456789abcdef", "bob": "bob-key-0123456789abcdefgh"}


@pytest.fixture(scope="module")
def guarded(servers: dict[str, Server], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that asks for keys, in front of two servers."""
    keys = [{"key": key, "principal": principal} for principal, key in KEYS.items()]
    config = {
        "authenticate": [{"use": "api_key", "keys": keys}],
        "servers": {"everything": servers["everything"].entry(), "tiny": tiny("tiny")},
    }
    with Gateway(tmp_path_factory.mktemp("guarded"), config) as gateway:
        yield gateway.start()


def peer_of(
    who: str, gateway: Gateway, era: Era = "legacy", answers: dict[str, Answer] | None = None
) -> HttpPeer:
    return HttpPeer(gateway.url, era, answers, {"Authorization": f"Bearer {KEYS[who]}"})


def roots_of(who: str) -> dict[str, Answer]:
    return {"roots/list": lambda _: {"roots": [{"uri": f"file:///home/{who}", "name": f"home of {who}"}]}}


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}])
@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_nobody_without_a_key(era: Era, headers: dict[str, str], guarded: Gateway) -> None:
    with pytest.raises(HttpStatus) as refusal:
        async with opened(HttpPeer(guarded.url, era, headers=headers)):
            pass
    assert refusal.value.status == 401
    assert refusal.value.challenge.startswith("Bearer")
    for key in KEYS.values():
        assert key.encode() not in refusal.value.body


async def test_foreign_session_is_unknown(guarded: Gateway) -> None:
    async with opened(peer_of("alice", guarded)) as alice, opened(peer_of("bob", guarded)) as bob:
        assert isinstance(alice, HttpPeer)
        assert isinstance(bob, HttpPeer)
        stolen = peer_of("bob", guarded)
        stolen.session = alice.session
        await stolen.open()
        try:
            with pytest.raises(HttpStatus) as refusal:
                await stolen.entries("tools")
            assert refusal.value.status == 404
            with pytest.raises(HttpStatus) as refusal:
                await stolen.send({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"})
            assert refusal.value.status == 404
        finally:
            await stolen.close()  # which also tries to delete the session
        assert await alice.entries("tools"), "the session outlives the attempt to delete it"


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_roots_are_ones_own(era: Era, guarded: Gateway) -> None:
    people = {who: peer_of(who, guarded, era, roots_of(who)) for who in KEYS}
    async with opened(people["alice"]), opened(people["bob"]):
        told: dict[str, Any] = {}
        for _ in range(2):
            for who, peer in people.items():
                tools = await Tools.of(peer, 20)
                told[who] = str(await peer.call(tools.named("everything", "get-roots-list")))
        assert "home of alice" in told["alice"]
        assert "bob" not in told["alice"]
        assert "home of bob" in told["bob"]
        assert "alice" not in told["bob"]


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_questions_and_progress_reach_the_asker_only(era: Era, guarded: Gateway) -> None:
    def accepting(who: str) -> dict[str, Answer]:
        return {"elicitation/create": lambda _: {"action": "accept", "content": {"name": who}}}

    people = {who: peer_of(who, guarded, era, accepting(who)) for who in KEYS}
    async with opened(people["alice"]) as alice, opened(people["bob"]) as bob:
        if era == "legacy":
            await people["alice"].listen()
            await people["bob"].listen()
        tools = await Tools.of(alice, 20)
        asks = [
            peer.call(tools.named("tiny", "ask"), {"message": f"for {who}"})
            for who, peer in people.items()
            for _ in range(5)
        ]
        counts = [
            peer.call(tools.named("tiny", "count"), {"steps": 5}, progressToken=f"token-{who}")
            for who, peer in people.items()
        ]
        results = [str(result) for result in await asyncio.gather(*asks, *counts)]
        assert all("alice" in result for result in results[:5]), results[:5]
        assert all("bob" in result for result in results[5:10]), results[5:10]
        for who, peer in people.items():
            forms = [q["params"]["message"] for q in peer.questions if q["method"] == "elicitation/create"]
            assert forms == [f"for {who}"] * 5
            progress = [m["params"] for m in peer.notifications if m["method"] == "notifications/progress"]
            assert [p["progress"] for p in progress] == [1, 2, 3, 4, 5]
            assert {p["progressToken"] for p in progress} == {f"token-{who}"}
        assert bob.hello


async def test_children_are_ones_own(guarded: Gateway) -> None:
    pids = {}
    for who in KEYS:
        async with opened(peer_of(who, guarded)) as peer:
            tools = await Tools.of(peer, 19)
            pids[who] = (await peer.call(tools.named("tiny", "pid")))["content"][0]["text"]
    assert pids["alice"] != pids["bob"]
