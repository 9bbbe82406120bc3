"""All that is measured, each a process of its own: gateways, their floor, and what else stands in front of servers.

One stub is the server of them all. It is asked on other paths for other kinds of servers.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.peers import PEERS_BY_NAME, Peer
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
    nginx_file,
    running,
)
from tests.scenarios.processes import cpu_seconds, own_cpu_seconds

WITH_SERVERS = {"floor-stdio", "only1mcp-stdio", "mcp-proxy", "supergateway"}
"""Their servers are their children, whose time isn't their own."""
PYTHON = (sys.executable, "-m")


@dataclass(frozen=True)
class Gateway:
    """The gateway before two servers with two replicas each; the path says what kind these are."""

    path: str
    options: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    def servers(self, stub: str) -> dict[str, object]:
        url = {"url": f"{stub}{self.path}"}
        return {name: {"replicas": [url, url], "balance": {"use": "round_robin"}} for name in ("one", "two")}


class Piped(Gateway):
    """The same before two servers that are child processes."""

    def servers(self, stub: str) -> dict[str, object]:
        server = {"command": str(STUB), "args": ["-", str(TOOLS), str(LOAD_CPU)]}
        return dict.fromkeys(("one", "two"), server)


FILTERED = {"filters": [{"use": "hello", "allow": ["*"]}]}
SURROUNDED = {"middleware": [{"use": "waiting_line", "places": 1000}]}
SEARCHED = {"profiles": {"default": {"context": {"use": "search", "pinned": ["*"]}}}}
GATEWAYS = {
    "only1mcp": Gateway("/legacy"),
    "only1mcp-filter": Gateway("/legacy", FILTERED),
    "only1mcp-middleware": Gateway("/legacy", SURROUNDED),
    "only1mcp-search": Gateway("/legacy", SEARCHED),
    "only1mcp-asyncio": Gateway("/legacy", environment={"ONLY1MCP_LOOP": "asyncio"}),
    "only1mcp-modern": Gateway("/mcp"),
    "only1mcp-modern-filter": Gateway("/mcp", FILTERED),
    "only1mcp-sse1": Gateway("/legacy/sse1"),
    "only1mcp-sse2": Gateway("/legacy/sse2"),
    "only1mcp-stdio": Piped(""),
}


class Started:
    """The processes, ended with the stack. `stub` is the address of the server, without a path."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self.direct = self._start("direct", lambda port: [str(STUB), str(port), str(TOOLS)], TOOLS, LOAD_CPU)
        self.stub = self.direct.url.removesuffix("/mcp")

    def named(self, name: str) -> Target | None:
        """None where the program isn't installed."""
        if name == "direct":
            return self.direct
        if name in GATEWAYS:
            wanted = GATEWAYS[name]
            return self.gateway(name, wanted.servers(self.stub), wanted.options, wanted.environment)
        if name == "nginx":
            return self._nginx()
        if name in PEERS_BY_NAME:
            return self._peer(name, PEERS_BY_NAME[name])
        url = self.direct.url
        module, arguments, servers = {
            "floor": ("floor", [url, url], 2),
            "floor-stdio": ("stdio_floor", ["2", str(LOAD_CPU)], 2),
            "aiohttp": ("passthrough", [url], 1),
        }[name]
        command = [*PYTHON, f"tests.bench.{module}"]
        return self._start(name, lambda port: [*command, str(port), *arguments], servers * TOOLS)

    def gateway(
        self,
        name: str,
        servers: Mapping[str, object],
        options: Mapping[str, object] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Target:
        folder = self._folder / name

        def command(port: int) -> Sequence[str]:
            file = gateway_file(folder, port, servers, **(options or {}))
            return [str(ONLY1MCP), "start", "-c", str(file)]

        own = {**gateway_environment(folder), **(environment or {})}
        return self._start(name, command, len(servers) * TOOLS, environment=own)

    def _peer(self, name: str, peer: Peer) -> Target | None:
        if not peer.program.exists():
            return None
        return self._start(name, lambda port: peer.command(port, self.direct.url), TOOLS)

    def _nginx(self) -> Target | None:
        if shutil.which("nginx") is None:
            return None

        def command(port: int) -> Sequence[str]:
            file = nginx_file(self._folder / "nginx", port, self.stub)
            return ["nginx", "-p", str(file.parent), "-c", str(file), "-e", str(file.parent / "errors")]

        return self._start("nginx", command, TOOLS)

    def _start(
        self,
        name: str,
        command: Callable[[int], Sequence[str]],
        tools: int,
        cpu: int = MEASURED_CPU,
        environment: Mapping[str, str] | None = None,
    ) -> Target:
        port = free_port()
        log, url = self._folder / f"{name}.log", f"http://127.0.0.1:{port}/mcp"
        process = self._stack.enter_context(running(command(port), cpu, log, environment))
        pid = 0 if name == "direct" else process.pid
        cpu_of = own_cpu_seconds if name in WITH_SERVERS else cpu_seconds
        return Target(name, url, pid, awaited(url, process, log, tools), cpu_of)


@contextlib.contextmanager
def before_many(count: int, folder: Path) -> Iterator[Target]:
    """The gateway before this many servers."""
    folder.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        started = Started(stack, folder)
        yield started.gateway("many", {f"up{n}": {"url": f"{started.stub}/legacy"} for n in range(count)})


@contextlib.contextmanager
def all_of(names: Collection[str], folder: Path) -> Iterator[dict[str, Target]]:
    """Those of the targets that can be had here, up and checked."""
    with contextlib.ExitStack() as stack:
        started = Started(stack, folder)
        found = {name: started.named(name) for name in names}
        yield {name: target for name, target in found.items() if target is not None}
