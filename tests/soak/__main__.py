"""`make soak`: traffic in both eras while servers are killed and the configuration is reloaded; looks for what grows.

Ends with 1 when an answer was wrong or missing that should not have been, when memory, descriptors or processes grew,
or when something was left behind.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from tests.scenarios import processes
from tests.scenarios.gateway import Gateway, tiny
from tests.soak.traffic import MORTAL, STEADY, Tally, window

WINDOWS = 4
"""Of each era."""
KILL_EVERY = 3.0
RELOAD_EVERY = 5.0
MORE_DESCRIPTORS = 12
MORE_PROCESSES = 6
MORE_MEMORY = 0.25
"""As a part of what it was; and never less than `MEMORY_NOISE_KIB`."""
MEMORY_NOISE_KIB = 10 * 1024


class Sample(NamedTuple):
    """The gateway at one moment."""

    at: float
    resident_kib: int
    descriptors: int
    processes: int


def config(turn: int) -> dict[str, Any]:
    """The servers that stay, and one that comes and goes under a new name."""
    stay = {name: tiny(name) for name in (*STEADY, MORTAL)}
    return {"servers": {**stay, f"guest{turn % 7}": tiny("guest")}}


async def sampled(gateway: Gateway, samples: list[Sample], done: asyncio.Event) -> None:
    while not done.is_set():
        pid = gateway.pid
        alive = await asyncio.to_thread(gateway.servers_alive)
        samples.append(
            Sample(time.monotonic(), processes.resident_kib(pid), processes.descriptors(pid), len(alive))
        )
        await asyncio.sleep(1)


async def killed(gateway: Gateway, done: asyncio.Event) -> None:
    while not done.is_set():
        await asyncio.sleep(KILL_EVERY)
        for pid in await asyncio.to_thread(gateway.servers_alive):
            if f"tiny.py {MORTAL}" in processes.command(pid):
                processes.kill(pid)


async def reloaded(gateway: Gateway, done: asyncio.Event, tally: Tally) -> None:
    turn = 0
    while not done.is_set():
        await asyncio.sleep(RELOAD_EVERY)
        turn += 1
        try:
            await asyncio.to_thread(gateway.reload, config(turn))
        except AssertionError as error:
            tally.failures.append(f"reload: {error}")


async def soaked(gateway: Gateway, seconds: float) -> tuple[Tally, list[Sample]]:
    tally, done = Tally(), asyncio.Event()
    samples: list[Sample] = []
    async with asyncio.TaskGroup() as group:
        for _ in range(WINDOWS):
            for era in ("legacy", "modern"):
                group.create_task(window(gateway.url, era, tally, done, 24))
        others = [
            group.create_task(sampled(gateway, samples, done)),
            group.create_task(killed(gateway, done)),
            group.create_task(reloaded(gateway, done, tally)),
        ]
        await asyncio.sleep(seconds)
        done.set()
        for other in others[1:]:
            other.cancel()
    return tally, samples


def grown(samples: list[Sample]) -> list[str]:
    """What grew between the second and the last fifth of the run."""
    fifth = max(len(samples) // 5, 1)
    early, late = samples[fifth : 2 * fifth], samples[-fifth:]
    problems = []
    for name, allowed in (("descriptors", MORE_DESCRIPTORS), ("processes", MORE_PROCESSES)):
        before, after = (statistics.median(getattr(s, name) for s in part) for part in (early, late))
        print(f"{name}: {before:.0f} -> {after:.0f}")
        if after > before + allowed:
            problems.append(f"{name} grew from {before:.0f} to {after:.0f}")
    before, after = (statistics.median(s.resident_kib for s in part) for part in (early, late))
    print(f"memory: {before / 1024:.1f} -> {after / 1024:.1f} MiB")
    if after > before + max(MORE_MEMORY * before, MEMORY_NOISE_KIB):
        problems.append(f"memory grew from {before / 1024:.1f} to {after / 1024:.1f} MiB")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as name, Gateway(Path(name) / "gateway", config(0)) as gateway:
        gateway.start()
        tally, samples = asyncio.run(soaked(gateway, seconds))
        print(f"{tally.answered.total()} requests answered in {seconds:.0f} s, {tally.sessions} clients")
        print(f"by kind: {dict(tally.answered)}; forgiven: {tally.forgiven}; failed: {len(tally.failures)}")
        problems = [*tally.failures[:20], *grown(samples)]
        code = gateway.stop()
        if code != 0:
            problems.append(f"the gateway ended with {code}")
        if not processes.becomes(lambda: not gateway.servers_alive(), 2):
            left = [processes.command(pid) for pid in gateway.servers_alive()]
            problems.append(f"left behind: {left}")
        if problems:
            print("\n".join(["PROBLEMS", *problems, "the end of the log:", gateway.written()[-2000:]]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
