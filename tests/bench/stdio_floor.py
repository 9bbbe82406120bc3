"""The floor before servers that are child processes: that of `floor`, with pipes in place of connections.

Run as `python -m tests.bench.stdio_floor PORT COUNT CPU`, where CPU is for the servers.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
from typing import Any

import msgspec
import uvloop

from tests.bench.floor import RESULT, Floor, Front, Response, read_response
from tests.bench.targets import STUB, TOOLS

Numbered = msgspec.json.Decoder(Response).decode


class Child:
    """One server, and who waits for its answers."""

    def __init__(self, name: str, cpu: str) -> None:
        self.name = name
        command = [str(STUB), "-", str(TOOLS), cpu]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.input, self.output = self.process.stdin.fileno(), self.process.stdout.fileno()
        self.hello = self.ask("initialize", LEGACY_HELLO)
        self.tools = self.ask("tools/list", {})["tools"]
        self.waiting: dict[int, tuple[Front, bytes]] = {}
        self.unwritten: list[bytes] = []
        self.rest = b""

    def ask(self, method: str, params: object) -> Any:
        message = {"jsonrpc": "2.0", "id": 0, "method": method, "params": params}
        os.write(self.input, msgspec.json.encode(message) + b"\n")
        line = b""
        while not line.endswith(b"\n"):
            line += os.read(self.output, 1 << 16)
        return msgspec.json.decode(line)["result"]

    def listen(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.loop.add_reader(self.output, self.read)

    def send(self, client: Front, number: int, id: bytes, message: bytes) -> None:
        self.waiting[number] = client, id
        if not self.unwritten:
            self.loop.call_soon(self.write)
        self.unwritten.append(message + b"\n")

    def write(self) -> None:
        os.write(self.input, b"".join(self.unwritten))
        self.unwritten.clear()

    def read(self) -> None:
        *lines, self.rest = (self.rest + os.read(self.output, 1 << 16)).split(b"\n")
        for line in lines:
            message = read_response(line)
            client, id = self.waiting.pop(message.id or 0)
            client.answer(200, RESULT % (id, message.result))


LEGACY_HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "floor", "version": "1"},
}


class StdioFloor(Floor):
    """What all clients share."""

    def __init__(self, count: int, cpu: str) -> None:
        self.children = {f"up{number}": Child(f"up{number}", cpu) for number in range(count)}
        self.ids = itertools.count(1)
        self.sessions: set[bytes] = set()
        tools = [
            {**tool, "name": f"{name}__{tool['name']}"}
            for name, child in self.children.items()
            for tool in child.tools
        ]
        self.list = msgspec.json.encode({"tools": tools})
        self.hello = msgspec.json.encode(next(iter(self.children.values())).hello)
        self.upstreams: Any = self.children


class StdioFront(Front):
    """A connection of a client."""

    def forward(self, upstream: Any, id: bytes, number: int, message: bytes) -> None:
        upstream.send(self, number, id, message)


async def main(port: int, count: int, cpu: str) -> None:
    floor = StdioFloor(count, cpu)
    for child in floor.children.values():
        child.listen()
    server = await asyncio.get_running_loop().create_server(
        lambda: StdioFront(floor), "127.0.0.1", port, backlog=1024
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
