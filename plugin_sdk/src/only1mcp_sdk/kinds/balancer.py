"""Kind `balancer`: pick a replica."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from only1mcp_sdk.messages import Exchange, Outcome


class Candidate(Protocol):
    """A replica that may be picked."""

    @property
    def key(self) -> str:
        """Stable over reloads while the replica's own configuration is unchanged."""

    @property
    def weight(self) -> int:
        """From the configuration, 1 or more."""

    @property
    def in_flight(self) -> int:
        """Calls sent to it and not answered."""


class Balancer(Protocol):
    """Picks one of a server's replicas for each call. One balancer serves one server.

    On the hot path: a plain call, no I/O, no blocking.
    """

    def pick(self, exchange: Exchange, candidates: Sequence[Candidate]) -> Candidate:
        """Return one of `candidates`, which is never empty. The sequence is a tuple that stays the same object
        until the set of replicas that can be reached changes."""


class LearningBalancer(Balancer, Protocol):
    """A balancer that is also told what came of each call. As quick as picking."""

    def learn(self, candidate: Candidate, outcome: Outcome, seconds: float) -> None:
        """What came of a call that was picked earlier; `seconds` from sending to outcome, without the time
        spent waiting for the client."""
