"""Other proxies for MCP, at their defaults but for access logs, which are off.

Those that know no way to a server over HTTP are before one that is their child process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.targets import LOAD_CPU, ROOT, STUB, TOOLS

PEERS = ROOT / ".cache" / "bench" / "peers"
SERVER = [str(STUB), "-", str(TOOLS), str(LOAD_CPU)]


@dataclass(frozen=True)
class Peer:
    """`program` must be there; `command` gets the port and the URL of the server."""

    program: Path
    command: Callable[[int, str], Sequence[str]]


def _fastmcp(port: int, url: str) -> list[str]:
    script = Path(__file__).parent / "peer_fastmcp.py"
    return [str(PEERS / "fastmcp" / "bin" / "python"), str(script), str(port), url]


def _mcp_proxy(port: int, url: str) -> list[str]:
    program = str(PEERS / "mcp-proxy" / "bin" / "mcp-proxy")
    return [program, "--port", str(port), "--log-level", "ERROR", "--", *SERVER]


def _supergateway(port: int, url: str) -> list[str]:
    program = str(PEERS / "supergateway" / "node_modules" / ".bin" / "supergateway")
    options = ["--outputTransport", "streamableHttp", "--stateful", "--port", str(port), "--logLevel", "none"]
    return [program, "--stdio", " ".join(SERVER), *options]


PEERS_BY_NAME = {
    "fastmcp": Peer(PEERS / "fastmcp" / "bin" / "python", _fastmcp),
    "mcp-proxy": Peer(PEERS / "mcp-proxy" / "bin" / "mcp-proxy", _mcp_proxy),
    "supergateway": Peer(PEERS / "supergateway" / "node_modules" / ".bin" / "supergateway", _supergateway),
}
