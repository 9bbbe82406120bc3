"""FastMCP as a proxy: a server mounted under a name, one connected client for all. So it does best: with a client for
each request, as is its default, a call takes many times as much.

Run with an interpreter that has fastmcp, as `python tests/bench/peer_fastmcp.py PORT UPSTREAM_URL`.
"""

from __future__ import annotations

import asyncio
import importlib
import sys


async def main(port: int, url: str) -> None:
    fastmcp, server = importlib.import_module("fastmcp"), importlib.import_module("fastmcp.server")
    gateway = fastmcp.FastMCP("gateway")
    async with fastmcp.Client(url) as client:
        gateway.mount(server.create_proxy(client, name="up"), namespace="up")
        await gateway.run_http_async(
            transport="http",
            host="127.0.0.1",
            port=port,
            path="/mcp",
            show_banner=False,
            log_level="error",
            uvicorn_config={"access_log": False},
        )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
