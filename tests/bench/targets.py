"""What is measured: the upstream itself, a bare pass-through, and the gateway, each a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.client import Client

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


@contextlib.contextmanager
def all_targets(folder: Path, tools: int) -> Iterator[list[Target]]:
    """The three, up and checked, in the order in which they are reported."""
    python = [sys.executable, "-m"]
    with contextlib.ExitStack() as stack:

        def start(
            name: str, command: Sequence[str], url: str, cpu: int, env: Mapping[str, str] | None = None
        ) -> Target:
            log = folder / f"{name}.log"
            process = stack.enter_context(running(command, cpu, log, env))
            return Target(name, url, process.pid, awaited(url, process, log, tools))

        ports = [free_port() for _ in range(3)]
        urls = [f"http://127.0.0.1:{port}/mcp" for port in ports]
        direct = start("direct", [*python, "tests.bench.upstream", str(ports[0])], urls[0], LOAD_CPU)
        command = [*python, "tests.bench.passthrough", str(ports[1]), urls[0]]
        passthrough = start("aiohttp", command, urls[1], MEASURED_CPU)
        file = gateway_file(folder / "gateway", ports[2], {"up": {"url": urls[0]}})
        command = [str(ONLY1MCP), "start", "-c", str(file)]
        gateway = start("only1mcp", command, urls[2], MEASURED_CPU, gateway_environment(folder))
        direct.pid = 0
        yield [direct, passthrough, gateway]
