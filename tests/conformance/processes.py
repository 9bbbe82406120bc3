"""The reference server, its restricted forms, and the gateway in front of them."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.scenarios.gateway import Gateway, free_port
from tests.scenarios.tools import MADE, ROOT, machine

CONFORMANCE = ROOT / ".cache" / "conformance"
PYTHON = CONFORMANCE / "venv" / "bin" / "python"
EVERYTHING = Path(__file__).parent / "fixtures" / "everything.py"
CLIENT = CONFORMANCE / "source" / ".github" / "actions" / "conformance" / "client.py"

JOBS = ROOT / "tests" / "scenarios" / "servers" / "jobs.py"

SECOND = {"command": str(MADE / "tools" / "bin" / "mcp-server-time")}
"""Another server beside the one that is looked at."""


def sdk_version() -> str:
    """That of the reference server."""
    return (CONFORMANCE / "made").read_text()


@contextmanager
def reference(form: str, folder: Path) -> Iterator[str]:
    """The reference server over HTTP, speaking `both` eras or one, or over HTTP+SSE (`sse`); gives its URL."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "reference.log").open("ab") as log:
        process = subprocess.Popen(
            [str(PYTHON), str(EVERYTHING), form, str(port)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=machine(),
        )
    try:
        _wait(port, process)
        yield f"http://localhost:{port}/{'sse' if form == 'sse' else 'mcp'}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(port: int, process: subprocess.Popen[bytes], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("localhost", port), 0.2).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the reference server does not start") from None
            time.sleep(0.05)
        else:
            return


def over_stdio() -> dict[str, Any]:
    """The reference server as the configuration of a child process."""
    return {"command": str(PYTHON), "args": [str(EVERYTHING), "stdio"]}


def jobs() -> dict[str, Any]:
    """A server whose tools make tasks, as the configuration of a child process."""
    return {"command": sys.executable, "args": ["-I", "-S", str(JOBS)]}


@contextmanager
def gateway(servers: Mapping[str, Any], folder: Path, **profile: Any) -> Iterator[str]:
    """The gateway in front of these servers, once all of them have been listed; gives its URL. `profile` is what its
    configuration says of the default profile."""
    with Gateway(folder, {"servers": servers, "profiles": {"default": profile}}) as running:
        running.start(30)
        end = time.monotonic() + 60
        while any(server["state"] != "up" for server in running.status()["servers"].values()):
            if time.monotonic() > end:
                raise RuntimeError(f"not every server came up:\n{running.written()}")
            time.sleep(0.1)
        # The suite asks for localhost, and refuses nothing it does not need to: the name is part of what it checks.
        yield running.url.replace("127.0.0.1", "localhost")
