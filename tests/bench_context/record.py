"""Records results of real servers over varied work, for `tests.bench_context.results`.

    python -m tests.bench_context.record [--out FILE]

The servers are those of the scenarios (`make scenarios-tools` installs them). They work on a clone of this repository,
on what their own installation holds, on generated logs and data, and on pages served on loopback. A line of the file is
{kind, server, tool, arguments, result}. The same tree gives the same calls, and but for dates the same results.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from tests.bench_context import material, work
from tests.scenarios.farm import Server, build
from tests.scenarios.raw import Peer, Refused, opened
from tests.scenarios.raw_stdio import StdioPeer
from tests.scenarios.tools import ROOT, why_missing

CACHE = ROOT / ".cache" / "bench_context"
OUT = CACHE / "results.jsonl"


class Recorded(Struct, frozen=True):
    kind: str
    server: str
    tool: str
    arguments: dict[str, Any]
    result: str
    """The result as raw JSON."""


def recorded(path: Path) -> list[Recorded]:
    with path.open("rb") as file:
        return [msgspec.json.decode(line, type=Recorded) for line in file]


@asynccontextmanager
async def started(servers: dict[str, Server]) -> AsyncIterator[dict[str, Peer]]:
    async with AsyncExitStack() as stack:
        peers: dict[str, Peer] = {}
        for name, server in servers.items():
            target = server.target
            peer = StdioPeer([target["command"], *target["args"]], target["env"], "legacy")
            peers[name] = await stack.enter_async_context(opened(peer))
        yield peers


async def play(peers: dict[str, Peer], calls: Iterator[work.Call]) -> AsyncIterator[Recorded]:
    for call in calls:
        try:
            raw = await peers[call.server].result(
                "tools/call", {"name": call.tool, "arguments": call.arguments}
            )
        except Refused as error:
            print(f"refused: {call.server} {call.tool}: {error}")
            continue
        yield Recorded(call.kind, call.server, call.tool, call.arguments, raw.decode())


async def record(out: Path) -> int:
    """Record everything; the number of results."""
    folder = CACHE / "work"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    servers = build(folder, "http://127.0.0.1/")
    place = folder / "files"
    clone = place / "project"
    subprocess.run(["git", "clone", "-q", "--no-hardlinks", str(ROOT), str(clone)], check=True)
    material.lay(place, ROOT / ".cache" / "node" / "node_modules")
    count = 0
    with material.serving(place) as address, out.open("wb") as file:
        async with started(servers) as peers:
            async for one in play(peers, work.calls(place, clone, address)):
                file.write(msgspec.json.encode(one) + b"\n")
                count += 1
    shutil.rmtree(folder)
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    missing = why_missing("node", "servers")
    if missing:
        raise SystemExit(missing)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    print(f"{asyncio.run(record(options.out))} results in {options.out}")


if __name__ == "__main__":
    main()
