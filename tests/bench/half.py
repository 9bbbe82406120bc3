"""Latency at half of full load: requests come at a steady pace, half as many as the target can answer, or as the
gateway can. The generator is `pace.c`, as wrk sends a request only when another was answered."""

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
    paces: Sequence[tuple[Target, float]], rounds: int, seconds: int, folder: Path
) -> list[dict[str, Any]]:
    """Runs of all targets, each with the requests per second it is sent, in turn."""
    return [
        paced(target, rate, seconds, folder)
        for turn in range(rounds)
        for target, rate in (paces if turn % 2 else reversed(paces))
    ]


def p99(runs: Sequence[dict[str, Any]], target: str, rate: float, to: str, to_rate: float) -> float | None:
    """The median of the ratios of runs of the same round."""
    seen = [
        [run["p99"] for run in runs if (run["target"], run["rate"]) == wanted]
        for wanted in ((target, round(rate)), (to, round(to_rate)))
    ]
    ratios = [ours / theirs for ours, theirs in zip(*seen, strict=True)]
    return statistics.median(ratios) if ratios else None
