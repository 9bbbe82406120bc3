"""What the gateway holds when nobody asks it anything: with ten servers, and for each session with its event stream."""

from __future__ import annotations

import contextlib
import resource
import socket
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.client import Client, headers_of
from tests.bench.processes import before_many
from tests.bench.targets import Target
from tests.scenarios.processes import resident_kib

SERVERS = 10
SESSIONS = 10_000
FIRST = 200
"""Sessions opened before the first look, so that what is made once isn't counted."""
SPARE = 500
"""Descriptors for other things than sessions."""


def at_rest(folder: Path) -> tuple[float, float, int]:
    """MiB at rest, then KiB for each session, and how many sessions these were."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the gateway gets as many
    count = min(SESSIONS, most - SPARE)
    with before_many(1, folder / "compile"):
        pass  # compiled from now on
    with before_many(SERVERS, folder / "rest") as target, contextlib.ExitStack() as stack:
        rest = resident_kib(target.pid)
        open_sessions(target, FIRST, stack)
        before = resident_kib(target.pid)
        open_sessions(target, count, stack)
        return rest / 1024, (resident_kib(target.pid) - before) / count, count


def open_sessions(target: Target, count: int, stack: contextlib.ExitStack) -> None:
    """Sessions, each with an open stream; closed with the stack. Raises `RuntimeError` for one that is refused."""
    parts = urlsplit(target.url)
    client = Client(target.url, "legacy")
    stack.callback(client.close)
    for _ in range(count):
        client.session = ""
        client.greet()
        fields = {
            "Host": parts.netloc,
            **headers_of("legacy", client.session, ""),
            "Accept": "text/event-stream",
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        stream = stack.enter_context(socket.create_connection((parts.hostname, parts.port), 20))
        stream.sendall(f"GET {parts.path} HTTP/1.1\r\n{head}\r\n".encode())
        answer = stream.recv(4096)
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"no stream: {answer!r}")
