"""What a call costs before servers that are child processes, beside the least it can: `python -m tests.bench.stdio`."""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.bench.load import Burst, burst
from tests.bench.operations import CALL, MODERN_CALL
from tests.bench.targets import (
    LOAD_CPU,
    MEASURED_CPU,
    ONLY1MCP,
    STUB,
    TOOLS,
    Target,
    awaited,
    free_port,
    gateway_environment,
    gateway_file,
    running,
)
from tests.scenarios.processes import TICKS

SERVERS = 2


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.stdio", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="bursts of each kind on each target")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 64])
    options = parser.parse_args()
    seen: dict[tuple[str, int, str], list[Burst]] = defaultdict(list)
    calls = (CALL, MODERN_CALL)
    with tempfile.TemporaryDirectory() as name, both(Path(name)) as targets:
        for turn in range(options.rounds + 1):
            for operation in calls:
                for concurrency in options.concurrency:
                    for target in targets if turn % 2 else reversed(targets):
                        before = own_cpu(target.pid)
                        took = burst(target, operation, concurrency, Path(name))
                        cpu = (own_cpu(target.pid) - before) / took.requests
                        if turn:  # the first is to warm up
                            seen[operation.era, concurrency, target.name].append(replace(took, cpu=cpu))
    for (kind, concurrency, name), bursts in sorted(seen.items()):
        least = seen[kind, concurrency, "floor"]
        print(
            f"{kind:12} c{concurrency:<3} {name:9}"
            f" {statistics.median(each.cpu for each in bursts):6.1f} us CPU,"
            f" {_ratio(bursts, least):5.2f} of the floor,"
            f" {statistics.median(each.per_second for each in bursts):7.0f}/s,"
            f" p50 {statistics.median(each.p50 for each in bursts):6.0f} us, errors {sum(b.errors for b in bursts)}"
        )


def _ratio(bursts: list[Burst], least: list[Burst]) -> float:
    """The median of what each burst cost, in parts of the floor's of the same turn."""
    return statistics.median(a.cpu / b.cpu for a, b in zip(bursts, least, strict=True) if b.cpu)


def own_cpu(pid: int) -> float:
    """The microseconds a process itself took, without its servers."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS * 1e6


@contextlib.contextmanager
def both(folder: Path) -> Iterator[list[Target]]:
    """The floor, and the gateway, before servers of their own."""
    with contextlib.ExitStack() as stack:
        targets = []
        command = [str(STUB), "-", str(TOOLS), str(LOAD_CPU)]
        servers = {
            f"up{number}": {"command": command[0], "args": command[1:], "cwd": str(Path.cwd())}
            for number in range(SERVERS)
        }
        for name in ("floor", "only1mcp"):
            port = free_port()
            file = gateway_file(folder / name, port, servers)
            if name == "floor":
                argv = [
                    sys.executable,
                    "-m",
                    "tests.bench.stdio_floor",
                    str(port),
                    str(SERVERS),
                    str(LOAD_CPU),
                ]
            else:
                argv = [str(ONLY1MCP), "start", "-c", str(file)]
            log, url = folder / f"{name}.log", f"http://127.0.0.1:{port}/mcp"
            process = stack.enter_context(running(argv, MEASURED_CPU, log, gateway_environment(folder)))
            targets.append(Target(name, url, process.pid, awaited(url, process, log, SERVERS * TOOLS)))
        yield targets


if __name__ == "__main__":
    main()
