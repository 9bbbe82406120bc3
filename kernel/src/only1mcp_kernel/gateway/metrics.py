"""Figures of the hot path: plain counters, and histograms of fixed buckets. Counting costs a fraction of a microsecond;
whoever wants to see the figures reads them."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds in seconds; one more bucket holds what took longer."""


class Histogram:
    """How long things took."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0
        """Seconds, of all together."""

    @property
    def count(self) -> int:
        return sum(self.counts)

    def within(self, part: float) -> float | None:
        """The bound within which this part (0 to 1) of them stayed; None where there is none."""
        wanted = part * self.count
        seen = 0
        for bound, count in zip(BUCKETS, self.counts, strict=False):
            seen += count
            if seen and seen >= wanted:
                return bound
        return None


class CallFigures:
    """The calls to one endpoint since it is there."""

    __slots__ = ("failed", "in_flight", "seconds")

    def __init__(self) -> None:
        self.in_flight = 0
        self.failed = 0
        """Ended with an error: the server's own, or because it could not be reached or took too long."""
        self.seconds = Histogram()
        """How long the server worked, for each call that ended; without the time it waited for a client."""

    def ended(self, seconds: float, failed: bool) -> None:
        """One that was in flight."""
        self.in_flight -= 1
        if failed:
            self.failed += 1
        histogram = self.seconds
        histogram.counts[bisect_left(BUCKETS, seconds)] += 1
        histogram.total += seconds


def summed(figures: list[CallFigures]) -> dict[str, Any]:
    """Those of several endpoints together, as JSON values. Times in seconds."""
    all_together = Histogram()
    for each in figures:
        all_together.counts = [a + b for a, b in zip(all_together.counts, each.seconds.counts, strict=True)]
        all_together.total += each.seconds.total
    return {
        "ended": all_together.count,
        "failed": sum(each.failed for each in figures),
        "in_flight": sum(each.in_flight for each in figures),
        "seconds": {
            "total": round(all_together.total, 6),
            "half_within": all_together.within(0.5),
            "most_within": all_together.within(0.99),
            "buckets": dict(zip([*map(str, BUCKETS), "more"], all_together.counts, strict=True)),
        },
    }
