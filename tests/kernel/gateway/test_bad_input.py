"""Clients that come with what is not theirs, or do not do what they promised: it costs themselves at most."""

from __future__ import annotations

import json
from pathlib import Path

from only1mcp_sdk import Arrival
from tests.kernel.gateway.servers import META, FakeServer, Json
from tests.kernel.gateway.world import World, started, until

ECHO: Json = {"name": "echo"}


class Channel:
    """A duplex client's way to hear."""

    def __init__(self) -> None:
        self.sent: list[Json] = []

    def send(self, message: bytes) -> None:
        self.sent.append(json.loads(message))


async def test_headers_of_a_connection_are_not_those_of_its_messages(tmp_path: Path) -> None:
    it = World(tmp_path, {"one": FakeServer(tools=[ECHO])})
    it.authenticated = True
    async with started(it):
        channel = Channel()
        arrival = Arrival("websocket", "default", {"authorization": "Bearer alice", "upgrade": "websocket"})
        client = it.gateway.gate.connect(arrival, channel)
        meta = {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": {}}
        request = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}
        client.received(json.dumps(request).encode())
        await until(lambda: channel.sent)
        assert channel.sent[0]["result"]["tools"] == [ECHO]
