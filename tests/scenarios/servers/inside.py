"""Servers for the gateway's own process: of whichever generation of the Python SDK is there, and of none."""

from __future__ import annotations

import json
from typing import Any


def sdk() -> Any:
    """A server of the SDK."""
    try:
        from mcp.server.mcpserver import Context, MCPServer  # type: ignore[import-not-found]
    except ImportError:
        from mcp.server.fastmcp import Context  # type: ignore[import-not-found]
        from mcp.server.fastmcp import FastMCP as MCPServer
    from pydantic import BaseModel

    class Form(BaseModel):
        name: str

    app = MCPServer("inside")

    def add(a: int, b: int) -> int:
        return a + b

    async def ask(context: Any) -> str:
        answer = await context.elicit("who?", Form)
        return f"hello {answer.data.name}" if answer.action == "accept" else str(answer.action)

    ask.__annotations__["context"] = Context
    add.__annotations__.update(a=int, b=int, **{"return": int})
    ask.__annotations__["return"] = str
    app.tool()(add)
    app.tool()(ask)
    return app


async def plain(receive: Any, send: Any) -> None:
    """By hand, and in the legacy era only."""
    hello = {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "p", "version": "1"},
    }
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    while message := await receive():
        request = json.loads(message)
        if "id" not in request:
            continue
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"]}
        match request["method"]:
            case "initialize":
                answer["result"] = hello
            case "tools/list":
                answer["result"] = {"tools": [{"name": "echo", "inputSchema": schema}]}
            case "tools/call":
                text = request["params"]["arguments"]["text"]
                if text == "fail":
                    raise RuntimeError("it was asked to")
                answer["result"] = {"content": [{"type": "text", "text": text}]}
            case other:
                answer["error"] = {"code": -32601, "message": f"no method {other}"}
        await send(json.dumps(answer).encode())
