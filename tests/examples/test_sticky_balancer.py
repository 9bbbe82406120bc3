from collections import Counter
from collections.abc import Sequence

import pytest
from pydantic import ValidationError

from only1mcp_sdk.testing import FakeCandidate, check_balancer, make_caller, make_exchange, read_options
from only1mcp_sticky_balancer.plugin import Sticky, only1mcp_register_balancer

[OFFER] = only1mcp_register_balancer()
REPLICAS = tuple(FakeCandidate(f"replica-{number}") for number in range(4))
USERS = [f"user-{number}" for number in range(2_000)]


def homes(candidates: Sequence[FakeCandidate]) -> dict[str, str]:
    """Which replica each user is on."""
    sticky = Sticky("principal")
    return {user: sticky.pick(make_exchange(caller=make_caller(user)), candidates).key for user in USERS}


@pytest.mark.parametrize("by", ["principal", "session", "name"])
async def test_keeps_the_contract(by: str) -> None:
    await check_balancer(OFFER, {"by": by})


def test_a_caller_stays_whatever_the_order() -> None:
    assert homes(REPLICAS) == homes(tuple(reversed(REPLICAS)))


def test_a_choice_outlives_this_process() -> None:
    """Hashes of text differ from one Python process to the next; these must not."""
    assert [home[-1] for home in list(homes(REPLICAS).values())[:5]] == ["0", "1", "0", "2", "2"]


def test_only_the_callers_of_a_lost_replica_move() -> None:
    before, after = homes(REPLICAS), homes(REPLICAS[1:])
    moved = {user for user in USERS if before[user] != after[user]}
    assert moved == {user for user in USERS if before[user] == "replica-0"}


def test_weights_are_shares() -> None:
    shares = Counter(homes((FakeCandidate("a", 3), FakeCandidate("b", 1))).values())
    assert 1_400 < shares["a"] < 1_600


def test_what_it_goes_by() -> None:
    def picks(by: str, **differing: str) -> set[str]:
        sticky = Sticky(by)  # type: ignore[arg-type]
        calls = []
        for number in range(50):
            own = {key: f"{value}-{number}" for key, value in differing.items()}
            caller = make_caller(own.get("principal", "p"), session=own.get("session", ""))
            calls.append(make_exchange(caller=caller, name=own.get("name", "n")))
        return {sticky.pick(call, REPLICAS).key for call in calls}

    assert len(picks("principal", session="s", name="n")) == 1
    assert len(picks("session", principal="p", name="n")) > 1  # Without a session, the principal counts.
    assert len(picks("session", session="s")) > 1
    assert len(picks("name", principal="p", session="s")) == 1
    assert len(picks("name", name="n")) > 1


def test_options() -> None:
    with pytest.raises(ValidationError, match="'principal', 'session' or 'name'"):
        read_options(OFFER, {"by": "weather"})
