"""Puts stdio servers behind HTTP+SSE, untouched: an event is a line.

Run as `python behind_sse.py '{"NAME": {"command": ..., "args": [...], "env": {...}}, ...}'`; prints its port, and
serves each server at /NAME/sse, with a process of its own for each stream. Ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from typing import Any

from aiohttp import web

SERVERS: dict[str, dict[str, Any]] = json.loads(sys.argv[1])
CHILDREN: dict[str, Process] = {}


async def stream(request: web.Request) -> web.StreamResponse:
    server = SERVERS[request.match_info["name"]]
    child = await asyncio.create_subprocess_exec(
        server["command"],
        *server["args"],
        env=server["env"],
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        limit=1 << 26,
    )
    assert child.stdout is not None
    id = str(child.pid)
    CHILDREN[id] = child
    try:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(f"event: endpoint\ndata: messages?of={id}\n\n".encode())
        while line := await child.stdout.readline():
            await response.write(b"event: message\ndata: " + line.rstrip(b"\n") + b"\n\n")
        return response
    finally:
        del CHILDREN[id]
        await asyncio.shield(ended(child))


async def message(request: web.Request) -> web.StreamResponse:
    child = CHILDREN.get(request.query["of"])
    if child is None or child.stdin is None:
        return web.Response(status=404)
    child.stdin.write(await request.read() + b"\n")
    await child.stdin.drain()
    return web.Response(status=202, text="Accepted")


async def refused(request: web.Request) -> web.StreamResponse:
    """What a client that tries Streamable HTTP first gets."""
    return web.Response(status=405, text="Method Not Allowed")


async def ended(child: Process) -> None:
    assert child.stdin is not None
    child.stdin.close()
    try:
        await asyncio.wait_for(child.wait(), 5)
    except TimeoutError:
        child.kill()
        await child.wait()


async def main() -> None:
    app = web.Application(client_max_size=1 << 26)
    app.router.add_get("/{name}/sse", stream)
    app.router.add_post("/{name}/sse", refused)
    app.router.add_post("/{name}/messages", message)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
