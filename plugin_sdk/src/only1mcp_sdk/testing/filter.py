"""What every filter keeps to."""

from __future__ import annotations

import gc
import json
import typing
import weakref
from collections.abc import Mapping
from typing import Any

from only1mcp_sdk.kinds import Filter, Place
from only1mcp_sdk.messages import DuplicateMember, Exchange, Failure, InputRequired, Outcome, Result
from only1mcp_sdk.offer import Offer
from only1mcp_sdk.testing.fakes import make_caller, make_exchange
from only1mcp_sdk.testing.lifecycle import check_lifecycle, checked, quick
from only1mcp_sdk.testing.samples import NAMES, OUTCOMES

CROWD = 1_000


async def check_filter(offer: Offer[Filter], options: Mapping[str, Any]) -> None:
    """Assert that the filter lets pass or answers whatever comes in, returns a sound outcome for any outcome, never
    blocks, and does not keep exchanges that were cancelled."""
    await check_lifecycle(offer, options)
    async with checked(offer, options) as filter:
        places = typing.get_args(Place)
        assert filter.place in places, f"place is {filter.place!r}, and should be one of {places}"
        for exchange in _exchanges():
            _run(filter, exchange, OUTCOMES[0])
        for outcome in OUTCOMES:
            _run(filter, make_exchange("tools/call", {"name": "search", "arguments": {"q": 1}}), outcome)
            _run(filter, make_exchange("tools/list", None), outcome)
        _run_many_at_once(filter)
        _check_forgetting(filter)
        call = make_exchange("tools/call", {"name": "search", "arguments": {"q": "x" * 1_000}}, name="search")
        quick(f"{offer.name}: before", lambda: filter.before(call))
        quick(f"{offer.name}: after", lambda: filter.after(call, OUTCOMES[0]))


def check_outcome(outcome: object, said_by: str) -> None:
    """Assert that something can go out as an outcome: raw JSON of the right shape, and an error that agrees with
    itself."""
    if isinstance(outcome, Result):
        assert outcome.era in ("legacy", "modern"), f"{said_by}: a result of the era {outcome.era!r}"
        _decoded(outcome.raw, dict, f"{said_by}: a result")
    elif isinstance(outcome, Failure):
        error = _decoded(outcome.raw, dict, f"{said_by}: an error")
        assert error.get("code") == outcome.code, (
            f"{said_by}: the error's code differs from that in its raw JSON"
        )
        assert isinstance(error.get("message"), str), f"{said_by}: an error without a message"
    else:
        assert isinstance(outcome, InputRequired), f"{said_by}: {outcome!r} is no outcome"
        assert outcome.questions or outcome.state is not None, f"{said_by}: asks nothing and names no state"


def _run(filter: Filter, exchange: Exchange, outcome: Outcome) -> None:
    try:
        answer = filter.before(exchange)
        if answer is None:
            answer = filter.after(exchange, outcome)
    except DuplicateMember:
        return  # What the decoded arguments raise may pass; the gateway makes an answer of it.
    check_outcome(answer, "the filter")
    for name, value in (exchange.params or {}).items():
        assert isinstance(name, str)
        _decoded(value, object, f"params.{name} after the filter")


def _run_many_at_once(filter: Filter) -> None:
    """Exchanges overlap, and end in any order."""
    running = [make_exchange("tools/call", {"name": name}) for name in NAMES]
    passed = [exchange for exchange in running if filter.before(exchange) is None]
    for exchange in reversed(passed):
        check_outcome(filter.after(exchange, OUTCOMES[0]), "the filter")


def _check_forgetting(filter: Filter) -> None:
    """`after` is not called for an exchange that was cancelled: nothing may wait for it."""
    watched: list[weakref.ref[Exchange]] = []
    for _ in range(CROWD):
        exchange = _Watched("tools/call", {"name": b'"search"'}, {}, make_caller(), "search")
        watched.append(weakref.ref(exchange))
        filter.before(exchange)
        exchange.cancel("the client gave up")
    del exchange
    gc.collect()
    kept = sum(reference() is not None for reference in watched)
    assert kept <= CROWD // 2, f"{kept} of {CROWD} cancelled exchanges are still kept in memory by the filter"


class _Watched(Exchange, eq=False, weakref=True):
    """An exchange whose end can be seen."""


def _exchanges() -> list[Exchange]:
    exchanges = [make_exchange("tools/call", {"name": name, "arguments": {}}) for name in NAMES]
    odd = (b'{"a":1,"a":2}', b"[]", b"null", b'"text"', b'{"deep":{"\\u0000":[1e99,-0.0]}}')
    exchanges += [make_exchange("tools/call", {"name": "search", "arguments": raw}) for raw in odd]
    strangers = [make_caller("ü \n"), make_caller("user-1", era="legacy", session="s", profile="other")]
    exchanges += [make_exchange("tools/call", {"name": "search"}, caller=caller) for caller in strangers]
    for method in ("ping", "tools/list", "resources/read", "completion/complete", "no/such\nmethod", ""):
        exchanges += [make_exchange(method, None), make_exchange(method, {"uri": 1, "name": None})]
    return exchanges


def _decoded(raw: bytes, type: type[Any], what: str) -> Any:
    try:
        value = json.loads(raw)
    except (ValueError, TypeError) as error:
        raise AssertionError(f"{what} is no JSON ({error}): {raw[:80]!r}") from error
    assert isinstance(value, type), f"{what} should be a JSON {type.__name__}: {raw[:80]!r}"
    return value
