"""Puts stdio servers behind WebSockets, untouched: a text frame is a line.

Run as `python behind_ws.py '{"NAME": {"command": ..., "args": [...], "env": {...}}, ...}'`; prints its port, and serves
each server at /NAME, with a process of its own for each WebSocket. Ends with its standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from typing import Any

from aiohttp import WSMsgType, web

SERVERS: dict[str, dict[str, Any]] = json.loads(sys.argv[1])


async def serve(request: web.Request) -> web.StreamResponse:
    server = SERVERS[request.match_info["name"]]
    socket = web.WebSocketResponse(protocols=("mcp",), max_msg_size=1 << 26, heartbeat=30)
    await socket.prepare(request)
    child = await asyncio.create_subprocess_exec(
        server["command"],
        *server["args"],
        env=server["env"],
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        limit=1 << 26,
    )
    upward = asyncio.create_task(lines_to_frames(child, socket))
    try:
        await frames_to_lines(socket, child)
    finally:
        await ended(child)
        await upward
    return socket


async def frames_to_lines(socket: web.WebSocketResponse, child: Process) -> None:
    assert child.stdin is not None
    async for frame in socket:
        assert frame.type is WSMsgType.TEXT
        child.stdin.write(frame.data.encode() + b"\n")
        await child.stdin.drain()


async def lines_to_frames(child: Process, socket: web.WebSocketResponse) -> None:
    assert child.stdout is not None
    with contextlib.suppress(ConnectionError):
        while line := await child.stdout.readline():
            await socket.send_str(line.decode().rstrip("\n"))
        await socket.close()


async def ended(child: Process) -> None:
    assert child.stdin is not None
    child.stdin.close()
    try:
        await asyncio.wait_for(child.wait(), 5)
    except TimeoutError:
        child.kill()
        await child.wait()


async def main() -> None:
    app = web.Application()
    app.router.add_get("/{name}", serve)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
