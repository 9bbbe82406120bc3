"""How long the command line and the gateway take to be there."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.client import INFO, LEGACY, Client
from tests.bench.targets import MEASURED_CPU, ONLY1MCP, free_port, gateway_environment, gateway_file, running

FIRST: dict[str, tuple[str, dict[str, Any]]] = {
    "legacy": ("initialize", {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": INFO}),
    "modern": ("server/discover", {}),
}
HELP_BAR = 0.2
ANSWER_BAR = 1.0


def help_seconds(times: int) -> float:
    """Wall time of `only1mcp --help`; the median."""
    taken = []
    for _ in range(times + 1):
        began = time.perf_counter()
        subprocess.run([str(ONLY1MCP), "--help"], check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:])


def answer_seconds(era: str, times: int) -> float:
    """From the start of the program to its first answer, with no servers behind it; the median."""
    return statistics.median([_answered(era) for _ in range(times + 1)][1:])


def _answered(era: str) -> float:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port = free_port()
        file = gateway_file(folder, port, {})
        log = folder / "log"
        began = time.perf_counter()
        with running(
            [str(ONLY1MCP), "start", "-c", str(file)], MEASURED_CPU, log, gateway_environment(folder)
        ) as process:
            while True:
                client = Client(f"http://127.0.0.1:{port}/mcp", era)
                try:
                    client.ask(*FIRST[era])
                    return time.perf_counter() - began
                except OSError:
                    if process.poll() is not None or time.perf_counter() - began > 20:
                        raise RuntimeError(f"the gateway does not start: {log.read_text()[-2000:]}") from None
                    time.sleep(0.002)
                finally:
                    client.close()
