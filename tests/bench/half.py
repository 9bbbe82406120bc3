"""Latency at half of full load: requests come at a steady pace, as many to each target as half of what the gateway can
answer. The generator is `pace.c`, as wrk sends a request only when another was answered."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.bench.operations import CALL, opened, requests
from tests.bench.targets import LOAD_CPU, ROOT, Target

PACE = ROOT / ".cache" / "bench" / "pace"
CONNECTIONS = 64


def paced(target: Target, rate: float, seconds: int, folder: Path) -> dict[str, Any]:
    """One run. Raises `RuntimeError` when not every request was answered with a result."""
    sessions, _ = opened(target, CALL, CONNECTIONS)
    prepared = folder / "paced"
    prepared.write_bytes(requests(target, CALL, sessions))
    done = subprocess.run(
        [PACE, str(urlsplit(target.url).port), prepared, str(CONNECTIONS), f"{rate:.0f}", str(seconds)],
        capture_output=True,
        text=True,
        timeout=seconds + 30,
        preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CPU}),
    )
    if done.returncode:
        raise RuntimeError(f"{target.name}: {done.stderr}")
    seen: dict[str, Any] = json.loads(done.stdout)
    if seen["unanswered"]:
        raise RuntimeError(f"{target.name} left requests unanswered: {seen}")
    return {"target": target.name, "rate": round(rate), **seen}


def half_load(
    targets: Sequence[Target], rate: float, rounds: int, seconds: int, folder: Path
) -> list[dict[str, Any]]:
    """Runs of all targets in turn."""
    return [
        paced(target, rate, seconds, folder)
        for turn in range(rounds)
        for target in (targets if turn % 2 else reversed(targets))
    ]


def p99(runs: Sequence[dict[str, Any]], target: str) -> float | None:
    """The median over the runs of a target, in microseconds."""
    seen = [run["p99"] for run in runs if run["target"] == target]
    return statistics.median(seen) if seen else None
