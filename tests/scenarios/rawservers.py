"""Starting the servers of this folder that have no SDK, over either transport, and configuring a gateway for them."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from tests.scenarios.gateway import free_port
from tests.scenarios.raw import Answer, Era, Peer
from tests.scenarios.raw_http import HttpPeer
from tests.scenarios.raw_stdio import StdioPeer
from tests.scenarios.tools import ROOT, machine

Transport = Literal["http", "stdio"]
Eras = Literal["both", "legacy", "modern"]


class RawServer:
    """One server: how the gateway reaches it, and how a client does without the gateway."""

    def __init__(self, name: str, transport: Transport, eras: Eras, port: int = 0) -> None:
        self.command = [sys.executable, "-m", f"tests.scenarios.servers.{name}"]
        self.command += ["stdio", eras] if transport == "stdio" else ["http", str(port), eras]
        self.environment = {**machine(), "PYTHONPATH": str(ROOT)}
        self.url = f"http://127.0.0.1:{port}/mcp" if transport == "http" else ""

    def entry(self) -> dict[str, Any]:
        """For the configuration of a gateway."""
        if self.url:
            return {"url": self.url}
        return {"command": self.command[0], "args": self.command[1:], "env": {"PYTHONPATH": str(ROOT)}}

    def direct(self, era: Era, answers: dict[str, Answer] | None = None) -> Peer:
        """A client of the server itself."""
        if self.url:
            return HttpPeer(self.url, era, answers)
        return StdioPeer(self.command, self.environment, era, answers, cwd=ROOT)


@contextlib.contextmanager
def raw_server(name: str, transport: Transport, eras: Eras, folder: Path) -> Iterator[RawServer]:
    """The server, running where it is one to be reached by URL."""
    if transport == "stdio":
        yield RawServer(name, transport, eras)
        return
    server = RawServer(name, transport, eras, free_port())
    with (folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            server.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=server.environment, cwd=ROOT
        )
    try:
        _wait(int(server.command[-2]), process)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 15
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < end, "the server does not listen"
            time.sleep(0.02)
        else:
            return
