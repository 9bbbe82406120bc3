"""What can be measured: a process that answers on one core, and what it takes to start one."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.client import Client

ROOT = Path(__file__).parents[2]
STUB = ROOT / ".cache" / "bench" / "stub"
COMPILED = ROOT / ".cache" / "compiled"
ONLY1MCP = Path(sys.executable).parent / "only1mcp"
CPUS = sorted(os.sched_getaffinity(0))
MEASURED_CPU, LOAD_CPU = CPUS[0], CPUS[-1]
"""The measured process has one core; load and upstream have another, where there is one."""


TOOLS = 50
"""What each server lists; gateways have two of them."""


@dataclass(frozen=True)
class Target:
    """Something that answers at `url`. `pid` is 0 where its own CPU time is of no interest."""

    name: str
    url: str
    pid: int
    tools: tuple[str, ...]
    """What its tools are called."""
    cpu_of: Callable[[int], float]
    """Tells the seconds of CPU time: of the process with all its children, or without them where they are servers."""

    def cpu(self) -> float:
        """The CPU time it took so far, in seconds."""
        return self.cpu_of(self.pid) if self.pid else 0.0

    def shown(self, tool: str) -> str:
        """Its name for a tool of the upstream's; of the first server that has one of that name."""
        return next(name for name in self.tools if name.endswith(tool)) if tool else ""


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
        if process.poll() is not None:
            text = log.read_text(errors="replace")[-3000:]
            print(f"{' '.join(command)}\nended with {process.returncode}:\n{text}", file=sys.stderr)
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def awaited(
    url: str, process: subprocess.Popen[bytes], log: Path, tools: int, seconds: float = 20
) -> tuple[str, ...]:
    """Wait until the target lists that many tools; returns their names."""
    end = time.monotonic() + seconds
    problem: object = "nothing"
    while time.monotonic() < end and process.poll() is None:
        client = Client(url, "legacy")
        try:
            client.greet()
            names: list[str] = [tool["name"] for tool in client.ask("tools/list")["tools"]]
            if len(names) >= tools:
                return tuple(names)
            problem = f"{len(names)} tools"
        except (OSError, RuntimeError, ValueError) as error:
            problem = error
        finally:
            client.close()
        time.sleep(0.05)
    raise RuntimeError(f"{url} is not ready: {problem}\n{log.read_text(errors='replace')[-3000:]}")


def gateway_file(folder: Path, port: int, servers: Mapping[str, object], **others: object) -> Path:
    """A configuration, in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "only1mcp.yaml"
    listen = [{"use": "http", "host": "127.0.0.1", "port": port, "path": "/mcp"}]
    file.write_text(json.dumps({"listen": listen, "servers": servers, **others}))
    return file


def gateway_environment(folder: Path) -> dict[str, str]:
    """With modules compiled from the second start on, as after an installation. Compiling them takes time, and memory
    that is not given back."""
    own = {"ONLY1MCP_STATE_DIR": str(folder / "state"), "PYTHONPYCACHEPREFIX": str(COMPILED)}
    return {**{k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}, **own}


def nginx_file(folder: Path, port: int, upstream: str) -> Path:
    """A plain reverse proxy."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "nginx.conf"
    file.write_text((Path(__file__).parent / "nginx.conf").read_text() % (urlsplit(upstream).netloc, port))
    return file
