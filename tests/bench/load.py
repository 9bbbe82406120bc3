"""One burst of load on one target, by wrk, and what it cost the target."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.bench.client import Client, headers_of, modern_meta
from tests.bench.targets import LOAD_CPU, Target
from tests.bench.upstream import TEXT, TOOLS
from tests.scenarios.processes import cpu_seconds, resident_kib

VARIANTS = 16
LUA = Path(__file__).parent / "load.lua"


@dataclass(frozen=True)
class Operation:
    """What is asked, and in which era."""

    name: str
    method: str
    era: str

    def params(self, tool: str) -> dict[str, Any]:
        params: dict[str, Any] = (
            {"name": tool, "arguments": {"text": TEXT}} if self.method == "tools/call" else {}
        )
        return {**params, "_meta": modern_meta()} if self.era == "modern" else params


OPERATIONS = (
    Operation("call", "tools/call", "legacy"),
    Operation("call-modern", "tools/call", "modern"),
    Operation("list", "tools/list", "legacy"),
    Operation("list-modern", "tools/list", "modern"),
    Operation("ping", "ping", "legacy"),
)


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
    prepared.write_bytes(
        b"\0".join(
            request(target, operation, session, variant)
            for variant in range(VARIANTS)
            for session in sessions
        )
    )
    parts = urlsplit(target.url)
    command = ["wrk", "-t1", f"-c{concurrency}", f"-d{seconds}s", "--timeout", "10s", "-s", str(LUA)]
    before = cpu_seconds(target.pid) if target.pid else 0.0
    output = subprocess.run(
        [*command, f"http://{parts.netloc}", "--", str(prepared)],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {LOAD_CPU}),
    ).stdout
    after = cpu_seconds(target.pid) if target.pid else 0.0
    line = next(line for line in output.splitlines() if line.startswith("DONE "))
    seen = json.loads(line.removeprefix("DONE "))
    count = seen["requests"]
    if not count:
        raise RuntimeError(f"{target.name} answered nothing: {output}")
    if seen["bytes"] / count < 0.9 * size:
        raise RuntimeError(
            f"{target.name}: {seen['bytes'] / count:.0f} bytes per answer, one alone has {size}"
        )
    for session in sessions[:1]:
        checked(target, operation, session)
    return Burst(
        requests=count,
        per_second=count / (seen["microseconds"] / 1e6),
        p50=seen["p50"],
        p99=seen["p99"],
        errors=seen["errors"],
        cpu=(after - before) * 1e6 / count,
        resident_kib=resident_kib(target.pid) if target.pid else 0,
    )


def opened(target: Target, operation: Operation, count: int) -> tuple[list[str], int]:
    """Sessions to load, and how many bytes an answer has. A modern client has no session."""
    sessions = []
    size = 0
    for _ in range(count if operation.era == "legacy" else 1):
        client = Client(target.url, operation.era)
        client.greet()
        if operation.era == "legacy":
            sessions.append(client.session)
        client.close()
    size = checked(target, operation, sessions[0] if sessions else "")
    return sessions or [""], size


def checked(target: Target, operation: Operation, session: str) -> int:
    """Whether one answer is right, and its size."""
    client = Client(target.url, operation.era)
    client.session = session
    result = client.ask(
        operation.method, {k: v for k, v in operation.params(target.tool).items() if k != "_meta"}
    )
    client.close()
    if operation.method == "tools/call" and result["content"][0]["text"] != TEXT:
        raise RuntimeError(f"{target.name} changed the answer")
    if operation.method == "tools/list" and len(result["tools"]) < TOOLS:
        raise RuntimeError(f"{target.name} lists {len(result['tools'])} tools")
    return client.size


def request(target: Target, operation: Operation, session: str, variant: int) -> bytes:
    """A whole HTTP request, a byte 1 in place of the nine digits of its id. Variants differ in length, and in the trace
    they belong to, so that no two requests in a row look alike."""
    parts = urlsplit(target.url)
    body = json.dumps(
        {"jsonrpc": "2.0", "id": "@", "method": operation.method, "params": operation.params(target.tool)},
        separators=(",", ":"),
    ).replace('"@"', " " * variant + "\1", 1)
    name = target.tool if operation.method == "tools/call" else ""
    fields = {
        "Host": parts.netloc,
        "traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01",
        **headers_of(operation.era, session, operation.method, name),
        "Content-Length": str(len(body) - 1 + 9),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {parts.path} HTTP/1.1\r\n{head}\r\n{body}".encode()
