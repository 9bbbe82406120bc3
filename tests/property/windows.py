"""Clients of every kind."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from only1mcp_sdk import Arrival, Conversation, Posting
from tests.kernel.gateway.servers import META, Json
from tests.property.ears import Crowd, Ear, Window

CAPABILITIES: Json = {"sampling": {}, "elicitation": {"form": {}}, "roots": {"listChanged": True}}


class LegacyHttp(Window):
    """A client with a session over Streamable HTTP."""

    def __init__(self, crowd: Crowd, principal: str, name: str, capabilities: Json) -> None:
        super().__init__(crowd, principal, name, capabilities)
        self.session = ""
        self.posted: dict[Any, tuple[Ear, Posting]] = {}
        self.listening: tuple[Ear, Posting] | None = None

    def arrival(self, **more: str) -> Arrival:
        headers = dict(self.headers)
        if self.session:
            headers |= {"mcp-session-id": self.session, "mcp-protocol-version": "2025-11-25"}
        return Arrival(
            "http", "default", headers | {name.replace("_", "-"): each for name, each in more.items()}
        )

    def send(self, message: Json, id: Any = None) -> None:
        ear = Ear(self, lambda: self._ended(id))
        posting = self.crowd.gate.post(
            self.arrival(), json.dumps({"jsonrpc": "2.0", **message}).encode(), ear
        )
        if id in self.waiting:
            self.posted[id] = ear, posting

    def _ended(self, id: Any) -> None:
        self.posted.pop(id, None)
        if id is not None:
            self.gone(id)

    def cancel(self, id: Any) -> None:
        self.gone(id)
        self.send({"method": "notifications/cancelled", "params": {"requestId": id}})

    def lose(self, id: Any) -> str:
        """The connection of a request breaks. Returns the last event id, to come back with."""
        ear, posting = self.posted.pop(id)
        ear.deaf = True
        posting.disconnected()
        if not ear.last_event:
            self.gone(id)
        return ear.last_event

    def resume(self, event: str, id: Any = None) -> Ear:
        ear = Ear(self, lambda: self._ended(id), again=id is None)
        posting = self.crowd.gate.stream(self.arrival(last_event_id=event), ear)
        if not ear.finished and id is not None:
            self.posted[id] = ear, posting
        elif not ear.finished:
            self.listening = ear, posting
        return ear

    def listen(self) -> None:
        ear = Ear(self, lambda: None)
        self.listening = ear, self.crowd.gate.stream(self.arrival(), ear)

    def stop_listening(self) -> str:
        if self.listening is None:
            return ""
        ear, posting = self.listening
        self.listening = None
        ear.deaf = True
        posting.disconnected()
        return ear.last_event

    async def start(self) -> None:
        self.session = ""
        hello = {
            "protocolVersion": "2025-11-25",
            "capabilities": self.capabilities,
            "clientInfo": {"name": "x"},
        }
        future = self.waiting["hello"] = asyncio.get_running_loop().create_future()
        ear = Ear(self, lambda: None)
        body = {"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": hello}
        self.crowd.gate.post(self.arrival(), json.dumps(body).encode(), ear)
        await future
        self.session = ear.headers["Mcp-Session-Id"]
        self.send({"method": "notifications/initialized"})

    async def leave(self) -> None:
        ear = Ear(self, lambda: None)
        self.crowd.gate.end(self.arrival(), ear)
        assert ear.status == 204
        self.listening = None
        for id in list(self.waiting):
            self.gone(id)
        self.posted.clear()
        await self.start()


class ModernHttp(Window):
    """A client without a session, over Streamable HTTP."""

    modern = True

    def __init__(self, crowd: Crowd, principal: str, name: str, capabilities: Json) -> None:
        super().__init__(crowd, principal, name, capabilities)
        self.posted: dict[Any, tuple[Ear, Posting]] = {}

    def send(self, message: Json, id: Any = None) -> None:
        message = with_meta(message, self.capabilities)
        headers = {**self.headers, "mcp-protocol-version": "2026-07-28", "mcp-method": message["method"]}
        name = message["params"].get("uri" if message["method"] == "resources/read" else "name")
        if name is not None:
            headers["mcp-name"] = name
        ear = Ear(self, lambda: self._ended(id))
        arrival = Arrival("http", "default", headers)
        posting = self.crowd.gate.post(arrival, json.dumps(message).encode(), ear)
        if id in self.waiting:
            self.posted[id] = ear, posting

    def _ended(self, id: Any) -> None:
        self.posted.pop(id, None)
        self.gone(id)

    async def start(self) -> None:
        """It needs no greeting."""

    def cancel(self, id: Any) -> None:
        ear, posting = self.posted.pop(id)
        ear.deaf = True
        self.gone(id)
        posting.disconnected()


class Duplex(Window):
    """A client on a channel of its own, of either era."""

    def __init__(self, crowd: Crowd, principal: str, name: str, capabilities: Json, *, modern: bool) -> None:
        super().__init__(crowd, principal, name, capabilities)
        self.modern = modern
        self.conversation: Conversation | None = None

    def send(self, message: Json, id: Any = None) -> None:
        if self.conversation is not None:
            if self.modern:
                message = with_meta(message, self.capabilities)
            self.conversation.received(json.dumps({"jsonrpc": "2.0", **message}).encode())

    def cancel(self, id: Any) -> None:
        self.gone(id)
        self.send({"method": "notifications/cancelled", "params": {"requestId": id}})

    async def start(self) -> None:
        arrival = Arrival("websocket", "default", {"authorization": f"Bearer {self.principal}"})
        channel = _Channel(self)
        self.conversation = self.crowd.gate.connect(Arrival("websocket", "default", arrival.headers), channel)
        if not self.modern:
            hello = {
                "protocolVersion": "2025-11-25",
                "capabilities": self.capabilities,
                "clientInfo": {"name": "x"},
            }
            await self.ask("initialize", hello)[1]
            self.send({"method": "notifications/initialized"})

    async def leave(self) -> None:
        conversation, self.conversation = self.conversation, None
        if conversation is not None:
            conversation.disconnected()
        for id in list(self.waiting):
            self.gone(id)
        await self.start()


class _Channel:
    def __init__(self, window: Duplex) -> None:
        self._window = window
        self._of: Conversation | None = None

    def send(self, message: bytes) -> None:
        current = self._window.conversation
        self._of = self._of or current
        if current is not None and self._of in (None, current):
            self._window.hears(message)


def with_meta(message: Json, capabilities: Json) -> Json:
    params = dict(message.get("params", {}))
    meta = {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": capabilities}
    params["_meta"] = {**meta, **params.get("_meta", {})}
    return {"jsonrpc": "2.0", **message, "params": params}
