"""A minimal MCP client (revision 2026-07-28) for the commands that ask the gateway what a client would ask.

It declares no capabilities, so servers have no questions to put to it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, Protocol

from only1mcp_kernel.daemon.client import NotRunning, control
from only1mcp_kernel.daemon.home import Home
from only1mcp_kernel.protocol.meta import CAPABILITIES, CLIENT_INFO, VERSION
from only1mcp_kernel.protocol.revisions import LATEST_MODERN
from only1mcp_sdk import Arrival, Gate, Only1McpError

SETTLE_SECONDS = 30.0
"""How long a gateway opened for one question waits for its servers."""
_MAX_PAGES = 1000


class ErrorAnswer(Only1McpError):
    """The gateway answered with a JSON-RPC error."""

    def __init__(self, error: dict[str, Any]) -> None:
        self.error = error
        super().__init__(f"{error.get('message', 'unknown error')} (code {error.get('code')})")


class Duplex(Protocol):
    """A channel for JSON-RPC messages."""

    async def send(self, message: bytes) -> None: ...

    async def receive(self) -> bytes: ...


class McpClient:
    """One request after another on one channel."""

    def __init__(self, channel: Duplex) -> None:
        self._channel = channel
        self._id = 0
        self._meta = {
            VERSION: LATEST_MODERN,
            CAPABILITIES: {},
            CLIENT_INFO: {"name": "only1mcp-cli", "version": version("only1mcp-kernel")},
        }

    async def list_tools(self) -> list[dict[str, Any]]:
        """Every tool, from all pages. Raises `ErrorAnswer`."""
        tools: list[dict[str, Any]] = []
        cursor: dict[str, Any] = {}
        for _ in range(_MAX_PAGES):
            page = await self.request("tools/list", cursor)
            tools += page["tools"]
            if page.get("nextCursor") is None:
                return tools
            cursor = {"cursor": page["nextCursor"]}
        raise Only1McpError(f"the list of tools has more than {_MAX_PAGES} pages")

    async def call_tool(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The whole result. Raises `ErrorAnswer`."""
        return await self.request("tools/call", {"name": name, "arguments": arguments})

    async def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Ask and wait for the answer; what arrives before it is for other kinds of clients."""
        self._id += 1
        message = {
            "jsonrpc": "2.0",
            "id": self._id,
            "method": method,
            "params": {**params, "_meta": self._meta},
        }
        await self._channel.send(json.dumps(message).encode())
        while True:
            answer = json.loads(await self._channel.receive())
            if answer.get("id") != self._id or "method" in answer:
                continue
            if "error" in answer:
                raise ErrorAnswer(answer["error"])
            result: dict[str, Any] = answer["result"]
            if result.get("resultType") == "input_required":
                raise Only1McpError(
                    "the server asks something first, and nobody here can answer: use an MCP client"
                )
            return result


@asynccontextmanager
async def client_of(home: Home, profile: str) -> AsyncIterator[McpClient]:
    """A client of the gateway that runs with this configuration; where none does, of one opened for the occasion.

    Raises `Only1McpError`.
    """
    try:
        async with control(home) as connection:
            await connection.connect(profile)
            yield McpClient(connection)
            return
    except NotRunning:
        pass
    from only1mcp_kernel.daemon.serve import private_gateway

    async with private_gateway(home) as gateway:
        if not gateway.gate.has_profile(profile):
            raise Only1McpError(f"there is no profile {profile!r}")
        await gateway.settled(SETTLE_SECONDS)
        with _Inside(gateway.gate, profile) as channel:
            yield McpClient(channel)


class _Inside:
    """A channel to a gate in this process."""

    def __init__(self, gate: Gate, profile: str) -> None:
        self._messages: asyncio.Queue[bytes] = asyncio.Queue()
        arrival = Arrival(transport="control", profile=profile, local=True)
        self._conversation = gate.connect(arrival, _Delivery(self._messages))

    async def send(self, message: bytes) -> None:
        self._conversation.received(message)

    async def receive(self) -> bytes:
        return await self._messages.get()

    def __enter__(self) -> _Inside:
        return self

    def __exit__(self, *_: object) -> None:
        self._conversation.disconnected()


class _Delivery:
    """What the gate sends through; the queue is read as fast as a person waits for it."""

    def __init__(self, messages: asyncio.Queue[bytes]) -> None:
        self._messages = messages

    def send(self, message: bytes) -> None:
        self._messages.put_nowait(message)
