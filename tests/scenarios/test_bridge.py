"""Clients of both eras at servers of both eras: everything works in all four combinations, over HTTP and stdio.

The server is one of our own (`servers/bothways.py`): no published one asks in the way of whichever era it is spoken to.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.scenarios.gateway import Gateway
from tests.scenarios.raw import META, Answer, Era, Peer, Refused, opened
from tests.scenarios.raw_http import HttpPeer
from tests.scenarios.raw_stdio import StdioPeer
from tests.scenarios.rawservers import Transport, raw_server
from tests.scenarios.servers.bothways import FORM, SAMPLE, TOOLS, URL

ACCEPTED = {"action": "accept", "content": {"name": "Ada"}}
VISITED = {"action": "accept"}
SAMPLED = {
    "role": "assistant",
    "content": {"type": "text", "text": "!"},
    "model": "m",
    "stopReason": "endTurn",
}
ROOTS = {"roots": [{"uri": "file:///home", "name": "home"}]}
ANSWERS: dict[str, Answer] = {
    "elicitation/create": lambda params: VISITED if params.get("mode") == "url" else ACCEPTED,
    "sampling/createMessage": lambda params: SAMPLED,
    "roots/list": lambda params: ROOTS,
}
CAPABLE: dict[str, Any] = {"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}}
PROFILES = {"profiles": {"default": {}, "searched": {"context": {"use": "search"}}}}
COMBINATIONS = [(server, transport) for server in ("legacy", "modern") for transport in ("http", "stdio")]


@pytest.fixture(params=COMBINATIONS, ids=lambda each: "-".join(each), scope="module")
def front(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway in front of the server, which speaks one era."""
    eras: Era
    transport: Transport
    eras, transport = request.param
    folder = tmp_path_factory.mktemp("bridge")
    with (
        raw_server("bothways", transport, eras, folder) as server,
        Gateway(folder / "gateway", {"servers": {"bothways": server.entry()}, **PROFILES}) as gateway,
    ):
        gateway.era = eras
        yield gateway.start()


@asynccontextmanager
async def client(front: Gateway, era: Era, **answers: Answer) -> AsyncIterator[HttpPeer]:
    """A client that can do everything, and does it its own way where `answers` says so."""
    peer = HttpPeer(
        front.url, era, {**ANSWERS, **{name.replace("_", "/"): each for name, each in answers.items()}}
    )
    peer.details = CAPABLE
    async with opened(peer):
        await peer.settled("tools", len(TOOLS))
        yield peer


def said(result: Any) -> Any:
    return json.loads(result["content"][0]["text"])


both = pytest.mark.parametrize("era", ["legacy", "modern"])


@both
@pytest.mark.parametrize(
    ("tool", "method", "params", "answer"),
    [
        ("ask_form", "elicitation/create", FORM, ACCEPTED),
        ("ask_url", "elicitation/create", URL, VISITED),
        ("ask_sampling", "sampling/createMessage", SAMPLE, SAMPLED),
        ("ask_roots", "roots/list", {}, ROOTS),
    ],
)
async def test_questions(front: Gateway, era: Era, tool: str, method: str, params: Any, answer: Any) -> None:
    async with client(front, era) as peer:
        assert said(await peer.call(tool)) == answer
        (question,) = peer.questions
        asked = dict(question.get("params", {}))
        has_id = asked.pop("elicitationId", None) is not None
        assert has_id is (tool == "ask_url" and era == "legacy")
        assert (question["method"], asked) == (method, params)


@both
async def test_several_questions_at_once(front: Gateway, era: Era) -> None:
    async with client(front, era) as peer:
        heard = said(await peer.call("ask_several"))
        assert heard == {"form": ACCEPTED, "url": VISITED, "sampling": SAMPLED, "roots": ROOTS}
        assert len(peer.questions) == 4


@both
async def test_a_client_over_stdio(front: Gateway, era: Era) -> None:
    peer = StdioPeer(front.stdio_command(), front.environment, era, ANSWERS)
    peer.details = CAPABLE
    async with opened(peer):
        await peer.settled("tools", len(TOOLS))
        heard = said(await peer.call("ask_several", progressToken="p"))
        assert heard == {"form": ACCEPTED, "url": VISITED, "sampling": SAMPLED, "roots": ROOTS}
        await peer.call("progress", {"steps": 3}, progressToken="p")
        told = [each["params"]["progress"] for each in peer.notifications if "progress" in each["method"]]
        assert told == [1, 2, 3]


