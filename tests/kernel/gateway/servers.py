"""Servers in memory: what they say is scripted, how they are reached is a connector like any other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from only1mcp_sdk import Connection, Inbox

META = "io.modelcontextprotocol/"
Json = dict[str, Any]


class RpcError(Exception):
    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message, **({} if data is None else {"data": data})}


class FakeServer:
    """A server of the given eras. Set `tools`, `resources`, ... and add to `methods` what else it answers."""

    def __init__(self, *eras: str, tools: list[Json] | None = None) -> None:
        self.eras = eras or ("legacy", "modern")
        self.lists: dict[str, list[Json]] = {
            "tools": tools or [],
            "prompts": [],
            "resources": [],
            "resourceTemplates": [],
        }
        self.methods: dict[str, Callable[[FakeConnection, Json], Any]] = {}
        self.instructions: str | None = None
        self.capabilities: Json = {
            "tools": {"listChanged": True},
            "prompts": {},
            "resources": {"subscribe": True},
        }
        self.connections: list[FakeConnection] = []
        self.received: list[Json] = []
        self.headers: list[Mapping[str, str]] = []
        """The header fields of every message that came."""
        self.duplex = True
        self.refused_uris: set[str] = set()
        """Resources that modern clients may not hear of."""
        self.refuse_connections = False
        self.silent = False
        self.connection_type: Callable[[FakeServer, Inbox], FakeConnection] = FakeConnection

    def calls(self, method: str) -> list[Json]:
        return [each for each in self.received if each.get("method") == method]

    def open_connections(self, era: str | None = None) -> list[FakeConnection]:
        return [each for each in self.connections if each.open and era in (None, each.era)]

    def tell_all(self, method: str, params: Json | None = None) -> None:
        for connection in self.open_connections():
            connection.tell(method, params)

    def answer(self, connection: FakeConnection, method: str, params: Json) -> Any:
        if method in self.methods:
            return self.methods[method](connection, params)
        if method == "server/discover":
            if "modern" not in self.eras:
                raise RpcError(-32601, "Method not found")
            connection.era = "modern"
            result = {"supportedVersions": ["2026-07-28"], "capabilities": self.capabilities, "ttlMs": 0}
            return {**result, **({"instructions": self.instructions} if self.instructions else {})}
        if method == "initialize":
            if "legacy" not in self.eras:
                raise RpcError(
                    -32022, "Unsupported protocol version", {"supported": ["2026-07-28"], "requested": "x"}
                )
            connection.era = "legacy"
            connection.declared = params["capabilities"]
            result = {
                "protocolVersion": "2025-11-25",
                "capabilities": self.capabilities,
                "serverInfo": {"name": "fake"},
            }
            return {**result, **({"instructions": self.instructions} if self.instructions else {})}
        if method == "tools/call":
            return {
                "content": [
                    {"type": "text", "text": f"{params['name']} {json.dumps(params.get('arguments'))}"}
                ]
            }
        for path, member in (
            ("tools/list", "tools"),
            ("prompts/list", "prompts"),
            ("resources/list", "resources"),
            ("resources/templates/list", "resourceTemplates"),
        ):
            if method == path:
                return {member: self.lists[member]}
        if method in ("ping", "resources/subscribe", "resources/unsubscribe", "logging/setLevel"):
            return {}
        raise RpcError(-32601, f"Method not found: {method}")


class FakeConnection:
    """One connection to a fake server; duplex."""

    def __init__(self, server: FakeServer, inbox: Inbox) -> None:
        self.server = server
        self.duplex = server.duplex
        self.inbox = inbox
        self.open = True
        self.era = ""
        self.declared: Json = {}
        self.asked: dict[str, asyncio.Future[Json]] = {}
        self.cancelled: list[Any] = []
        self.listening: dict[Any, Json] = {}
        """The listen streams of a modern client: id -> what it is told of."""
        self._questions = 0

    # -- only1mcp_sdk.Connection

    def send(self, message: bytes, headers: Mapping[str, str], stream: int) -> None:
        self.server.headers.append(headers)
        asyncio.get_running_loop().call_soon(self._take, json.loads(message))

    def abandon(self, stream: int) -> None: ...

    def listen(self, headers: Mapping[str, str]) -> None: ...

    async def close(self) -> None:
        self.open = False

    # -- the server's side

    def die(self, problem: str = "the process exited with status 1") -> None:
        self.open = False
        self.inbox.closed(problem)

    def deliver(self, message: Json) -> None:
        if self.open:
            self.inbox.received(json.dumps(message).encode(), None)

    def tell(self, method: str, params: Json | None = None) -> None:
        self.deliver({"jsonrpc": "2.0", "method": method, **({"params": params} if params else {})})

    def ask(self, method: str, params: Json | None = None) -> asyncio.Future[Json]:
        """Put a question to the client; the future is the whole answer message."""
        self._questions += 1
        id = f"q{self._questions}"
        self.asked[id] = asyncio.get_running_loop().create_future()
        self.deliver({"jsonrpc": "2.0", "id": id, "method": method, **({"params": params} if params else {})})
        return self.asked[id]

    def _take(self, message: Json) -> None:
        self.server.received.append(message)
        if "method" not in message:
            self.asked[message["id"]].set_result(message)
            return
        params = message.get("params", {})
        if message["method"] == "notifications/cancelled":
            self.cancelled.append(params["requestId"])
            self.listening.pop(params["requestId"], None)
        if "id" not in message or self.server.silent:
            return
        if message["method"] == "subscriptions/listen" and message["method"] not in self.server.methods:
            self._listen(message["id"], dict(params["notifications"]))
            return
        try:
            result = self.server.answer(self, message["method"], params)
        except RpcError as error:
            self.deliver({"jsonrpc": "2.0", "id": message["id"], "error": error.error})
            return
        if asyncio.iscoroutine(result):
            task = asyncio.ensure_future(self._answer_later(message["id"], result))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        else:
            self._reply(message["id"], result)

    def _listen(self, id: Any, wanted: Json) -> None:
        uris = [
            each for each in wanted.pop("resourceSubscriptions", []) if each not in self.server.refused_uris
        ]
        self.listening[id] = {**wanted, **({"resourceSubscriptions": uris} if uris else {})}
        self.publish_on(id, "notifications/subscriptions/acknowledged", {"notifications": self.listening[id]})

    def publish_on(self, id: Any, method: str, params: Json) -> None:
        """Tell something on one listen stream."""
        self.tell(method, {**params, "_meta": {META + "subscriptionId": id}})

    def updated(self, uri: str) -> None:
        """Tell every listen stream that wants to hear of a resource."""
        for id, wanted in list(self.listening.items()):
            if uri in wanted.get("resourceSubscriptions", []):
                self.publish_on(id, "notifications/resources/updated", {"uri": uri})

    async def _answer_later(self, id: Any, work: Any) -> None:
        try:
            self._reply(id, await work)
        except RpcError as error:
            self.deliver({"jsonrpc": "2.0", "id": id, "error": error.error})

    def _reply(self, id: Any, result: Json) -> None:
        if self.era == "modern":
            result = {"resultType": "complete", **result}
        self.deliver({"jsonrpc": "2.0", "id": id, "result": result})


class FakeConnector:
    """Reaches a fake server."""

    def __init__(self, server: FakeServer) -> None:
        self.server = server
        self.target = "memory"

    async def connect(self, inbox: Inbox) -> Connection:
        from only1mcp_sdk import ConnectFailed

        await asyncio.sleep(0)
        if self.server.refuse_connections:
            raise ConnectFailed("nobody is there")
        connection = self.server.connection_type(self.server, inbox)
        self.server.connections.append(connection)
        return connection
