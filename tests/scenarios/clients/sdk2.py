"""Drives the Python SDK's second generation (mcp 2). Runs in `.cache/scenarios/mcp2`; see `steps`."""

from __future__ import annotations

from typing import Any

from mcp import Client, MCPError, StdioServerParameters, types  # type: ignore[import-not-found]
from mcp.client.sse import sse_client  # type: ignore[import-not-found]

from tests.scenarios.clients.steps import FORM, SAMPLE, Refusal, drive, run_all


def plain(model: Any) -> dict[str, Any]:
    value: dict[str, Any] = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    return value


class Driven:
    """A `mcp.Client`, seen as `steps.Client`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def page(self, what: str, cursor: str | None) -> dict[str, Any]:
        lists = {
            "tools": self._client.list_tools,
            "prompts": self._client.list_prompts,
            "resources": self._client.list_resources,
            "resourceTemplates": self._client.list_resource_templates,
        }
        return await self._asked(lists[what](cursor=cursor, cache_mode="bypass"))

    async def call(self, name: str, arguments: dict[str, Any], progress: list[Any]) -> dict[str, Any]:
        async def note(done: float, total: float | None, message: str | None) -> None:
            progress.append([done, total, message])

        return await self._asked(self._client.call_tool(name, arguments, progress_callback=note))

    async def get(self, name: str, arguments: dict[str, str]) -> dict[str, Any]:
        return await self._asked(self._client.get_prompt(name, arguments))

    async def read(self, uri: str) -> dict[str, Any]:
        return await self._asked(self._client.read_resource(uri, cache_mode="bypass"))

    async def complete(self, ref: dict[str, str], argument: dict[str, str]) -> dict[str, Any]:
        kinds = {"ref/prompt": types.PromptReference, "ref/resource": types.ResourceTemplateReference}
        return await self._asked(self._client.complete(kinds[ref["type"]](**ref), argument))

    async def _asked(self, request: Any) -> dict[str, Any]:
        try:
            return plain(await request)
        except MCPError as error:
            raise Refusal(error.error.code, error.error.message) from None


def way_to(target: dict[str, Any]) -> Any:
    if "sse" in target:
        return sse_client(target["sse"])
    return target["url"] if "url" in target else StdioServerParameters(**target)


async def play(job: dict[str, Any]) -> dict[str, Any]:
    async def sample(context: Any, params: Any) -> Any:
        return types.CreateMessageResult(**SAMPLE)

    async def elicit(context: Any, params: Any) -> Any:
        return types.ElicitResult(action="accept", content=FORM)

    async def roots(context: Any) -> Any:
        return types.ListRootsResult(roots=[types.Root(uri=uri) for uri in job["roots"]])

    asks, target = job["asks"], job["target"]
    async with Client(
        way_to(target),
        mode=job["mode"],
        read_timeout_seconds=60,
        sampling_callback=sample if "sampling" in asks else None,
        elicitation_callback=elicit if "elicitation" in asks else None,
        list_roots_callback=roots if "roots" in asks else None,
    ) as client:
        outcomes = await run_all(Driven(client), job["steps"])
        return {"revision": client.protocol_version, "outcomes": outcomes}


if __name__ == "__main__":
    drive(play)