@both
async def test_several_rounds(front: Gateway, era: Era) -> None:
    async with client(front, era) as peer:
        assert said(await peer.call("ask_rounds", {"rounds": 3})) == [ACCEPTED] * 3
        assert [each["params"]["message"] for each in peer.questions] == ["0?", "1?", "2?"]


@both
async def test_progress(front: Gateway, era: Era) -> None:
    async with client(front, era) as one, client(front, era) as other:
        calls = (
            peer.call("progress", {"steps": 5}, progressToken=name) for peer, name in ((one, "x"), (other, 7))
        )
        await asyncio.gather(*calls)
        for peer, name in ((one, "x"), (other, 7)):
            told = [
                each["params"] for each in peer.notifications if each["method"] == "notifications/progress"
            ]
            assert told == [{"progressToken": name, "progress": step} for step in range(1, 6)]


@both
async def test_logging(front: Gateway, era: Era) -> None:
    async with client(front, era) as peer, client(front, era) as silent:
        meta = {}
        if era == "legacy":
            await silent.value("logging/setLevel", {"level": "emergency"})
        else:
            meta = {META + "logLevel": "warning"}
        await silent.call("log")
        if era == "legacy":
            await peer.value("logging/setLevel", {"level": "warning"})
        await peer.call("log", {}, **meta)
        await asyncio.sleep(0.2)
        assert levels(peer) == ["warning", "error"]
        assert levels(silent) == []


def levels(peer: Peer) -> list[str]:
    return [
        each["params"]["level"] for each in peer.notifications if each["method"] == "notifications/message"
    ]


@both
async def test_cancelling(front: Gateway, era: Era) -> None:
    name = f"cancelled-{era}"
    async with client(front, era) as peer:
        await peer.call("ended")
        calling = asyncio.create_task(peer.call("slow", {"name": name}))
        await asyncio.sleep(0.3)
        if era == "legacy":
            params = {"requestId": peer._ids, "reason": "enough"}
            await peer.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
        calling.cancel()
        await asyncio.wait([calling])
        await eventually(lambda: peer.call("ended"), lambda ended: name in said(ended))


@both
async def test_cancelling_a_wrapped_call(front: Gateway, era: Era) -> None:
    name = f"wrapped-{era}"
    async with opened(HttpPeer(f"{front.url}/searched", era)) as peer:
        slow = {"name": "slow", "arguments": {"name": name}}
        calling = asyncio.create_task(peer.call("tool_call", slow))
        await asyncio.sleep(0.5)
        assert not calling.done()
        if era == "legacy":
            params = {"requestId": peer._ids, "reason": "enough"}
            await peer.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
        calling.cancel()
        await asyncio.wait([calling])
        ended = {"name": "ended", "arguments": {}}
        await eventually(lambda: peer.call("tool_call", ended), lambda ended: name in said(ended))


async def test_losing_the_connection_is_no_cancellation_for_a_session(front: Gateway) -> None:
    async with client(front, "legacy") as peer:
        await peer.call("ended")
        calling = asyncio.create_task(peer.call("slow", {"name": "lost"}))
        await asyncio.sleep(0.3)
        calling.cancel()
        await asyncio.wait([calling])
        await asyncio.sleep(0.5)
        assert "lost" not in said(await peer.call("ended"))


async def eventually(get: Callable[[], Any], holds: Callable[[Any], bool]) -> None:
    end = asyncio.get_running_loop().time() + 5
    while not holds(last := await get()):
        assert asyncio.get_running_loop().time() < end, last
        await asyncio.sleep(0.05)


@both
async def test_urls_to_visit_first(front: Gateway, era: Era) -> None:
    async with client(front, era) as peer:
        key = f"visit-{era}"
        if (era, front.era) == ("legacy", "legacy"):
            with pytest.raises(Refused) as refused:
                await peer.call("visit", {"key": key})
            assert refused.value.error["code"] == -32042
        assert said(await peer.call("visit", {"key": key})) == "welcome"
        assert len(peer.questions) == (0 if (era, front.era) == ("legacy", "legacy") else 1)


@both
async def test_urls_nobody_visits(front: Gateway, era: Era) -> None:
    if (era, front.era) == ("legacy", "legacy"):
        pytest.skip("a client of that era visits, or does not, by itself")
    async with client(front, era, elicitation_create=lambda params: {"action": "decline"}) as peer:
        assert (await peer.call("visit", {"key": f"declined-{era}"}))["isError"] is True


