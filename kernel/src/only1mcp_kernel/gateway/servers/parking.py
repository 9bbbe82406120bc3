"""Calls that wait for their client: kept under a sealed state, each for one retry, not for ever."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from typing import TYPE_CHECKING

from only1mcp_kernel.wire.seal import PREFIX, BadSeal, KeyRing
from only1mcp_sdk import Exchange, InputRequired, Json, Members
from only1mcp_sdk.members import encode

if TYPE_CHECKING:
    from only1mcp_kernel.gateway.servers.call import Call

PARK_SECONDS = 630.0
"""Longer than a legacy client may think about a question, so that the server is told of its silence instead."""
PARKED_PER_PRINCIPAL = 256
_PURPOSE = "call"
_OF_ONE_ROUND = frozenset({"_meta", "inputResponses", "requestState"})


class Parking:
    """The calls of this process whose servers wait for an answer of the client."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._calls: dict[str, Call] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._held: dict[str, int] = {}

    def park(self, call: Call) -> str | None:
        """Keep a call; returns the ticket by which a retry finds it, or None when its principal has too many."""
        principal = call.exchange.caller.principal.id
        if self._held.get(principal, 0) >= PARKED_PER_PRINCIPAL:
            return None
        self._held[principal] = self._held.get(principal, 0) + 1
        ticket = secrets.token_urlsafe(12)
        self._calls[ticket] = call
        self._timers[ticket] = asyncio.get_running_loop().call_later(PARK_SECONDS, self._expire, ticket)
        return ticket

    def sealed(self, exchange: Exchange, params: Members | None, asked: InputRequired) -> InputRequired:
        """With the ticket of a parked call made a state for the client, bound to the request: `params` are as they were
        where `take` sees a retry, and before filters of attempts changed them."""
        if asked.raw or asked.state is None:
            return asked
        ticket = [asked.state, _digest(exchange, params)]
        state = self._keys.seal(_PURPOSE, exchange.caller.principal.id, ticket)
        return InputRequired(asked.questions, state)

    def is_ours(self, state: str | None) -> bool:
        """Whether a request state claims to be one of ours (and not a server's own)."""
        return state is not None and state.startswith(PREFIX)

    def take(self, exchange: Exchange) -> Call | None:
        """The call a retry comes back to; once. None for a state that is forged, foreign, used, expired, or given
        with another request than the one it was made for."""
        principal = exchange.caller.principal.id
        try:
            ticket, digest = self._keys.open(_PURPOSE, principal, exchange.state or "")
        except (BadSeal, ValueError):
            return None
        if digest != _digest(exchange, exchange.params):
            return None
        return self._release(ticket)

    def forget(self, call: Call) -> None:
        """The call ended while it was parked."""
        for ticket, parked in self._calls.items():
            if parked is call:
                self._release(ticket)
                return

    def _expire(self, ticket: str) -> None:
        call = self._release(ticket)
        if call is not None:
            call.cancel("nobody answered")

    def _release(self, ticket: str) -> Call | None:
        call = self._calls.pop(ticket, None)
        if call is None:
            return None
        self._timers.pop(ticket).cancel()
        principal = call.exchange.caller.principal.id
        self._held[principal] -= 1
        if not self._held[principal]:
            del self._held[principal]
        return call

    def close(self) -> None:
        """Nobody can come back any more: the servers need not go on waiting."""
        for ticket in list(self._calls):
            call = self._release(ticket)
            if call is not None:
                call.cancel("the gateway stops")


def _digest(exchange: Exchange, params: Members | None) -> str:
    """Of all that a retry repeats, however the client writes it the second time."""
    repeated = {name: _plainly(value) for name, value in (params or {}).items() if name not in _OF_ONE_ROUND}
    said = [exchange.caller.profile, exchange.method, exchange.name, sorted(repeated.items())]
    return hashlib.sha256(encode(said)).hexdigest()


def _plainly(raw: Json) -> str:
    """JSON without what does not matter in it: white space, and the order of members."""
    return json.dumps(json.loads(raw, parse_int=str, parse_float=str), sort_keys=True)
