"""How clients listen closely: nothing may reach them that is another principal's, or that nobody asked for."""

from __future__ import annotations

import asyncio
import itertools
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from only1mcp_sdk import Source
from tests.kernel.gateway.servers import Json
from tests.property.gossip import TAG


class Crowd(Protocol):
    """What windows belong to."""

    @property
    def gate(self) -> Any: ...

    wrong: list[str]
    heard: int
    tagged: int


class Ear:
    """The answer to one HTTP request."""

    def __init__(self, window: Window, on_end: Callable[[], None], *, again: bool = False) -> None:
        self.window = window
        self.again = again
        self.on_end = on_end
        self.deaf = False
        """Its connection is closed."""
        self.finished = False
        self.status = 0
        self.last_event = ""
        self.headers: Mapping[str, str] = {}

    def send(self, message: bytes, event: str = "") -> None:
        if self.deaf or self.finished:
            return
        self.last_event = event or self.last_event
        if message:
            self.window.hears(message, again=self.again)

    def pour(self, source: Source, headers: Mapping[str, str] = {}) -> None:
        """Everything whole, please."""

    def finish(self, message: bytes = b"", status: int = 200, headers: Mapping[str, str] = {}) -> None:
        if self.deaf or self.finished:
            return
        self.finished, self.status, self.headers = True, status, headers
        if message:
            self.window.hears(message, status, again=self.again)
        self.on_end()


class Window(ABC):
    """A client of one principal. Each answer must be to a request under way, and is given to whoever waits for it."""

    modern = False

    def __init__(self, crowd: Crowd, principal: str, name: str, capabilities: Json) -> None:
        self.crowd = crowd
        self.principal = principal
        self.name = name
        self.capabilities = capabilities
        self.headers = {"host": "127.0.0.1", "authorization": f"Bearer {principal}"}
        self.waiting: dict[Any, asyncio.Future[tuple[Json | None, int]]] = {}
        self.on_question: Callable[[Window, Json], None] = lambda window, question: None
        self._numbers = itertools.count(1)

    def __repr__(self) -> str:
        return f"{self.principal}'s {self.name}"

    def tag(self) -> str:
        return f"~{self.principal}.{self.name}.{next(self._numbers)}~"

    def hears(self, raw: bytes, status: int = 200, *, again: bool = False) -> None:
        """A message; `again` where the client asked to hear what it may have heard before."""
        text = raw.decode()
        self.crowd.heard += 1
        for principal, _, _ in TAG.findall(text):
            self.crowd.tagged += 1
            if principal != self.principal:
                self.crowd.wrong.append(f"{self} hears of {principal}: {text}")
        message = json.loads(text)
        if "method" not in message:
            waiting = self.waiting.pop(message["id"], None)
            if waiting is None and not again:
                self.crowd.wrong.append(f"{self} did not ask for {text}")
            elif waiting is not None and not waiting.done():
                waiting.set_result((message, status))
        elif "id" in message:
            self.on_question(self, message)
        elif message["method"] == "notifications/progress" and f".{self.name}." not in str(
            message["params"]["progressToken"]
        ):
            self.crowd.wrong.append(f"{self} hears of another's progress: {text}")

    def ask(self, method: str, params: Json) -> tuple[Any, asyncio.Future[tuple[Json | None, int]]]:
        """Send a request; the future is its answer and the HTTP status, None where it ended without one."""
        id = next(self._numbers) if len(self.waiting) % 2 else f"{self.name}-{next(self._numbers)}"
        future = self.waiting[id] = asyncio.get_running_loop().create_future()
        self.send({"id": id, "method": method, "params": params}, id)
        return id, future

    def gone(self, id: Any) -> None:
        """There will be no answer to this request; one that comes all the same is an error."""
        waiting = self.waiting.pop(id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result((None, 0))

    def answer(self, method: str) -> Json:
        """What this client answers a question with: something of its own."""
        tag = self.tag()
        if method == "roots/list":
            return {"roots": [{"uri": f"file:///{tag}"}]}
        if method == "elicitation/create":
            return {"action": "accept", "content": {"tag": tag}}
        return {"role": "assistant", "model": "m", "content": {"type": "text", "text": tag}}

    # -- of each kind

    @abstractmethod
    def send(self, message: Json, id: Any = None) -> None: ...

    @abstractmethod
    def cancel(self, id: Any) -> None:
        """The client gives up, in the way of its kind."""

    def stop(self, id: Any) -> None:
        """End a listen stream."""
        self.cancel(id)

    @abstractmethod
    async def start(self) -> None:
        """Be ready for requests."""

    async def leave(self) -> None:
        """Go away and come back as somebody new."""
        await self.start()
