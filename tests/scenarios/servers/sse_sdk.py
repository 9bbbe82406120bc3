"""A server of the Python SDK, of either generation, behind its own HTTP+SSE transport; run in `.cache/scenarios/mcp1`
or `mcp2`.

Prints its port. Tools: `add` {a, b}, and `ask`, which has the client fill in a form. Ends with its standard input.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any

import uvicorn  # type: ignore[import-not-found, unused-ignore]
from pydantic import BaseModel

try:
    from mcp.server.fastmcp import Context, FastMCP  # type: ignore[import-not-found]
except ImportError:
    from mcp.server import MCPServer as FastMCP  # type: ignore[import-not-found]
    from mcp.server.mcpserver import Context  # type: ignore[import-not-found]

app = FastMCP("sse")


class Form(BaseModel):
    name: str


@app.tool()  # type: ignore[untyped-decorator]
def add(a: int, b: int) -> int:
    return a + b


async def ask(context: Any) -> str:
    answer = await context.elicit("who?", Form)
    await context.report_progress(1, 2)
    return f"hello {answer.data.name}" if answer.action == "accept" else str(answer.action)


ask.__annotations__["context"] = Context
app.tool()(ask)


async def main() -> None:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app.sse_app(), log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listening]))
    print(listening.getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    asyncio.run(main())
