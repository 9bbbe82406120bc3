"""What is measured on which targets, burst by burst."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.load import Burst, burst
from tests.bench.operations import (
    BIG_ID_FIRST,
    BIG_RESULT_FIRST,
    CALL,
    LIST,
    MODERN_CALL,
    WRAPPED_CALL,
    Operation,
)
from tests.bench.peers import PEERS_BY_NAME
from tests.bench.targets import Target


@dataclass(frozen=True)
class Cell:
    """One operation at one concurrency. Its targets take turns."""

    name: str
    operation: Operation
    concurrency: int
    targets: tuple[str, ...]


CELLS = (
    Cell("call c1", CALL, 1, ("direct", "nginx", "floor", "only1mcp")),
    Cell(
        "call c64",
        CALL,
        64,
        (
            "direct",
            "nginx",
            "floor",
            "aiohttp",
            "only1mcp",
            "only1mcp-filter",
            "only1mcp-middleware",
            "only1mcp-asyncio",
            "only1mcp-sse1",
            "only1mcp-sse2",
        ),
    ),
    Cell("stdio c64", CALL, 64, ("floor-stdio", "only1mcp-stdio")),
    Cell("modern c64", MODERN_CALL, 64, ("floor", "only1mcp-modern", "only1mcp-modern-filter")),
    Cell("context c64", CALL, 64, ("only1mcp", "only1mcp-search")),
    Cell("wrapped c64", WRAPPED_CALL, 64, ("only1mcp-search",)),
    Cell("list c64", LIST, 64, ("nginx", "floor", "only1mcp")),
    Cell("big, id first c16", BIG_ID_FIRST, 16, ("nginx", "floor", "only1mcp")),
    Cell("big, result first c16", BIG_RESULT_FIRST, 16, ("nginx", "floor", "only1mcp")),
)

PEERS = Cell("peers c16", CALL, 16, ("only1mcp", *PEERS_BY_NAME))

Seen = dict[tuple[str, str], list[Burst]]
"""The bursts of a cell on a target, in the order of the rounds."""


def measure(
    cells: Collection[Cell], targets: Mapping[str, Target], rounds: int, seconds: int, folder: Path
) -> Seen:
    """All bursts. Those of one round and cell follow each other, so they can be compared with one another."""
    seen: Seen = defaultdict(list)
    for turn in range(-1, rounds):  # the first round is to warm up
        for cell in cells:
            present = [targets[name] for name in cell.targets if name in targets]
            for target in present if turn % 2 else reversed(present):
                took = burst(target, cell.operation, cell.concurrency, folder, seconds)
                if turn >= 0:
                    seen[cell.name, target.name].append(took)
    return seen


def ratio(bursts: Collection[Burst], others: Collection[Burst], of: Callable[[Burst], float]) -> float:
    """The median of the ratios of bursts that followed each other."""
    return statistics.median(
        of(one) / of(other) for one, other in zip(bursts, others, strict=True) if of(other)
    )


def rows(seen: Seen) -> list[dict[str, Any]]:
    """Medians of each cell and target."""
    median = statistics.median
    made = []
    for (cell, target), bursts in seen.items():
        least = seen.get((cell, "floor-stdio" if target.endswith("-stdio") else "floor"))
        made.append(
            {
                "cell": cell,
                "target": target,
                "cpu_us": round(median(b.cpu for b in bursts), 1),
                "cpu_to_floor": round(ratio(bursts, least, lambda b: b.cpu), 2) if least else None,
                "per_second": round(median(b.per_second for b in bursts)),
                "p50_us": round(median(b.p50 for b in bursts)),
                "p99_us": round(median(b.p99 for b in bursts)),
                "errors": sum(b.errors for b in bursts),
                "resident_mib": round(max(b.resident_kib for b in bursts) / 1024, 1),
                "bursts": [b.as_json() for b in bursts],
            }
        )
    order = [(cell.name, target) for cell in (*CELLS, PEERS) for target in cell.targets]
    return sorted(made, key=lambda row: order.index((row["cell"], row["target"])))
