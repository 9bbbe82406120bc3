"""A server and a client of the Python SDK's first generation that use tasks; run in `.cache/scenarios/mcp1`.

`tasks_sdk1.py server` serves over stdio. `tasks_sdk1.py client URL` plays against a URL, or against that server when
the URL is empty, and prints what it saw as JSON, without what differs from run to run.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from typing import Any

from mcp import ClientSession, McpError, StdioServerParameters, types  # type: ignore[import-not-found]
from mcp.client.stdio import stdio_client  # type: ignore[import-not-found]
from mcp.client.streamable_http import streamable_http_client  # type: ignore[import-not-found]
from mcp.server import Server  # type: ignore[import-not-found]
from mcp.server.stdio import stdio_server  # type: ignore[import-not-found]

FORM = {"type": "object", "properties": {"name": {"type": "string"}}}


async def serve() -> None:
    server = Server("tasks")
    server.experimental.enable_tasks()

    @server.list_tools()  # type: ignore[untyped-decorator]
    async def list_tools() -> list[Any]:
        execution = types.ToolExecution(taskSupport=types.TASK_REQUIRED)
        return [types.Tool(name="greet", inputSchema={"type": "object"}, execution=execution)]

    @server.call_tool()  # type: ignore[untyped-decorator]
    async def call_tool(name: str, arguments: dict[str, Any]) -> Any:
        context = server.request_context
        context.experimental.validate_task_mode(types.TASK_REQUIRED)

        async def work(task: Any) -> Any:
            await task.update_status("thinking")
            answer = await task.elicit(message="who?", requestedSchema=FORM)
            said = f"hello {answer.content['name']}" if answer.content else answer.action
            return types.CallToolResult(content=[types.TextContent(type="text", text=said)])

        return await context.experimental.run_task(work)

    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


async def play(url: str) -> dict[str, Any]:
    asked: list[Any] = []

    async def elicit(context: Any, params: Any) -> Any:
        asked.append(params)
        return types.ElicitResult(action="accept", content={"name": "Ada"})

    async with AsyncExitStack() as stack:
        if url:
            read, write, *_ = await stack.enter_async_context(streamable_http_client(url))
        else:
            command = StdioServerParameters(command=sys.executable, args=[__file__, "server"])
            read, write = await stack.enter_async_context(stdio_client(command))
        session = await stack.enter_async_context(ClientSession(read, write, elicitation_callback=elicit))
        await session.initialize()
        while not (tools := (await session.list_tools()).tools):
            await asyncio.sleep(0.1)
        plain = None
        try:
            await session.call_tool("greet", {})
        except McpError as error:
            plain = error.error.code
        created = await session.experimental.call_tool_as_task("greet", {}, ttl=60_000)
        id = created.task.taskId
        states = [created.task.status]
        async for task in session.experimental.poll_task(id):
            states += [task.status] if task.status != states[-1] else []
            if task.status == "input_required":
                break
        result = await session.experimental.get_task_result(id, types.CallToolResult)
        listed = await session.experimental.list_tasks()
        after = await session.experimental.get_task(id)
        return {
            "execution": tools[0].execution.model_dump(),
            "plain": plain,
            "states": [*states, after.status],
            "text": result.content[0].text,
            "same": [each.taskId == id for each in listed.tasks] + [id in str(result.meta)],
            "asked": len(asked),
            "related": id in str(asked[0].meta),
        }


if __name__ == "__main__":
    if sys.argv[1] == "server":
        asyncio.run(serve())
    else:
        print(json.dumps(asyncio.run(play(sys.argv[2]))))
