"""One burst of load on one target, by wrk, and what it cost the target."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.bench.operations import Operation, checked, opened, requests
from tests.bench.targets import LOAD_CPU, Target
from tests.scenarios.processes import resident_kib

LUA = Path(__file__).parent / "load.lua"


@dataclass(frozen=True)
class Burst:
    """What one burst showed. Times in microseconds."""

    requests: int
    per_second: float
    p50: int
    p99: int
    errors: int
    cpu: float
    """CPU time of the target's processes over the answered requests; 0 for the upstream itself."""
    resident_kib: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def burst(target: Target, operation: Operation, concurrency: int, folder: Path, seconds: int = 1) -> Burst:
    """Raises `RuntimeError` when the target's answers are not what was asked for."""
    sessions, size = opened(target, operation, concurrency)
    prepared = folder / "requests"
    prepared.write_bytes(requests(target, operation, sessions))
    command = ["wrk", "-t1", f"-c{concurrency}", f"-d{seconds}s", "--timeout", "10s", "-s", str(LUA)]
    before = target.cpu()
    output = subprocess.run(
        [*command, f"http://{urlsplit(target.url).netloc}", "--", str(prepared)],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CPU}),
    ).stdout
    after = target.cpu()
    line = next(line for line in output.splitlines() if line.startswith("DONE "))
    seen = json.loads(line.removeprefix("DONE "))
    count = seen["requests"]
    if not count:
        raise RuntimeError(f"{target.name} answered nothing: {output}")
    if seen["bytes"] / count < 0.9 * size:
        raise RuntimeError(
            f"{target.name}: {seen['bytes'] / count:.0f} bytes per answer, one alone has {size}"
        )
    checked(target, operation, sessions[0])
    return Burst(
        requests=count,
        per_second=count / (seen["microseconds"] / 1e6),
        p50=seen["p50"],
        p99=seen["p99"],
        errors=seen["errors"],
        cpu=(after - before) * 1e6 / count,
        resident_kib=resident_kib(target.pid) if target.pid else 0,
    )
