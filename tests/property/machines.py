"""What state machines run on: a gateway in memory, on a loop whose time passes at once, and servers that do only what
the machine decides."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

from hypothesis.stateful import RuleBasedStateMachine

from only1mcp_sdk import Arrival, Inbox, Source
from tests.kernel.gateway.servers import FakeConnection, FakeServer, Json
from tests.kernel.gateway.world import World, started
from tests.property.clock import FastLoop

T = TypeVar("T")


class Held:
    """A request that waits for the machine to decide."""

    def __init__(self, connection: HoldingConnection, message: Json) -> None:
        self.connection = connection
        self.id = message["id"]
        self.method = message["method"]
        self.params: Json = message.get("params", {})
        self.answered = False
        self.cancelled = False

    @property
    def open(self) -> bool:
        return not (self.answered or self.cancelled) and self.connection.open

    def answer(self, result: Json) -> None:
        self.answered = True
        self.connection._reply(self.id, result)

    def fail(self, code: int = -1) -> None:
        self.answered = True
        error = {"code": code, "message": "no"}
        self.connection.deliver({"jsonrpc": "2.0", "id": self.id, "error": error})


class HoldingServer(FakeServer):
    """Answers at once, but for the requests of these methods."""

    def __init__(self, *eras: str, holds: tuple[str, ...] = ()) -> None:
        super().__init__(*eras, tools=[{"name": "tool"}])
        self.connection_type = HoldingConnection
        self.holds = holds
        self.held: list[Held] = []
        self.lists["resourceTemplates"] = [{"uriTemplate": "res://{x}", "name": "x"}]

    def find(self, condition: Callable[[Held], bool]) -> list[Held]:
        return [each for each in self.held if condition(each)]


class HoldingConnection(FakeConnection):
    """A connection to one."""

    server: HoldingServer

    def __init__(self, server: FakeServer, inbox: Inbox) -> None:
        super().__init__(server, inbox)
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1
        await super().close()

    def _take(self, message: Json) -> None:
        if not self.open:
            return
        if message.get("method") == "notifications/cancelled":
            for each in self.server.held:
                if each.connection is self and each.id == message["params"]["requestId"]:
                    each.cancelled = True
        if "method" not in message and message["id"] not in self.asked:
            raise AssertionError(f"nobody asked for {message}")
        if "id" in message and message.get("method") in self.server.holds:
            self.server.received.append(message)
            self.server.held.append(Held(self, message))
        else:
            super()._take(message)


class Ear:
    """An `Answer` that counts."""

    def __init__(self) -> None:
        self.messages: list[Json] = []
        self.last: Json | None = None
        self.finished = 0
        self.status = 0
        self.headers: Any = {}

    def send(self, message: bytes, event: str = "") -> None:
        assert not self.finished
        if message:
            self._hear(message)

    def pour(self, source: Source, headers: Any = None) -> None:
        """Everything whole, please."""

    def finish(self, message: bytes = b"", status: int = 200, headers: Any = None) -> None:
        self.finished += 1
        self.status, self.headers = status, headers
        if message:
            self._hear(message)

    def _hear(self, message: bytes) -> None:
        read = json.loads(message)
        self.messages.append(read)
        if "method" not in read:
            assert self.last is None
            self.last = read

    def told(self, method: str) -> list[Json]:
        return [each for each in self.messages if each.get("method") == method]


class LoopMachine(RuleBasedStateMachine):
    """A state machine with a loop of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = FastLoop()

    def act(self, work: Callable[[], T]) -> T:
        """Do something on the loop, and let everything happen that follows at once."""

        async def acting() -> T:
            return work()

        result = self.loop.run_until_complete(acting())
        self.loop.settle()
        return result

    def teardown(self) -> None:
        left = self.loop.tasks()
        self.loop.finish()
        assert not left
        assert not self.loop.unhandled, self.loop.unhandled


class GatewayMachine(LoopMachine):
    """A state machine around a whole gateway."""

    def begin(
        self, servers: dict[str, FakeServer], configure: Callable[[World], None] = lambda world: None
    ) -> None:
        self._stack = AsyncExitStack()
        directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self.world = World(directory, servers)
        self.world.authenticated = True
        configure(self.world)

        async def starting() -> None:
            await self._stack.enter_async_context(started(self.world))
            await self.world.gateway.settled(5)

        self.loop.run_until_complete(starting())
        self.loop.settle()

    def teardown(self) -> None:
        if hasattr(self, "_stack"):
            self.at_end()
            self.loop.run_until_complete(self._stack.aclose())
            self.loop.settle()
            self.after_end()
            for replicas in self.world.servers.values():
                for connection in replicas[0].connections:
                    assert not connection.open
        super().teardown()

    def at_end(self) -> None:
        """What must hold before the gateway stops."""

    def after_end(self) -> None:
        """What must hold when it has."""


def post(world: World, message: Json, token: str, headers: dict[str, str], ear: Any) -> Any:
    """POST a message as the principal of this token."""
    arrival = Arrival("http", "default", {"authorization": f"Bearer {token}", **headers})
    return world.gateway.gate.post(arrival, json.dumps({"jsonrpc": "2.0", **message}).encode(), ear)
