"""An installation of the program with nothing but the parts of these tests, run as real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PARTS = Path(__file__).with_name("parts.py")
DISTRIBUTION = "only1mcp-testing-parts"
ENTRY_POINTS = """[only1mcp.plugins]
parts = only1mcp_testing_parts
[only1mcp.commands]
greet = only1mcp_testing_parts:command
broken = only1mcp_testing_parts:nothing
status = only1mcp_testing_parts:command
"""
SECONDS = 30


class Installation:
    """A user with a directory of their own."""

    def __init__(self, directory: Path) -> None:
        site = directory / "site"
        info = site / "only1mcp_testing_parts-1.0.dist-info"
        info.mkdir(parents=True)
        self.module = site / "only1mcp_testing_parts.py"
        shutil.copy(PARTS, self.module)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {DISTRIBUTION}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(ENTRY_POINTS)
        self.home = directory / "home"
        self.home.mkdir()
        self.config = self.home / "only1mcp.yaml"
        self.state = directory / "state"
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "PYTHONPATH": str(site),
            "ONLY1MCP_PLUGINS": DISTRIBUTION,
            "ONLY1MCP_STATE_DIR": str(self.state),
        }

    def configure(self, **config: Any) -> None:
        """Write the configuration file. JSON is YAML."""
        self.config.write_text(json.dumps({"listen": [{"use": "still"}], "startup_wait": 10, **config}))

    def popen(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "only1mcp_kernel.cli", *arguments],
            cwd=self.home,
            env=self.env,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and check its exit code."""
        with self.popen(*arguments) as process:
            out, err = process.communicate(timeout=SECONDS)
        assert process.returncode == code, (arguments, process.returncode, out, err)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", code=code).stdout)

    @contextmanager
    def started(self, *options: str) -> Iterator[dict[str, Any]]:
        """A gateway in the background, as `start --daemon --json` reports it."""
        status = self.json("start", "--daemon", *options)
        try:
            yield status
        finally:
            self.end(status["pid"])

    @contextmanager
    def foreground(self, *options: str) -> Iterator[subprocess.Popen[str]]:
        """A gateway in the foreground that serves."""
        with self.popen("start", *options) as process:
            try:
                assert process.stderr
                line = process.stderr.readline()
                assert line.startswith("Serving "), line + process.stderr.read()
                yield process
            finally:
                process.kill()

    def end(self, pid: int) -> None:
        """End a process, politely if it can."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + 5
            while alive(pid) and time.monotonic() < deadline:
                os.kill(pid, number)
                time.sleep(0.1)

    def files(self) -> dict[str, int]:
        """Everything in the state directory with its mode."""
        return {
            path.relative_to(self.state).as_posix(): path.lstat().st_mode & 0o777
            for path in self.state.rglob("*")
        }


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
