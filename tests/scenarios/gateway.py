"""The gateway under test: the installed program, started and stopped as a user would."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.scenarios import processes
from tests.scenarios.tools import ONLY1MCP, TINY, machine

MARK = "ONLY1MCP_SCENARIO"
_LOWEST_PORT = 20_000
_PORTS_OF_A_WORKER = 3_000
_port_numbers = itertools.count(os.getpid())


class Gateway:
    """One configuration file and the process that serves it.

    Every server gets a variable of our own in its environment, by which `servers_alive` finds all that descends from
    it, whatever the gateway remembers. Use as a context manager: leaving stops the gateway and what it left behind.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.file = folder / "only1mcp.yaml"
        self.log = folder / "gateway.log"
        self.mark = uuid.uuid4().hex
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self.process: subprocess.Popen[bytes] | None = None
        self.era = ""
        """Which era the servers speak, where that matters to a test."""
        self.write(config)

    def write(self, config: Mapping[str, Any]) -> None:
        """Write the configuration file: JSON, which is YAML too."""
        listen = [{"use": "http", "host": "127.0.0.1", "port": self.port, "path": "/mcp"}]
        servers = {
            name: {**server, "env": {**server.get("env", {}), MARK: self.mark}}
            if "command" in server
            else server
            for name, server in config.get("servers", {}).items()
        }
        self.file.write_text(json.dumps({"listen": listen, **config, "servers": servers}, indent=1))

    def __enter__(self) -> Gateway:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            for pid in self.servers_alive():
                processes.kill(pid)

    @property
    def environment(self) -> dict[str, str]:
        return {**machine(), "ONLY1MCP_STATE_DIR": str(self.folder / "state")}

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self, seconds: float = 15) -> Gateway:
        """Start and wait until the port answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(ONLY1MCP), "start", "-c", str(self.file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                cwd=self.folder,
                start_new_session=True,
            )
        end = time.monotonic() + seconds
        while not self._answers():
            code = self.process.poll()
            assert code is None, f"the gateway ended with {code}:\n{self.written()}"
            assert time.monotonic() < end, f"the gateway does not listen after {seconds} s:\n{self.written()}"
            time.sleep(0.02)
        return self

    def stop(self, seconds: float = 20) -> int:
        """Ask it to end by SIGTERM and return its exit code; kill it when it does not."""
        if self.process is None:
            return 0
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the gateway did not end within {seconds} s:\n{self.written()}") from None

    def reload(self, config: Mapping[str, Any] | None = None) -> None:
        """Have it read its file again, after writing `config` to it."""
        if config is not None:
            self.write(config)
        self.command("reload")

    def command(self, name: str, *options: str, seconds: float = 30) -> str:
        """Run `only1mcp NAME -c FILE` and return what it printed."""
        done = subprocess.run(
            [str(ONLY1MCP), name, "-c", str(self.file), *options],
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, f"only1mcp {name}: {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def status(self) -> Any:
        return json.loads(self.command("status", "--json"))

    def servers_alive(self) -> list[int]:
        """All running processes that descend from this gateway's servers, orphans included."""
        return processes.marked(MARK, self.mark)

    def written(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-6000:] if self.log.exists() else ""

    def stdio_command(self) -> list[str]:
        return [str(ONLY1MCP), "stdio", "-c", str(self.file)]

    def stdio_target(self) -> dict[str, Any]:
        command, *args = self.stdio_command()
        return {"command": command, "args": args, "env": self.environment}

    def _answers(self) -> bool:
        """Whether a request is answered: what a killed gateway was just starting holds its socket a little longer, and
        nobody takes what connects to that."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 0.2) as connection:
                connection.settimeout(2)
                connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return connection.recv(5) == b"HTTP/"
        except OSError:
            return False


def tiny(name: str, *options: str) -> dict[str, Any]:
    """The configuration of a small local server."""
    return {"command": sys.executable, "args": ["-S", "-I", str(TINY), name, *options]}


def free_port() -> int:
    """A port nobody listens at. Not from those that the system gives to connections, and none that another worker of
    this run may choose, since it is taken only some time after."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = _LOWEST_PORT + worker * _PORTS_OF_A_WORKER + next(_port_numbers) % _PORTS_OF_A_WORKER
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
