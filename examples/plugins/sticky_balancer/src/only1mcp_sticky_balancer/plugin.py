"""Balancer `sticky`: each caller stays on one replica.

By rendezvous hashing (Thaler and Ravishankar, 1996): every replica draws a number for the caller, and the highest
wins. Nothing is remembered, so restarts and other nodes agree; when a replica goes, only its callers move.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import blake2b
from math import log
from typing import Literal

from pydantic import Field

from only1mcp_sdk import Balancer, Candidate, Context, Exchange, Offer, PluginConfig, hookimpl, offer


class StickyConfig(PluginConfig):
    """Keep callers where they are."""

    by: Literal["principal", "session", "name"] = Field(
        "principal",
        description="What stays on one replica: a `principal`, a client's `session` (its principal, where the client "
        "has none), or all calls of one tool, prompt or resource by its `name`.",
    )


class Sticky:
    """Implements `Balancer`. A replica's share of the callers is that of its weight."""

    def __init__(self, by: Literal["principal", "session", "name"]) -> None:
        self._by = by

    def pick(self, exchange: Exchange, candidates: Sequence[Candidate]) -> Candidate:
        if len(candidates) == 1:
            return candidates[0]
        word = self._word_for(exchange).encode("utf-8", "surrogatepass")
        return max(candidates, key=lambda candidate: _draw(candidate, word))

    def _word_for(self, exchange: Exchange) -> str:
        if self._by == "name":
            return exchange.name
        session = exchange.caller.session if self._by == "session" else ""
        return session or exchange.caller.principal.id


def _draw(candidate: Candidate, word: bytes) -> float:
    """A number that is always the same for this replica and word; higher weights draw higher ones."""
    digest = blake2b(word, key=candidate.key.encode()[:64], digest_size=6).digest()
    evenly = (int.from_bytes(digest) + 0.5) / 2**48
    return candidate.weight / -log(evenly)


@asynccontextmanager
async def open_sticky(config: StickyConfig, context: Context) -> AsyncIterator[Balancer]:
    yield Sticky(config.by)


@hookimpl
def only1mcp_register_balancer() -> list[Offer[Balancer]]:
    return [offer("sticky", StickyConfig, open_sticky)]
