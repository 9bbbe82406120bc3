"""What is said when a resource, a reference or a subscription leads to nothing: in the code of the caller's era."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.kernel.gateway.servers import FakeConnection, FakeServer, Json, RpcError
from tests.kernel.gateway.world import HttpClient, world

CODES = {"modern": -32602, "legacy": -32002}


def refusing(era: str, template: str) -> FakeServer:
    """A server that finds nothing, in the words of its era."""
    server = FakeServer(era)
    server.capabilities = {**server.capabilities, "completions": {}}
    server.lists["resources"] = [{"uri": f"{template}:listed", "name": "x"}]
    server.lists["resourceTemplates"] = [{"uriTemplate": template + ":{id}", "name": "x"}]

    def nothing(connection: FakeConnection, params: Json) -> Json:
        uri = params.get("uri") or params["ref"]["uri"]
        raise RpcError(CODES[era], "gone", {"uri": uri, "more": 1})

    for method in ("resources/read", "resources/subscribe", "completion/complete"):
        server.methods[method] = nothing
    return server


async def error_of(client: HttpClient, era: str, method: str, params: Json) -> Json:
    answer = client.modern(method, params) if era == "modern" else client.legacy(method, params)
    error: Json = (await answer.done())["error"]
    return error


async def started_client(it: Any, era: str) -> HttpClient:
    await it.gateway.settled(2)
    client: HttpClient = it.http()
    if era == "legacy":
        await client.initialize()
    return client


@pytest.mark.parametrize("era", ["modern", "legacy"])
@pytest.mark.parametrize("uri", ["m:listed", "m:fits", "l:listed", "l:fits", "nobody:s"])
async def test_reading(tmp_path: Path, era: str, uri: str) -> None:
    async with world(tmp_path, m=refusing("modern", "m"), l=refusing("legacy", "l")) as it:
        client = await started_client(it, era)
        error = await error_of(client, era, "resources/read", {"uri": uri})
        assert error["code"] == CODES[era]
        assert error["data"]["uri"] == uri
        assert (error["message"] == "gone") == (uri[1] == ":")


async def test_an_older_revision_has_its_code_too(tmp_path: Path) -> None:
    async with world(tmp_path, m=refusing("modern", "m"), l=refusing("legacy", "l")) as it:
        await it.gateway.settled(2)
        client = it.http()
        await client.initialize("2024-11-05")
        for uri in ("m:x", "l:x", "nobody:s"):
            assert (await error_of(client, "legacy", "resources/read", {"uri": uri}))["code"] == -32002


@pytest.mark.parametrize("uri", ["l:listed", "l:fits", "nobody:s"])
async def test_subscribing(tmp_path: Path, uri: str) -> None:
    async with world(tmp_path, m=FakeServer("modern"), l=refusing("legacy", "l")) as it:
        client = await started_client(it, "legacy")
        for method in ("resources/subscribe", "resources/unsubscribe"):
            if method == "resources/subscribe" or uri == "nobody:s":
                assert (await error_of(client, "legacy", method, {"uri": uri}))["code"] == -32002


async def test_listening_to_what_is_not_there(tmp_path: Path) -> None:
    good = FakeServer("legacy")
    good.lists["resources"] = [{"uri": "g:1", "name": "x"}]
    async with world(tmp_path, g=good, l=refusing("legacy", "l")) as it:
        client = await started_client(it, "modern")
        wanted = ["nobody:s", "l:listed", "g:1"]
        listening = client.modern(
            "subscriptions/listen", {"notifications": {"resourceSubscriptions": wanted}}
        )
        told = await listening.until_sent("notifications/subscriptions/acknowledged")
        assert told["params"]["notifications"]["resourceSubscriptions"] == ["g:1"]


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_completing(tmp_path: Path, era: str) -> None:
    async with world(tmp_path, m=refusing("modern", "m"), l=refusing("legacy", "l")) as it:
        client = await started_client(it, era)
        argument = {"argument": {"name": "id", "value": "x"}}

        async def code(ref: Json) -> int:
            found: int = (await error_of(client, era, "completion/complete", {"ref": ref, **argument}))[
                "code"
            ]
            return found

        assert await code({"type": "ref/prompt", "name": "nobody"}) == -32602
        assert await code({"type": "ref/resource", "uri": "nobody:{s}"}) == -32602
        assert await code({"type": "ref/resource", "uri": "m:{id}"}) == -32602
        assert await code({"type": "ref/resource", "uri": "l:{id}"}) == CODES[era]
        assert await code({"type": "ref/other"}) == -32602


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_tools_and_prompts(tmp_path: Path, era: str) -> None:
    async with world(tmp_path, a=FakeServer(), b=FakeServer()) as it:
        client = await started_client(it, era)
        for method in ("tools/call", "prompts/get"):
            assert (await error_of(client, era, method, {"name": "nobody"}))["code"] == -32602
