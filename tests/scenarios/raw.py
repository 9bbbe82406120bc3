"""A client without an SDK: what it gets back are the bytes that were on the wire.

Both eras share one face, `Peer`. Typed SDK models drop members they do not know; this client drops nothing, so it is
what the byte-for-byte comparisons are made with. Transports are in `raw_http` and `raw_stdio`.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Raw

Era = Literal["legacy", "modern"]
Answer = Callable[[dict[str, Any]], dict[str, Any]]
"""Answers one of a server's questions: its params in, a result out."""

LEGACY = "2025-11-25"
MODERN = "2026-07-28"
META = "io.modelcontextprotocol/"
INFO = {"name": "only1mcp-scenarios", "version": "1"}
LISTS = {
    "tools": "tools/list",
    "prompts": "prompts/list",
    "resources": "resources/list",
    "resourceTemplates": "resources/templates/list",
}
NAMED_BY = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    **dict.fromkeys(("tasks/get", "tasks/update", "tasks/cancel"), "taskId"),
}


decode = msgspec.json.Decoder(float_hook=float).decode
"""Takes any number there is, however large."""


class Refused(Exception):
    """The peer answered with a JSON-RPC error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error))
        self.error = error


class Peer(ABC):
    """One client's conversation. Use `opened(peer)`; then any number of requests may be in flight.

    `answers` says which questions this client can answer, by method, and so which capabilities it declares.
    """

    def __init__(self, era: Era, answers: Mapping[str, Answer] | None = None) -> None:
        self.era: Era = era
        self.answers = dict(answers or {})
        self.details: dict[str, Any] = {}
        """What is declared of a capability beside its name."""
        self.notifications: list[dict[str, Any]] = []
        self.heard: Callable[[bytes], None] = lambda raw: None
        """Called with each notification and question, as it was written."""
        self.questions: list[dict[str, Any]] = []
        self.hello: dict[str, Any] = {}
        self._ids = 0

    # What a transport brings.

    @abstractmethod
    async def open(self) -> None: ...

    @abstractmethod
    async def close(self) -> None: ...

    @abstractmethod
    async def exchange_text(self, text: bytes, message: dict[str, Any]) -> bytes:
        """Send a request written like this, and return the message that answers it, as it came."""

    @abstractmethod
    async def send(self, message: dict[str, Any]) -> None:
        """Send what expects no answer."""

    # What it is used for.

    async def exchange(self, message: dict[str, Any]) -> bytes:
        """Send a request and return the message that answers it, as it came."""
        return await self.exchange_text(msgspec.json.encode(message), message)

    def noted(self, raw: bytes, message: dict[str, Any]) -> None:
        """A notification came."""
        self.notifications.append(message)
        self.heard(raw)

    @property
    def capabilities(self) -> dict[str, Any]:
        word = {
            "elicitation/create": "elicitation",
            "sampling/createMessage": "sampling",
            "roots/list": "roots",
        }
        return {word[method]: self.details.get(word[method], {}) for method in self.answers}

    async def greet(self) -> None:
        """The handshake of this era."""
        if self.era == "modern":
            self.hello = decode(await self.result("server/discover"))
            return
        params = {"protocolVersion": LEGACY, "capabilities": self.capabilities, "clientInfo": INFO}
        self.hello = decode(await self.result("initialize", params))
        await self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def result(self, method: str, params: Mapping[str, Any] | None = None) -> bytes:
        """The result of a request, questions of the server answered on the way. Raises `Refused`."""
        params = dict(params or {})
        for _ in range(10):
            answer = msgspec.json.decode(
                await self.exchange(self._request(method, params)), type=dict[str, Raw]
            )
            if "error" in answer:
                raise Refused(msgspec.json.decode(answer["error"]))
            asked = self._asked(answer["result"])
            if asked is None:
                return bytes(answer["result"])
            params = {**params, **asked}
        raise AssertionError(f"{method}: the server does not stop asking")

    async def value(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """The same, decoded."""
        return decode(await self.result(method, params))

    async def call(self, tool: str, arguments: Mapping[str, Any] | None = None, **meta: Any) -> Any:
        params: dict[str, Any] = {"name": tool, "arguments": dict(arguments or {})}
        return await self.value("tools/call", {**params, "_meta": meta} if meta else params)

    async def entries(self, what: str) -> list[bytes]:
        """All pages of a list, each entry as the bytes that were received."""
        found: list[bytes] = []
        params: dict[str, Any] = {}
        while True:
            page = msgspec.json.decode(await self.result(LISTS[what], params), type=dict[str, Raw])
            found += map(bytes, msgspec.json.decode(page[what], type=list[Raw]))
            if "nextCursor" not in page:
                return found
            params = {"cursor": msgspec.json.decode(page["nextCursor"])}

    async def settled(self, what: str, count: int, seconds: float = 30) -> list[bytes]:
        """The list, once it has `count` entries: servers come up one after the other."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            found = await self.entries(what)
            if len(found) >= count or asyncio.get_running_loop().time() > end:
                return found
            await asyncio.sleep(0.1)

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """The response to a request that the server sent."""
        self.questions.append(question)
        reply = {"jsonrpc": "2.0", "id": question["id"]}
        if question["method"] == "ping":
            return {**reply, "result": {}}
        if question["method"] not in self.answers:
            return {**reply, "error": {"code": -32601, "message": "this client was not asked to do that"}}
        try:
            return {**reply, "result": self.answers[question["method"]](question.get("params", {}))}
        except Refused as refused:
            return {**reply, "error": refused.error}

    def _request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._ids += 1
        if self.era == "modern":
            meta = {
                META + "protocolVersion": MODERN,
                META + "clientCapabilities": self.capabilities,
                META + "clientInfo": INFO,
                **params.get("_meta", {}),
            }
            params = {**params, "_meta": meta}
        return {"jsonrpc": "2.0", "id": self._ids, "method": method, "params": params}

    def _asked(self, result: Raw) -> dict[str, Any] | None:
        """The members to retry with, when the result is a question."""
        head = decode(result)
        if not isinstance(head, dict) or head.get("resultType") != "input_required":
            return None
        replies: dict[str, Any] = {}
        for key, question in head.get("inputRequests", {}).items():
            self.questions.append(question)
            replies[key] = self.answers[question["method"]](question.get("params", {}))
        again: dict[str, Any] = {"inputResponses": replies}
        if "requestState" in head:
            again["requestState"] = head["requestState"]
        return again


@contextlib.asynccontextmanager
async def opened(peer: Peer) -> AsyncIterator[Peer]:
    """The peer, greeted; closed at the end."""
    try:
        await peer.open()
        await peer.greet()
        yield peer
    finally:
        await peer.close()
