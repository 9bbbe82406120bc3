from collections import Counter
from collections.abc import Sequence

from only1mcp_balancing.plugin import only1mcp_register_balancer
from only1mcp_balancing.round_robin import RoundRobin
from only1mcp_sdk.testing import FakeCandidate, check_balancer, make_exchange, open_alone

[OFFER] = only1mcp_register_balancer()
CALL = make_exchange("tools/call", {"name": "search"})


def replicas(*weights: int) -> tuple[FakeCandidate, ...]:
    return tuple(FakeCandidate(name, weight) for name, weight in zip("ABCDE", weights, strict=False))


def picks(balancer: RoundRobin, candidates: Sequence[FakeCandidate], times: int) -> str:
    return "".join(balancer.pick(CALL, candidates).key for _ in range(times))


async def test_keeps_the_contract() -> None:
    await check_balancer(OFFER, {})


async def test_is_offered_by_its_name() -> None:
    async with open_alone(OFFER) as balancer:
        assert isinstance(balancer, RoundRobin)


def test_equal_weights_go_round() -> None:
    assert picks(RoundRobin(), replicas(1, 1, 1), 7) == "ABCABCA"
    assert picks(RoundRobin(), replicas(5, 5), 4) == "ABAB"


def test_weights_are_interleaved() -> None:
    # The example of nginx's change log: {5, 1, 1} gives a a b a c a a and not a a a a a b c.
    assert picks(RoundRobin(), replicas(5, 1, 1), 14) == "AABACAA" * 2


def test_each_gets_its_share() -> None:
    assert Counter(picks(RoundRobin(), replicas(3, 7, 10), 200)) == {"A": 30, "B": 70, "C": 100}


def test_one_that_went_takes_no_part() -> None:
    balancer = RoundRobin()
    candidates = replicas(1, 2, 3)
    picks(balancer, candidates, 4)
    shares = Counter(picks(balancer, candidates[:2], 300))
    assert abs(shares["A"] - 100) <= 1  # It may have been owed a turn, or owe one.
    assert set(shares) == {"A", "B"}


def test_shares_are_right_although_the_one_with_credit_went() -> None:
    balancer = RoundRobin()
    candidates = replicas(1, 1, 100)
    for _ in range(30):  # A and B are left in debt or in credit, as it happens.
        picks(balancer, candidates, 1)
        shares = Counter(picks(balancer, candidates[:2] + replicas(0, 0, 0, 2)[3:], 40))
        assert abs(shares["D"] - 20) <= 2
        assert abs(shares["A"] - shares["B"]) <= 2


def test_flapping_does_not_favour_the_first() -> None:
    balancer = RoundRobin()
    counts: Counter[str] = Counter()
    for turn in range(100):
        counts += Counter(picks(balancer, replicas(1, 1, 1) if turn % 2 else replicas(1, 1, 1, 1), 1))
    assert max(counts.values()) <= 50


def test_flapping_leaves_nobody_out() -> None:
    balancer = RoundRobin()
    counts: Counter[str] = Counter()
    for turn in range(300):
        counts += Counter(picks(balancer, replicas(1, 2, 3) if turn % 2 else replicas(1, 2, 3, 4), 1))
    assert counts["A"] > 25
    assert counts["B"] > 50


def test_two_servers_do_not_share_turns() -> None:
    one, other = RoundRobin(), RoundRobin()
    candidates = replicas(1, 1)
    assert picks(one, candidates, 1) + picks(other, candidates, 1) == "AA"
