"""`make bench MEMORY=1`: what the gateway keeps in memory, at rest, per open session, under load and after it.

Looked at is the process that serves, alone, as /proc/PID/smaps_rollup has it; Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.bars import REST_MIB
from tests.bench.client import INFO, LEGACY, Client, headers_of
from tests.bench.targets import (
    LOAD_CPU,
    MEASURED_CPU,
    ONLY1MCP,
    awaited,
    free_port,
    gateway_environment,
    gateway_file,
    running,
)

SERVERS = 10
LUA = Path(__file__).parent / "memory.lua"
FIRST_ID = 100_000_000
SETTLE = 3.0
"""Seconds after which what was to be given back has been."""


@dataclass(frozen=True)
class Memory:
    """KiB."""

    resident: int
    own: int
    """Of no other process."""


def memory(pid: int) -> Memory:
    found: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, value = line.partition(":")
        found[name] = int(value.split()[0])
    return Memory(found["Rss"], found["Private_Clean"] + found["Private_Dirty"])


@dataclass(frozen=True)
class Gateway:
    """Before ten servers, all at rest."""

    url: str
    pid: int
    folder: Path
    echo: str
    large: str


@contextlib.contextmanager
def gateway(folder: Path) -> Iterator[Gateway]:
    """A fresh one."""
    folder.mkdir()
    log, server_port, port = folder / "log", free_port(), free_port()
    env = gateway_environment(folder)
    command = [sys.executable, "-m", "tests.bench.memory_server", str(server_port)]
    servers = {f"server{number}": {"url": f"http://127.0.0.1:{server_port}/mcp"} for number in range(SERVERS)}
    file = gateway_file(folder, port, servers)
    url = f"http://127.0.0.1:{port}/mcp"
    with running(command, LOAD_CPU, folder / "server") as server:
        awaited(f"http://127.0.0.1:{server_port}/mcp", server, folder / "server", 1)
        with running([str(ONLY1MCP), "start", "-c", str(file)], MEASURED_CPU, log, env) as process:
            awaited(url, process, log, 2 * SERVERS)
            client = Client(url, "legacy")
            client.greet()
            names = sorted(tool["name"] for tool in client.ask("tools/list")["tools"])
            client.close()
            time.sleep(SETTLE)
            echo, large = (next(n for n in names if n.endswith(end)) for end in ("echo", "large"))
            yield Gateway(url, process.pid, folder, echo, large)


# -- what is done to it


def request(gateway: Gateway, message: dict[str, object], session: str, method: str = "POST") -> bytes:
    """A whole HTTP request; a byte 1 in the body stands for nine."""
    parts = urlsplit(gateway.url)
    body = json.dumps(message, separators=(",", ":")).replace('"@"', "\1") if message else ""
    fields = {"Host": parts.netloc, **headers_of("legacy", session, "")}
    if body:
        fields["Content-Length"] = str(len(body) + (8 if "\1" in body else 0))
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {parts.path} HTTP/1.1\r\n{head}\r\n{body}".encode()


def calls(gateway: Gateway, tool: str, count: int, connections: int) -> int:
    """At least that many calls; returns how many. Raises `RuntimeError` when any failed."""
    client = Client(gateway.url, "legacy")
    client.greet()
    client.close()
    params = {"name": tool, "arguments": {"text": "x" * 1000}}
    message: dict[str, object] = {"jsonrpc": "2.0", "id": "@", "method": "tools/call", "params": params}
    prepared = gateway.folder / "request"
    prepared.write_bytes(request(gateway, message, client.session))
    address = f"http://{urlsplit(gateway.url).netloc}"
    done, id = 0, FIRST_ID
    while done < count:
        command = ["wrk", "-t1", f"-c{connections}", "-d2s", "--timeout", "10s", "-s", str(LUA), address]
        output = subprocess.run(
            [*command, "--", str(prepared), str(id)], capture_output=True, text=True, check=True
        ).stdout
        line = next(line for line in output.splitlines() if line.startswith("DONE "))
        requests, errors = (int(word) for word in line.split()[1:])
        if errors or not requests:
            raise RuntimeError(f"{requests} answers and {errors} errors: {output}")
        done += requests
        id += requests + 2 * connections  # some were begun and not waited for
    return done


async def sessions(gateway: Gateway, count: int, then: Callable[[], None]) -> None:
    """Open that many, each with its event stream on a connection of its own; with all of them open, call `then`."""
    parts = urlsplit(gateway.url)
    able = {"roots": {"listChanged": True}, "sampling": {}, "elicitation": {}}
    greeting = {"protocolVersion": LEGACY, "capabilities": able, "clientInfo": INFO}
    hello: dict[str, object] = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": greeting}
    initialized: dict[str, object] = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    writers = []

    async def open_some(address: str, number: int) -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, local_addr=(address, 0))
        for _ in range(number):
            writer.write(request(gateway, hello, ""))
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            fields = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:] if line)
            await reader.readexactly(int(fields["content-length"]))
            session = next(
                line.split(": ")[1] for line in head.splitlines() if line.lower().startswith("mcp-session-id")
            )
            writer.write(request(gateway, initialized, session))
            await reader.readuntil(b"\r\n\r\n")
            listening, stream = await asyncio.open_connection(
                parts.hostname, parts.port, local_addr=(address, 0), limit=1024
            )
            stream.write(request(gateway, {}, session, "GET"))
            status = await listening.readuntil(b"\r\n\r\n")
            if b" 200 " not in status:
                raise RuntimeError(f"no stream: {status.decode()}")
            writers.append(stream)
        writer.close()

    groups = 10
    async with asyncio.TaskGroup() as group:
        for index in range(groups):
            group.create_task(open_some(f"127.0.0.{2 + index}", count // groups))
    await asyncio.sleep(SETTLE)
    then()
    for writer in writers:
        writer.close()


# -- the bars


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.memory", description=__doc__)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--large", type=int, default=64, help="large results at once")
    parser.add_argument("--only", nargs="+", choices=list(RUNS), default=list(RUNS))
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    met = True
    with tempfile.TemporaryDirectory() as name:
        with gateway(Path(name) / "compile"):
            pass  # compiled from now on
        for run in options.only:
            with gateway(Path(name) / run) as subject:
                for what, value, bar, unit in RUNS[run](subject, options):
                    met = met and value <= bar
                    verdict = "" if value <= bar else "OVER"
                    print(f"{what:52} {value:9.2f} {unit:4} (at most {bar:g})  {verdict}", flush=True)
    return 0 if met else 1


Row = tuple[str, float, float, str]


def rest(gateway: Gateway, options: argparse.Namespace) -> list[Row]:
    seen = memory(gateway.pid)
    return [
        (f"resident at rest, {SERVERS} servers", seen.resident / 1024, REST_MIB, "MiB"),
        ("of it, its own", seen.own / 1024, REST_MIB, "MiB"),
    ]


def open_sessions(gateway: Gateway, options: argparse.Namespace) -> list[Row]:
    seen: list[Memory] = [memory(gateway.pid)]
    asyncio.run(sessions(gateway, options.sessions, lambda: seen.append(memory(gateway.pid))))
    grown = seen[1].resident - seen[0].resident
    return [(f"an open session, of {options.sessions:,}", grown / options.sessions, 6, "KiB")]


def many_calls(gateway: Gateway, options: argparse.Namespace) -> list[Row]:
    calls(gateway, gateway.echo, options.calls // 5, 64)
    time.sleep(SETTLE)
    before = memory(gateway.pid)
    count = calls(gateway, gateway.echo, options.calls, 64)
    time.sleep(SETTLE)
    after = memory(gateway.pid)
    return [
        (f"growth over {count:,} calls", (after.own - before.own) / 1024, 1, "MiB"),
        ("resident after them", after.resident / 1024, 100, "MiB"),
    ]


def large_results(gateway: Gateway, options: argparse.Namespace) -> list[Row]:
    calls(gateway, gateway.echo, 20_000, options.large)
    before, peak = memory(gateway.pid), 0
    # The peak, and not what is left: what the kernel counts as it comes, reset before.
    Path(f"/proc/{gateway.pid}/clear_refs").write_text("5")
    count = calls(gateway, gateway.large, 5000, options.large)
    for line in Path(f"/proc/{gateway.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            peak = int(line.split()[1])
    time.sleep(SETTLE)
    after = memory(gateway.pid)
    each = (peak - before.resident) / 1024 / options.large
    return [
        (f"each of {options.large} results of 1 MiB at once, of {count:,}", each, 1, "MiB"),
        ("resident after them", after.resident / 1024, 100, "MiB"),
    ]


RUNS: dict[str, Callable[[Gateway, argparse.Namespace], list[Row]]] = {
    "rest": rest,
    "sessions": open_sessions,
    "calls": many_calls,
    "large": large_results,
}


if __name__ == "__main__":
    sys.exit(main())
