"""Round robin: each replica in turn, as often as its weight says.

With equal weights the turns simply go round. With different ones they are interleaved, so that weights 3 and 1 give
A A B A and not A A A B (the "smooth" order nginx is known for): every replica earns its weight at each pick, the
richest is picked and pays what all of them earned.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from only1mcp_sdk import Candidate, Exchange


class RoundRobin:
    """Implements `Balancer`. Deterministic: the same replicas and weights give the same order."""

    def __init__(self) -> None:
        self._candidates: Sequence[Candidate] = ()
        self._weights: list[int] = []
        self._credits: list[int] = []
        """What each has earned and not spent; unused while all weights are equal."""
        self._total = 0
        self._equal = True
        self._turn = -1

    def pick(self, exchange: Exchange, candidates: Sequence[Candidate]) -> Candidate:
        if candidates is not self._candidates:
            self._adopt(candidates)
        if self._equal:
            self._turn = (self._turn + 1) % len(candidates)
            return candidates[self._turn]
        credits = self._credits
        richest, most = 0, -sys.maxsize  # All may be in debt, when one with credit has gone.
        for index, weight in enumerate(self._weights):
            credit = credits[index] = credits[index] + weight
            if credit > most:
                richest, most = index, credit
        credits[richest] = most - self._total
        return candidates[richest]

    def _adopt(self, candidates: Sequence[Candidate]) -> None:
        """Other replicas can be reached now. Those that stay keep their credit: otherwise the first one would get an
        extra call each time another comes or goes."""
        former = {each.key: credit for each, credit in zip(self._candidates, self._credits, strict=True)}
        self._candidates = candidates
        self._weights = [each.weight for each in candidates]
        self._credits = [former.get(each.key, 0) for each in candidates]
        self._total = sum(self._weights)
        self._equal = len(set(self._weights)) == 1
