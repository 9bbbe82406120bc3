"""The least that aiohttp on both sides costs: bodies go through as bytes, nothing is looked at.

The yardstick beside the gateway. Run as `python -m tests.bench.passthrough PORT UPSTREAM_URL`.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web

HOP = {"host", "content-length", "connection", "accept-encoding", "user-agent"}


def application(upstream: str) -> web.Application:
    app = web.Application()
    client = web.AppKey("client", ClientSession)

    async def connected(app: web.Application) -> AsyncIterator[None]:
        async with ClientSession(connector=TCPConnector(limit=0), cookie_jar=DummyCookieJar()) as session:
            app[client] = session
            yield

    async def forward(request: web.Request) -> web.Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        async with app[client].post(upstream, data=await request.read(), headers=headers) as answer:
            kept = {n: v for n, v in answer.headers.items() if n in ("Content-Type", "Mcp-Session-Id")}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)

    app.cleanup_ctx.append(connected)
    app.router.add_post("/mcp", forward)
    return app


if __name__ == "__main__":
    web.run_app(
        application(sys.argv[2]), host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None
    )
