"""A gateway and what surrounds it, for tests of the process alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from only1mcp_kernel.config.model import Config, Limits
from only1mcp_kernel.daemon.gateway import Assembly
from only1mcp_kernel.offers import Offers
from only1mcp_sdk import AccessDenied, Answer, Arrival, Channel, Conversation, Listener, Posting

LIMIT = 100_000


def config(path: Path, *listen: Any, level: Any = "info") -> Config:
    return Config(path, tuple(listen), (), {}, (), {}, (), (), Limits(LIMIT, LIMIT), 0, 0, level, {})


class Echo:
    """A conversation that sends back what it gets."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.over = False

    @property
    def busy(self) -> bool:
        return not self.over

    def admits(self, arrival: Arrival) -> bool:
        return True

    def received(self, message: bytes) -> None:
        self._channel.send(json.dumps({"got": message.decode()}, indent=1).encode())
        if message == b'"flood"':
            self._channel.send(b"x" * 70 * 1024 * 1024)

    def disconnected(self) -> None:
        self.over = True


class EchoGate:
    message_limit = LIMIT

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.conversations: list[Echo] = []

    def has_profile(self, name: str) -> bool:
        return name in {"default", "denied"}

    def connect(self, arrival: Arrival, channel: Channel) -> Conversation:
        if arrival.profile == "denied":
            raise AccessDenied("not you")
        self.arrivals.append(arrival)
        self.conversations.append(Echo(channel))
        return self.conversations[-1]

    def too_large(self) -> bytes:
        return b'{"too": "large"}'

    def post(self, arrival: Arrival, body: bytes, answer: Answer) -> Posting:
        raise AssertionError("nobody posts here")

    def stream(self, arrival: Arrival, answer: Answer) -> Posting:
        raise AssertionError("nobody streams here")

    def end(self, arrival: Arrival, answer: Answer) -> None:
        raise AssertionError("nobody ends anything here")


class FakeGateway:
    """Does what its attributes say: each is awaited, or raised, where its name says."""

    def __init__(self) -> None:
        self.gate = EchoGate()
        self.listeners: tuple[Listener, ...] = ()
        self.starting: asyncio.Event | Exception | None = None
        self.reloading: asyncio.Event | Exception | None = None
        self.draining: asyncio.Event | None = None
        self.log: list[str] = []

    async def start(self, config: Config, insecure: bool = False) -> None:
        await self._step("start", self.starting)

    async def reload(self, config: Config) -> None:
        await self._step("reload", self.reloading)

    async def stop(self) -> None:
        await self._step("stop", self.draining)

    async def settled(self, timeout: float) -> bool:
        await asyncio.sleep(0)
        return True

    async def compare(self) -> dict[str, Any]:
        return {"profiles": {}}

    def status(self) -> dict[str, Any]:
        return {"generation": self.log.count("reloaded") + 1, "addresses": [], "servers": {}}

    async def _step(self, name: str, gate: asyncio.Event | Exception | None) -> None:
        self.log.append(name)
        if isinstance(gate, Exception):
            raise gate
        try:
            if gate is not None:
                await gate.wait()
        except asyncio.CancelledError:
            self.log.append(f"{name} cancelled")
            raise
        self.log.append({"start": "started", "reload": "reloaded", "stop": "stopped"}[name])


class Noted:
    """A report that is kept."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def serving(self, status: Mapping[str, Any]) -> None:
        self.told.append("serving")

    def settled(self, status: Mapping[str, Any], complete: bool) -> None:
        self.told.append("settled")


def assembly(gateway: FakeGateway, path: Path) -> Assembly:
    async def load() -> Config:
        return config(path)

    return Assembly(gateway, load)


NO_OFFERS = Offers()
