"""What every balancer keeps to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from only1mcp_sdk.kinds import Balancer, Candidate, LearningBalancer
from only1mcp_sdk.messages import Exchange
from only1mcp_sdk.offer import Offer
from only1mcp_sdk.testing.fakes import FakeCandidate, make_caller, make_exchange
from only1mcp_sdk.testing.lifecycle import check_lifecycle, checked, quick
from only1mcp_sdk.testing.samples import OUTCOMES


async def check_balancer(offer: Offer[Balancer], options: Mapping[str, Any]) -> None:
    """Assert that the balancer picks one of those it is given, whoever calls and whatever has happened to the
    replicas since, takes any outcome, and never blocks."""
    await check_lifecycle(offer, options)
    async with checked(offer, options) as balancer:
        for size in (1, 2, 5):
            _pick(balancer, _replicas(size))
            _pick(balancer, _replicas(size, weight=7))
        five = _replicas(5)
        for candidate in five:
            candidate.weight += len(candidate.key)
        _pick(balancer, five)
        _pick(balancer, five[1:3])  # Three can't be reached any more,
        _pick(balancer, tuple(reversed(five)))  # and are back, in another order.
        if hasattr(balancer, "learn"):
            _learn(offer.name, cast(LearningBalancer, balancer), five)
        _pick(balancer, five[:1])
        crowd = _replicas(100)
        quick(f"{offer.name}: pick", lambda: balancer.pick(make_exchange(), crowd))


def _replicas(size: int, weight: int = 1) -> tuple[FakeCandidate, ...]:
    return tuple(FakeCandidate(f"replica-{index}", weight) for index in range(size))


def _pick(balancer: Balancer, candidates: Sequence[Candidate]) -> None:
    """Each of them picked alone, then by callers of all sorts."""
    for exchange in [*_exchanges(), *_exchanges()]:
        params = exchange.params
        picked = balancer.pick(exchange, candidates)
        assert any(picked is candidate for candidate in candidates), (
            f"pick returned {picked!r}, which is none of the {len(candidates)} candidates"
        )
        assert exchange.params is params, "pick changed the exchange"


def _exchanges() -> list[Exchange]:
    return [
        make_exchange("tools/call", {"name": "search", "arguments": {}}),
        make_exchange(
            "tools/call", {"name": "search"}, caller=make_caller("user-1", era="legacy", session="s")
        ),
        make_exchange("tools/call", {"name": "schön \n\x00"}, caller=make_caller("ü \ud800")),
        make_exchange("tools/call", {"name": "search", "arguments": b'{"a":1,"a":2}'}),
        make_exchange("resources/read", {"uri": "file:///" + "a" * 10_000}),
        make_exchange("ping", None),
    ]


def _learn(name: str, balancer: LearningBalancer, candidates: Sequence[Candidate]) -> None:
    quick(f"{name}: learn", lambda: balancer.learn(candidates[0], OUTCOMES[0], 0.1))
    gone = FakeCandidate("removed by a reload")
    for candidate in (*candidates, gone):
        for outcome in OUTCOMES:
            for seconds in (0.0, 0.02, 86_400.0):
                balancer.learn(candidate, outcome, seconds)
