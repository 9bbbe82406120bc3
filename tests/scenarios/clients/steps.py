"""What a driven client does: the steps of a job, in the words of the protocol, and no SDK's.

A job is a JSON object on standard input:

    target   {"url": ...}, {"websocket": ...} or {"command": ..., "args": [...], "env": {...}, "cwd": ...}
    mode     how to negotiate: "legacy", "auto", or a revision
    asks     the questions this client answers: any of "sampling", "elicitation", "roots"
    roots    the URIs it gives as its roots
    steps    a list of steps, each an object with `do`; see `run`

The driver prints one JSON object: the negotiated revision, and what each step gave. Drivers run in environments of
their own; this module needs nothing but the standard library.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

SAMPLE = {"role": "assistant", "content": {"type": "text", "text": "a driven answer"}, "model": "driver"}
STEADY = 2.0
FORM = {"name": "Ada", "check": True, "email": "ada@example.org", "integer": 3, "number": 3.5}


class Client(Protocol):
    """What an SDK's client is wrapped into. Everything comes back as JSON; SDK errors become `Refusal`."""

    async def page(self, what: str, cursor: str | None) -> dict[str, Any]: ...

    async def call(self, name: str, arguments: dict[str, Any], progress: list[Any]) -> dict[str, Any]: ...

    async def get(self, name: str, arguments: dict[str, str]) -> dict[str, Any]: ...

    async def read(self, uri: str) -> dict[str, Any]: ...

    async def complete(self, ref: dict[str, str], argument: dict[str, str]) -> dict[str, Any]: ...


class Refusal(Exception):
    """The peer answered with a JSON-RPC error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message}


async def listed(client: Client, what: str) -> list[Any]:
    """All pages of a list."""
    found: list[Any] = []
    cursor: str | None = None
    while True:
        page = await client.page(what, cursor)
        found += page[what]
        cursor = page.get("nextCursor")
        if cursor is None:
            return found


async def settled(client: Client, what: str, count: int, seconds: float) -> int:
    """Wait until a list has `count` entries and then stays as it is for `STEADY` seconds.

    Servers come up one after the other, and a gateway that does not yet know what a server shows to such a client
    may show what it has until it does.
    """
    end = time.monotonic() + seconds
    found = await listed(client, what)
    since = time.monotonic()
    while time.monotonic() < end and (len(found) < count or time.monotonic() < since + STEADY):
        await asyncio.sleep(0.2)
        again = await listed(client, what)
        if again != found:
            found, since = again, time.monotonic()
    return len(found)


async def run(client: Client, step: dict[str, Any]) -> Any:
    """The outcome of one step, as JSON."""
    match step["do"]:
        case "list":
            return await listed(client, step["what"])
        case "settle":
            return await settled(client, step["what"], step["count"], step.get("seconds", 30))
        case "call":
            progress: list[Any] = []
            result = await client.call(step["name"], step.get("arguments", {}), progress)
            return {"result": result, "progress": progress}
        case "get":
            return await client.get(step["name"], step.get("arguments", {}))
        case "read":
            return await client.read(step["uri"])
        case "complete":
            return await client.complete(step["ref"], step["argument"])
    raise ValueError(f"no such step: {step['do']}")


async def run_all(client: Client, steps: list[dict[str, Any]]) -> list[Any]:
    """What each step gave; a refusal is an outcome like any other."""
    outcomes: list[Any] = []
    for step in steps:
        try:
            outcomes.append(await run(client, step))
        except Refusal as refusal:
            outcomes.append({"error": refusal.error})
    return outcomes


def drive(play: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]) -> None:
    """The main of a driver."""
    job = json.load(sys.stdin)

    async def main() -> dict[str, Any]:
        return await play(job)

    json.dump(asyncio.run(main()), sys.stdout)
