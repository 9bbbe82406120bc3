"""Nothing is lost or changed on the way: every value a client gets through the gateway is the text it gets directly.

Compared are the members of results, of list entries, of errors and of notifications, as they were written. What the
gateway itself has to say is named in `OURS`; there is nothing else.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from msgspec import Raw

from only1mcp_sdk.members import items, split
from tests.scenarios.gateway import Gateway
from tests.scenarios.raw import Answer, Era, Peer, opened
from tests.scenarios.raw_http import HttpPeer
from tests.scenarios.rawservers import RawServer, Transport, raw_server
from tests.scenarios.servers.exotic import ERRORS, URI

SIGNATURE = "io.modelcontextprotocol/serverInfo"
OURS = {
    "capabilities": "the gateway declares what it does itself: listChanged, subscribe",
    "serverInfo": "the gateway's own name",
    "_meta": f"in a discovery: {SIGNATURE} is the gateway's own",
}
HEARD = b'{"a":1.0,"b":[1e400,{"":null}],"\xc3\xa9":"\\u00e9\\/"}'
ANSWERS: dict[str, Answer] = {
    "elicitation/create": lambda params: {"action": "accept", "content": Raw(HEARD), "x": None},
    "sampling/createMessage": lambda params: {
        "role": "assistant",
        "content": Raw(HEARD),
        "model": "",
        "x": None,
    },
    "roots/list": lambda params: {"roots": [Raw(HEARD)], "_meta": {"vendor/k": None}},
}
"""What a client answers that is asked something."""
LISTS = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}
REQUESTS: list[tuple[str, dict[str, Any]]] = [
    *((method, {}) for method in LISTS),
    ("tools/call", {"name": "exotic", "arguments": {}}),
    ("prompts/get", {"name": "p", "arguments": {"a": "x"}}),
    ("resources/read", {"uri": URI}),
    ("resources/read", {"uri": "Tree://a%2Fb/c/x?q=%C3%A9"}),
    (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "p"}, "argument": {"name": "a", "value": ""}},
    ),
    *(("tools/call", {"name": "fails", "arguments": {"which": each}}) for each in range(len(ERRORS))),
]


@pytest.fixture(params=["http", "stdio"], scope="module")
def reached(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The server, and a gateway in front of it."""
    transport: Transport = request.param
    folder = tmp_path_factory.mktemp(f"fidelity-{transport}")
    with (
        raw_server("exotic", transport, "both", folder) as server,
        Gateway(folder / "gateway", {"servers": {"exotic": server.entry()}}) as gateway,
    ):
        yield server, gateway.start()


@asynccontextmanager
async def both(reached: tuple[RawServer, Gateway], era: Era) -> AsyncIterator[tuple[Peer, Peer]]:
    """A client of the server, and one of the gateway."""
    server, gateway = reached
    async with AsyncExitStack() as stack:
        direct = await stack.enter_async_context(opened(able(server.direct(era, ANSWERS))))
        through = await stack.enter_async_context(opened(able(HttpPeer(gateway.url, era, ANSWERS))))
        await through.settled("tools", 6)
        yield direct, through


