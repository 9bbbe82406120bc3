"""Drives the Python SDK's first generation (mcp<2). Runs in `.cache/scenarios/mcp1`; see `steps`."""

from __future__ import annotations

import warnings
from contextlib import AsyncExitStack
from typing import Any

from mcp import ClientSession, McpError, StdioServerParameters, types  # type: ignore[import-not-found]
from mcp.client.sse import sse_client  # type: ignore[import-not-found]
from mcp.client.stdio import stdio_client  # type: ignore[import-not-found]
from mcp.client.streamable_http import streamable_http_client  # type: ignore[import-not-found]
from mcp.client.websocket import websocket_client  # type: ignore[import-not-found]

from tests.scenarios.clients.steps import FORM, SAMPLE, Refusal, drive, run_all


def plain(model: Any) -> dict[str, Any]:
    value: dict[str, Any] = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    return value


class Driven:
    """A `ClientSession`, seen as `steps.Client`."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def page(self, what: str, cursor: str | None) -> dict[str, Any]:
        lists = {
            "tools": self._session.list_tools,
            "prompts": self._session.list_prompts,
            "resources": self._session.list_resources,
            "resourceTemplates": self._session.list_resource_templates,
        }
        params = types.PaginatedRequestParams(cursor=cursor) if cursor is not None else None
        return await self._asked(lists[what](params=params))

    async def call(self, name: str, arguments: dict[str, Any], progress: list[Any]) -> dict[str, Any]:
        async def note(done: float, total: float | None, message: str | None) -> None:
            progress.append([done, total, message])

        return await self._asked(self._session.call_tool(name, arguments, progress_callback=note))

    async def get(self, name: str, arguments: dict[str, str]) -> dict[str, Any]:
        return await self._asked(self._session.get_prompt(name, arguments))

    async def read(self, uri: str) -> dict[str, Any]:
        return await self._asked(self._session.read_resource(types.AnyUrl(uri)))

    async def complete(self, ref: dict[str, str], argument: dict[str, str]) -> dict[str, Any]:
        kinds = {"ref/prompt": types.PromptReference, "ref/resource": types.ResourceTemplateReference}
        return await self._asked(self._session.complete(kinds[ref["type"]](**ref), argument))

    async def _asked(self, request: Any) -> dict[str, Any]:
        try:
            return plain(await request)
        except McpError as error:
            raise Refusal(error.error.code, error.error.message) from None


async def play(job: dict[str, Any]) -> dict[str, Any]:
    async def sample(context: Any, params: Any) -> Any:
        return types.CreateMessageResult(**SAMPLE)

    async def elicit(context: Any, params: Any) -> Any:
        return types.ElicitResult(action="accept", content=FORM)

    async def roots(context: Any) -> Any:
        return types.ListRootsResult(roots=[types.Root(uri=uri) for uri in job["roots"]])

    asks = job["asks"]
    async with AsyncExitStack() as stack:
        if "websocket" in job["target"]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                opening = websocket_client(job["target"]["websocket"])
            read, write = await stack.enter_async_context(opening)
        elif "sse" in job["target"]:
            read, write = await stack.enter_async_context(sse_client(job["target"]["sse"]))
        elif "url" in job["target"]:
            read, write, _ = await stack.enter_async_context(streamable_http_client(job["target"]["url"]))
        else:
            server = StdioServerParameters(**job["target"])
            read, write = await stack.enter_async_context(stdio_client(server))
        session = await stack.enter_async_context(
            ClientSession(
                read,
                write,
                sampling_callback=sample if "sampling" in asks else None,
                elicitation_callback=elicit if "elicitation" in asks else None,
                list_roots_callback=roots if "roots" in asks else None,
            )
        )
        hello = await session.initialize()
        outcomes = await run_all(Driven(session), job["steps"])
        return {"revision": hello.protocolVersion, "outcomes": outcomes}


if __name__ == "__main__":
    drive(play)