async def test_a_client_that_cannot_visit(front: Gateway) -> None:
    async with client(front, "modern") as peer:
        peer.details = {"elicitation": {"form": {}}}
        with pytest.raises(Refused) as refused:
            await peer.call("visit", {"key": "cannot"})
        assert refused.value.error["code"] == -32021
        assert refused.value.error["data"] == {"requiredCapabilities": {"elicitation": {"url": {}}}}


@both
async def test_changed_lists_and_resources(front: Gateway, era: Era) -> None:
    async with client(front, era) as peer:
        if era == "legacy":
            await peer.listen()
            await peer.value("resources/subscribe", {"uri": "mem://a"})
            listening = None
        else:
            wanted = {"toolsListChanged": True, "resourceSubscriptions": ["mem://a"]}
            listening = asyncio.create_task(peer.value("subscriptions/listen", {"notifications": wanted}))
            await until_told(peer, "notifications/subscriptions/acknowledged")
        name = f"grown-{era}"
        await peer.call("grow", {"name": name})
        await peer.call("touch", {"uri": "mem://b"})
        await peer.call("touch", {"uri": "mem://a"})
        await until_told(peer, "notifications/tools/list_changed")
        updated = await until_told(peer, "notifications/resources/updated")
        assert updated["params"]["uri"] == "mem://a"
        assert [each["method"] for each in peer.notifications].count("notifications/resources/updated") == 1
        await eventually(
            lambda: peer.value("tools/list"),
            lambda listed: name in [tool["name"] for tool in listed["tools"]],
        )
        if listening is not None:
            assert updated["params"]["_meta"][META + "subscriptionId"] is not None
            listening.cancel()
            await asyncio.wait([listening])


async def until_told(peer: Peer, method: str) -> dict[str, Any]:
    end = asyncio.get_running_loop().time() + 5
    while not (found := [each for each in peer.notifications if each["method"] == method]):
        assert asyncio.get_running_loop().time() < end, peer.notifications
        await asyncio.sleep(0.02)
    return found[-1]


@both
async def test_completion_with_context(front: Gateway, era: Era) -> None:
    async with client(front, era) as peer:
        context = {"arguments": {"city": "Paris"}}
        params = {
            "ref": {"type": "ref/prompt", "name": "p"},
            "argument": {"name": "street", "value": "Ru"},
            "context": context,
        }
        completed = await peer.value("completion/complete", params)
        assert json.loads(completed["completion"]["values"][0]) == context


@both
async def test_structured_content(front: Gateway, era: Era) -> None:
    async with client(front, era) as peer:
        structured = (await peer.call("structured"))["structuredContent"]
    if front.era == "legacy":
        assert structured == {"value": [1, 2]}
    else:
        assert structured == ({"result": [1, 2]} if era == "legacy" else [1, 2])


def refuse(params: dict[str, Any]) -> dict[str, Any]:
    raise Refused({"code": -1, "message": "the user said no", "data": [1]})


async def test_an_error_to_an_elicitation(front: Gateway) -> None:
    async with client(front, "legacy", elicitation_create=refuse) as peer:
        heard = said(await peer.call("ask_form"))
    error = {"code": -1, "message": "the user said no", "data": [1]}
    assert heard == (error if front.era == "legacy" else {"action": "cancel"})


async def test_an_error_to_anything_else(front: Gateway) -> None:
    error = {"code": -1, "message": "the user said no", "data": [1]}
    async with client(front, "legacy", sampling_createMessage=refuse) as peer:
        if front.era == "legacy":
            assert said(await peer.call("ask_sampling")) == error
            return
        with pytest.raises(Refused) as refused:
            await peer.call("ask_sampling")
        assert refused.value.error == error


async def test_a_retry_that_leaves_something_out(front: Gateway) -> None:
    async with client(front, "modern") as peer:
        params: dict[str, Any] = {"name": "ask_several", "arguments": {}}

        async def asked(answers: dict[str, Any], state: dict[str, Any]) -> Any:
            retry = {**params, "inputResponses": answers, **state} if state else params
            return json.loads(await peer.exchange(peer._request("tools/call", retry)))["result"]

        first = await asked({}, {})
        while len(first["inputRequests"]) < 4:  # a server can be slow to ask all of it
            first = await asked({"nobody-asked": {}}, {"requestState": first["requestState"]})
        (roots,) = [key for key, each in first["inputRequests"].items() if each["method"] == "roots/list"]
        second = await asked({roots: ROOTS, "nobody-asked": {}}, {"requestState": first["requestState"]})
        assert second["resultType"] == "input_required"
        assert second["inputRequests"].keys() == first["inputRequests"].keys() - {roots}
