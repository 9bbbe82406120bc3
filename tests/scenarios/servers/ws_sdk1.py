"""A server of the Python SDK's first generation behind its own WebSocket transport; run in `.cache/scenarios/mcp1`.

Prints its port. Tools: `add` {a, b}, and `ask`, which has the client fill in a form. Ends with its standard input.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any

import uvicorn  # type: ignore[import-not-found, unused-ignore]
from mcp.server.fastmcp import Context, FastMCP  # type: ignore[import-not-found]
from mcp.server.websocket import websocket_server  # type: ignore[import-not-found]
from pydantic import BaseModel

app = FastMCP("ws")


class Form(BaseModel):
    name: str


@app.tool()  # type: ignore[untyped-decorator]
def add(a: int, b: int) -> int:
    return a + b


@app.tool()  # type: ignore[untyped-decorator]
async def ask(context: Context) -> str:
    answer = await context.elicit("who?", Form)
    await context.report_progress(1, 2)
    return f"hello {answer.data.name}" if answer.action == "accept" else str(answer.action)


async def serve(scope: Any, receive: Any, send: Any) -> None:
    server = app._mcp_server
    async with websocket_server(scope, receive, send) as (read, write):
        await server.run(read, write, server.create_initialization_options())


async def main() -> None:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(serve, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listening]))
    print(listening.getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    asyncio.run(main())
