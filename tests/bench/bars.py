"""What the gateway promises of its cost, and whether a run met it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from tests.bench.cells import PEERS, Seen, ratio
from tests.bench.load import Burst


@dataclass(frozen=True)
class Verdict:
    """One bar. `value` is None where it could not be measured."""

    what: str
    value: float | None
    limit: float
    sense: Literal["at most", "at least"] = "at most"
    unit: str = ""

    @property
    def word(self) -> str:
        if self.value is None:
            return "not measured"
        met = self.value <= self.limit if self.sense == "at most" else self.value >= self.limit
        return "met" if met else "MISSED"


@dataclass(frozen=True)
class Bar:
    """A ratio of two targets in the same bursts of a cell."""

    what: str
    cell: str
    target: str
    other: str
    of: Callable[[Burst], float]
    limit: float
    sense: Literal["at most", "at least"] = "at most"
    other_cell: str = ""
    """Where the other is measured in another cell of the same rounds."""

    def judged(self, seen: Seen) -> Verdict:
        ours, others = (
            seen.get((self.cell, self.target)),
            seen.get((self.other_cell or self.cell, self.other)),
        )
        value = ratio(ours, others, self.of) if ours and others else None
        return Verdict(self.what, value, self.limit, self.sense)


def _cpu(burst: Burst) -> float:
    return burst.cpu


def _rate(burst: Burst) -> float:
    return burst.per_second


def _p50(burst: Burst) -> float:
    return burst.p50


def _p99(burst: Burst) -> float:
    return burst.p99


CALL, MODERN, LIST = "call c64", "modern c64", "list c64"
BIG = {"id first": "big, id first c16", "result first": "big, result first c16"}
BARS = (
    Bar("CPU of a call to the floor's, legacy", CALL, "only1mcp", "floor", _cpu, 1.35),
    Bar("CPU of a call to the floor's, legacy, with a filter", CALL, "only1mcp-filter", "floor", _cpu, 1.35),
    Bar(
        "CPU of a call to the floor's, legacy, with a middleware",
        CALL,
        "only1mcp-middleware",
        "floor",
        _cpu,
        1.6,
    ),
    Bar("CPU of a call to the floor's, modern", MODERN, "only1mcp-modern", "floor", _cpu, 1.5),
    Bar(
        "CPU of a call to the floor's, modern, with a filter",
        MODERN,
        "only1mcp-modern-filter",
        "floor",
        _cpu,
        1.5,
    ),
    Bar("CPU of a call to nginx's", CALL, "only1mcp", "nginx", _cpu, 2.2),
    Bar("CPU of a call to stock aiohttp's", CALL, "only1mcp", "aiohttp", _cpu, 0.25),
    Bar("calls per second to nginx's", CALL, "only1mcp", "nginx", _rate, 0.45, "at least"),
    Bar("lists per second to the floor's", LIST, "only1mcp", "floor", _rate, 0.8, "at least"),
    Bar("CPU of an SSE answer in one segment to JSON's", CALL, "only1mcp-sse1", "only1mcp", _cpu, 1.2),
    Bar("CPU of an SSE answer in two writes to JSON's", CALL, "only1mcp-sse2", "only1mcp", _cpu, 1.5),
    Bar("CPU of a call over stdio to its floor's", "stdio c64", "only1mcp-stdio", "floor-stdio", _cpu, 1.5),
    *(
        Bar(f"CPU of 1 MiB to {other}'s, {order}", cell, "only1mcp", other, _cpu, limit)
        for order, cell in BIG.items()
        for other, limit in (("floor", 0.4), ("nginx", 1.0))
    ),
    Bar(
        "CPU of a call through tool_call to a native one's",
        "wrapped c64",
        "only1mcp-search",
        "only1mcp-search",
        _cpu,
        1.25,
        other_cell="context c64",
    ),
    Bar("p50 to the floor's, one client", "call c1", "only1mcp", "floor", _p50, 1.3),
    Bar("p99 to the floor's, one client", "call c1", "only1mcp", "floor", _p99, 1.5),
)
RESIDENT_MIB = 100


SESSION_KIB = 6
REST_MIB = 57
"""60 MB."""


def judged(seen: Seen, half_of_each: float | None, half_of_ours: float | None) -> Iterator[Verdict]:
    """The p99 to that of nginx with half of what each of the two can answer, and with half of what the gateway can."""
    for bar in BARS:
        yield bar.judged(seen)
    ours = seen.get((PEERS.name, "only1mcp"), [])
    times = [
        ratio(ours, theirs, _rate)
        for (cell, name), theirs in seen.items()
        if cell == PEERS.name and name != "only1mcp"
    ]
    yield Verdict("calls per second to the fastest peer's", min(times, default=None), 10, "at least")
    yield Verdict("p99 to nginx's, each at half of its full load", half_of_each, 2.0)
    yield Verdict("p99 to nginx's, both at half of the gateway's", half_of_ours, 2.0)
    resident = [b.resident_kib for (_, name), bursts in seen.items() if name == "only1mcp" for b in bursts]
    yield Verdict("memory after load", max(resident) / 1024 if resident else None, RESIDENT_MIB, unit=" MiB")
