"""A plugin for whole processes under test: listeners that open nothing, servers that are a few lines of Python, and a
command. `installation.py` installs it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import Field

from only1mcp_sdk import (
    ConnectFailed,
    Connection,
    Context,
    Gate,
    Inbox,
    OpenFailed,
    PluginConfig,
    hookimpl,
    offer,
)


class Still(PluginConfig):
    host: str = Field("127.0.0.1", pattern="^[0-9a-z.]+$")
    port: int = 8080
    slow_to_drain: float = 0


class StillListener:
    """Nobody comes in here."""

    def __init__(self, config: Still) -> None:
        self._config = config
        self.address = f"http://{config.host}:{config.port}/mcp"
        self.exposed = config.host != "127.0.0.1"

    def attach(self, gate: Gate) -> None:
        """Nothing to begin."""

    async def drain(self, seconds: float) -> None:
        await asyncio.sleep(min(self._config.slow_to_drain, seconds))


@asynccontextmanager
async def open_still(config: Still, context: Context) -> AsyncIterator[StillListener]:
    if config.port == 1:
        raise OpenFailed("port 1 is in use")
    yield StillListener(config)
    if config.slow_to_drain:
        (context.base_dir / "closed").touch()


class Single(PluginConfig):
    """One client on stdin and stdout, who is sent nothing back but a farewell."""


class SingleListener:
    address = "stdio"
    exposed = False

    def attach(self, gate: Gate) -> None:
        """Nothing to begin."""

    async def drain(self, seconds: float) -> None:
        """Nothing under way."""

    async def finished(self) -> None:
        await asyncio.to_thread(sys.stdin.buffer.read)
        sys.stdout.write("farewell\n")


@asynccontextmanager
async def open_single(config: Single, context: Context) -> AsyncIterator[SingleListener]:
    yield SingleListener()


class Canned(PluginConfig):
    tools: tuple[str, ...] = ("echo",)
    missing: bool = False


SCHEMA = {"type": "object", "properties": {"count": {"type": "integer"}, "text": {"type": "string"}}}


class CannedConnection:
    duplex = True

    def __init__(self, config: Canned, inbox: Inbox) -> None:
        self._config = config
        self._inbox = inbox

    def send(self, message: bytes, headers: Mapping[str, str], stream: int) -> None:
        request = json.loads(message)
        if "id" in request:
            answer = {"jsonrpc": "2.0", "id": request["id"], **self._answer(request)}
            asyncio.get_running_loop().call_soon(self._inbox.received, json.dumps(answer).encode(), None)

    def _answer(self, request: Any) -> dict[str, Any]:
        params = request.get("params", {})
        match request["method"]:
            case "initialize":
                version = params["protocolVersion"]
                server = {"name": "canned", "version": "1"}
                return {
                    "result": {
                        "protocolVersion": version,
                        "capabilities": {"tools": {}},
                        "serverInfo": server,
                    }
                }
            case "tools/list":
                tools = [
                    {"name": name, "description": f"Says {name}.\nTwice.", "inputSchema": SCHEMA}
                    for name in self._config.tools
                ]
                return {"result": {"tools": tools}}
            case "tools/call" if params["name"] in self._config.tools:
                text = f"{params['name']} {json.dumps(params.get('arguments'))}"
                content = [
                    {"type": "text", "text": text},
                    {"type": "image", "mimeType": "image/png", "data": ""},
                ]
                return {"result": {"content": content, "isError": params["name"] == "fail"}}
        return {"error": {"code": -32601, "message": f"no {params.get('name')} here"}}

    def abandon(self, stream: int) -> None:
        """Nothing to close."""

    def listen(self, headers: Mapping[str, str]) -> None:
        """Nothing to hear."""

    async def close(self) -> None:
        """Nothing to end."""


class CannedConnector:
    target = "canned"

    def __init__(self, config: Canned) -> None:
        self._config = config

    async def connect(self, inbox: Inbox) -> Connection:
        if self._config.missing:
            raise ConnectFailed("it is not in the box")
        return CannedConnection(self._config, inbox)


@asynccontextmanager
async def open_canned(config: Canned, context: Context) -> AsyncIterator[CannedConnector]:
    yield CannedConnector(config)


@hookimpl
def only1mcp_register_listener() -> list[Any]:
    return [offer("still", Still, open_still), offer("stdio", Single, open_single)]


@hookimpl
def only1mcp_register_connector() -> list[Any]:
    return [offer("canned", Canned, open_canned)]


def command(arguments: list[str]) -> int:
    """The command `greet`."""
    Path("greeted").write_text(" ".join(arguments))
    return 7
