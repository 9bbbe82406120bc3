"""Runs a client that is somebody else's program: the two SDK drivers, and the inspector's command line."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.scenarios.tools import MADE, NODE_BIN, ROOT, machine

Step = dict[str, Any]
Target = dict[str, Any]


class ClientFailed(Exception):
    """The client program itself failed; the message is what it wrote to its standard error."""


@dataclass(frozen=True)
class SdkClient:
    """One generation of the Python SDK in one mode."""

    name: str
    mode: str

    async def play(
        self, target: Target, steps: Sequence[Step], asks: Sequence[str] = (), roots: Sequence[str] = ()
    ) -> list[Any]:
        """What each step gave. Raises `ClientFailed`."""
        job = {
            "target": target,
            "mode": self.mode,
            "asks": list(asks),
            "roots": list(roots),
            "steps": list(steps),
        }
        generation = "mcp1" if self.name == "sdk1" else "mcp2"
        python = str(MADE / generation / "bin" / "python")
        output = await _ran([python, "-m", f"tests.scenarios.clients.{self.name}"], json.dumps(job).encode())
        outcomes: list[Any] = json.loads(output)["outcomes"]
        return outcomes


SDK1 = SdkClient("sdk1", "legacy")
SDK2_LEGACY = SdkClient("sdk2", "legacy")
SDK2_AUTO = SdkClient("sdk2", "auto")
SDK2_MODERN = SdkClient("sdk2", "2026-07-28")


async def inspect(target: Target, method: str, *options: str, era: str = "legacy") -> dict[str, Any]:
    """One request made by the MCP inspector. Raises `ClientFailed`, also when the server refuses."""
    command = [str(NODE_BIN / "mcp-inspector"), "--cli", "--format", "json", "-q", "--protocol-era", era]
    command += ["--method", method, *options]
    if "url" in target:
        command += ["--transport", "http", target["url"]]
    else:
        for name, value in target.get("env", {}).items():
            command += ["-e", f"{name}={value}"]
        command += ["--", target["command"], *target.get("args", [])]
    output = await _ran(command, b"")
    result: dict[str, Any] = json.loads(output)["result"]
    return result


async def _ran(command: list[str], given: bytes, seconds: float = 120) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        cwd=ROOT,
        env={**machine(), "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(given), seconds)
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        _, errors = await process.communicate()
        raise ClientFailed(
            f"{Path(command[0]).name} took over {seconds} s: {errors.decode()[-2000:]}"
        ) from None
    if process.returncode != 0:
        raise ClientFailed(f"{Path(command[0]).name}: {errors.decode()[-3000:]}")
    return output
