"""What is measured, each a process of its own: the gateway, its floor, and what else stands in front of servers."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.client import Client
from tests.bench.upstream import TOOLS

ROOT = Path(__file__).parents[2]
ONLY1MCP = Path(sys.executable).parent / "only1mcp"
CPUS = sorted(os.sched_getaffinity(0))
MEASURED_CPU, LOAD_CPU = CPUS[0], CPUS[-1]
"""The measured process has one core; load and upstream have another, where there is one."""


@dataclass
class Target:
    """Something that answers at `url`. `pid` is 0 where its own CPU time is of no interest."""

    name: str
    url: str
    pid: int
    tool: str = "echo"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(
    command: Sequence[str], cpu: int, log: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process on one core, terminated at the end, killed if it must be."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=ROOT,
            env=env,
            preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def awaited(url: str, process: subprocess.Popen[bytes], log: Path, tools: int, seconds: float = 20) -> str:
    """Wait until the target lists that many tools; returns the name it has for `echo`."""
    end = time.monotonic() + seconds
    problem: object = "nothing"
    while time.monotonic() < end and process.poll() is None:
        client = Client(url, "legacy")
        try:
            client.greet()
            names: list[str] = [tool["name"] for tool in client.ask("tools/list")["tools"]]
            if len(names) >= tools:
                return next(name for name in names if name.endswith("echo"))
            problem = f"{len(names)} tools"
        except (OSError, RuntimeError, ValueError) as error:
            problem = error
        finally:
            client.close()
        time.sleep(0.05)
    raise RuntimeError(f"{url} is not ready: {problem}\n{log.read_text(errors='replace')[-3000:]}")


def gateway_file(folder: Path, port: int, servers: Mapping[str, object]) -> Path:
    """A configuration, in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "only1mcp.yaml"
    listen = [{"use": "http", "host": "127.0.0.1", "port": port, "path": "/mcp"}]
    file.write_text(json.dumps({"listen": listen, "servers": servers}))
    return file


def gateway_environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "ONLY1MCP_STATE_DIR": str(folder / "state")}


def nginx_file(folder: Path, port: int, upstream: str) -> Path:
    """A plain reverse proxy."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "nginx.conf"
    file.write_text((Path(__file__).parent / "nginx.conf").read_text() % (urlsplit(upstream).netloc, port))
    return file


@contextlib.contextmanager
def all_targets(folder: Path) -> Iterator[list[Target]]:
    """All of them, up and checked, in the order in which they are reported. The first of the servers alone, and a
    proxy before it; the floor and the gateway before both, the gateway with two replicas of each."""
    python = [sys.executable, "-m"]
    with contextlib.ExitStack() as stack:

        def start(
            name: str, command: Sequence[str], port: int, cpu: int, env: Mapping[str, str] | None = None
        ) -> Target:
            log, url = folder / f"{name}.log", f"http://127.0.0.1:{port}/mcp"
            process = stack.enter_context(running(command, cpu, log, env))
            tools = 2 * TOOLS if name in ("floor", "only1mcp") else TOOLS
            return Target(name, url, process.pid, awaited(url, process, log, tools))

        def server(name: str) -> Target:
            port = free_port()
            target = start(name, [*python, "tests.bench.upstream", str(port)], port, LOAD_CPU)
            target.pid = 0
            return target

        direct, other = server("direct"), server("other")
        targets = [direct]
        if shutil.which("nginx") is not None:
            port = free_port()
            file = nginx_file(folder / "nginx", port, direct.url)
            command = ["nginx", "-p", str(file.parent), "-c", str(file), "-e", str(file.parent / "errors")]
            targets.append(start("nginx", command, port, MEASURED_CPU))
        port = free_port()
        command = [*python, "tests.bench.floor", str(port), direct.url, other.url]
        targets.append(start("floor", command, port, MEASURED_CPU))
        port = free_port()
        command = [*python, "tests.bench.passthrough", str(port), direct.url]
        targets.append(start("aiohttp", command, port, MEASURED_CPU))
        port = free_port()
        servers = {
            name: {"replicas": [{"url": each.url}] * 2, "balance": {"use": "round_robin"}}
            for name, each in (("one", direct), ("two", other))
        }
        file = gateway_file(folder / "gateway", port, servers)
        command = [str(ONLY1MCP), "start", "-c", str(file)]
        targets.append(start("only1mcp", command, port, MEASURED_CPU, gateway_environment(folder)))
        yield targets