def able(peer: Peer) -> Peer:
    peer.details = {"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}}
    return peer


async def message(peer: Peer, method: str, params: dict[str, Any]) -> dict[str, bytes]:
    return split(await peer.exchange(peer._request(method, params)))


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize(("method", "params"), REQUESTS, ids=lambda each: str(each)[:40])
async def test_results_and_errors(
    reached: tuple[RawServer, Gateway], era: Era, method: str, params: dict[str, Any]
) -> None:
    async with both(reached, era) as (direct, through):
        expected, found = await message(direct, method, params), await message(through, method, params)
    if "error" in expected:
        assert split(found["error"]) == split(expected["error"])
        return
    before, after = split(expected["result"]), split(found["result"])
    if method in LISTS:
        listed = [[split(each) for each in items(part.pop(LISTS[method]))] for part in (before, after)]
        assert listed[1] == listed[0]
    assert after == before


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_greetings(reached: tuple[RawServer, Gateway], era: Era) -> None:
    method = "server/discover" if era == "modern" else "initialize"
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    params: dict[str, Any] = {} if era == "modern" else hello
    server, gateway = reached
    async with both(reached, era):
        pass  # the gateway has met the server in this era
    peers = [server.direct(era), HttpPeer(gateway.url, era)]
    parts: list[Mapping[str, bytes]] = []
    for peer in peers:
        await peer.open()
        try:
            parts.append(split((await message(peer, method, params))["result"]))
        finally:
            await peer.close()
    before, after = parts
    assert {name: after.get(name) for name in before if name not in OURS} == {
        name: value for name, value in before.items() if name not in OURS
    }
    assert set(after) - set(before) <= set(OURS)
    declared, ours = split(before["capabilities"]), split(after["capabilities"])
    for name in ("experimental", "extensions"):
        assert split(ours[name]) == split(declared[name])
    assert set(ours) == set(declared)
    meta = split(after["_meta"])
    meta.pop(SIGNATURE, None)
    assert meta == split(before["_meta"])


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_notifications_of_a_request(reached: tuple[RawServer, Gateway], era: Era) -> None:
    told = []
    async with both(reached, era) as peers:
        for peer in peers:
            meta = {
                "progressToken": "t",
                **({"io.modelcontextprotocol/logLevel": "debug"} if era == "modern" else {}),
            }
            kept = keeping(peer)
            await message(peer, "tools/call", {"name": "talks", "_meta": meta})
            await asyncio.sleep(0.2)
            told.append(
                [(each["method"], split(each["params"])) for each in kept if each["method"] in WATCHED]
            )
    assert told[1] == told[0]
    assert len(told[0]) == 5


WATCHED = (b'"notifications/progress"', b'"notifications/message"', b'"notifications/vendor/thing"')


def keeping(peer: Peer) -> list[dict[str, bytes]]:
    """The notifications and questions a client gets from now on, as they were written."""
    kept: list[dict[str, bytes]] = []

    def keep(raw: bytes) -> None:
        kept.append(split(raw))

    peer.heard = keep
    return kept


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_what_a_client_says_arrives(reached: tuple[RawServer, Gateway], era: Era) -> None:
    arguments = '{"b":1.0,"a":[1e400,-0.0,12345678901234567890],"é":"\\u00e9\\/","":null,"A":{"z":{},"y":[]}}'
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    meta = {"traceparent": trace, "tracestate": "a=b", "baggage": "c=d", "vendor/k": {"n": [None]}}
    async with both(reached, era) as peers:
        seen = []
        for peer in peers:
            request = peer._request("tools/call", {"name": "mirror", "_meta": meta, "x-unknown": {"k": None}})
            text = json.dumps(request).replace('"x-unknown"', f'"arguments":{arguments},"x-unknown"')
            answer = split(await peer.exchange_text(text.encode(), request))
            mirrored = json.loads(answer["result"])["content"][0]["text"]
            seen.append(split(split(mirrored.encode())["params"]))
    direct, through = seen
    before, after = split(direct.pop("_meta")), split(through.pop("_meta"))
    assert through == direct
    assert direct["arguments"] == arguments.encode()
    assert {name: after.get(name) for name in meta} == {name: before[name] for name in meta}
    own = "io.modelcontextprotocol/"
    assert {name for name in after if not name.startswith(own)} == set(meta)
    assert (own + "protocolVersion" in after) is (era == "modern")


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_what_a_server_asks_and_is_answered(reached: tuple[RawServer, Gateway], era: Era) -> None:
    asked: list[Any] = []
    heard = []
    async with both(reached, era) as peers:
        for peer in peers:
            kept = keeping(peer)
            result = split(await peer.result("tools/call", {"name": "asks"}))
            heard.append([split(each.encode()) for each in json.loads(result["heard"])])
            asked.append([(each["method"], split(each["params"])) for each in kept if "id" in each])
            if era == "modern":
                asked.append([split((await message(peer, "tools/call", {"name": "asks"}))["result"])])
    assert asked[len(asked) // 2 :] == asked[: len(asked) // 2]
    if era == "legacy":
        assert [each["result"] for each in heard[1]] == [each["result"] for each in heard[0]]
        assert len(asked[0]) == len(heard[0]) == 3
    else:
        (direct,), (through,) = [[split(each["params"]) for each in part] for part in heard]
        assert HEARD in direct["inputResponses"]
        for member in ("inputResponses", "requestState"):
            assert through[member] == direct[member]


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_resources_that_change(reached: tuple[RawServer, Gateway], era: Era) -> None:
    updated = b'"notifications/resources/updated"'
    told = []
    async with both(reached, era) as peers:
        for peer in peers:
            kept = keeping(peer)
            listening = None
            if era == "legacy":
                if isinstance(peer, HttpPeer):
                    await peer.listen()
                await peer.value("resources/subscribe", {"uri": URI})
            else:
                wanted = {"notifications": {"resourceSubscriptions": [URI]}}
                listening = asyncio.create_task(peer.value("subscriptions/listen", wanted))
                await until(lambda kept=kept: kept)  # type: ignore[misc]
            await message(peer, "tools/call", {"name": "touch"})
            await until(lambda kept=kept: [each for each in kept if each["method"] == updated])  # type: ignore[misc]
            told += [split(each["params"]) for each in kept if each["method"] == updated][:1]
            if listening is not None:
                listening.cancel()
                await asyncio.wait([listening])
    metas = [split(each.pop("_meta")) for each in told]
    for meta in metas:
        assert (meta.pop("io.modelcontextprotocol/subscriptionId", None) is None) is (era == "legacy")
    assert metas[1] == metas[0]
    assert told[1] == told[0]


async def until(condition: Callable[[], object]) -> None:
    end = asyncio.get_running_loop().time() + 5
    while not condition():
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.02)


ODD_REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("prompts/get", {"name": "p"}),
    ("resources/read", {"uri": URI}),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "p", "title": "x"}}),
    ("vendor/do", {"k": None}),
]


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize(("method", "params"), ODD_REQUESTS, ids=lambda each: str(each)[:20])
async def test_requests_arrive_as_they_are(
    reached: tuple[RawServer, Gateway], era: Era, method: str, params: dict[str, Any]
) -> None:
    async with both(reached, era) as peers:
        seen = []
        for peer in peers:
            odd = {
                "x-mirror": Raw(HEARD),
                "arguments": Raw(HEARD),
                "argument": Raw(HEARD),
                "context": Raw(HEARD),
            }
            meta = {
                "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                "vendor/k": Raw(HEARD),
            }
            result = split(await peer.result(method, {**params, **odd, "_meta": meta}))
            seen.append(split(split(json.loads(result["mirror"]).encode())["params"]))
    metas = [split(each.pop("_meta")) for each in seen]
    assert seen[1] == seen[0]
    for name in meta:
        assert metas[1][name] == metas[0][name]
