"""Watching a server: hearing that its lists or resources changed.

A legacy server says it unasked once a resource is subscribed to; a modern one only on a `subscriptions/listen` stream,
whose filter can't be changed: a wider one is opened before the narrower is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from only1mcp_kernel.gateway.catalogue import declared
from only1mcp_kernel.gateway.link import Link
from only1mcp_kernel.gateway.request import ServerError, ask
from only1mcp_kernel.wire.envelope import Envelope
from only1mcp_sdk import ConnectionLost, Members
from only1mcp_sdk.members import encode, quoted

Heard = Callable[[Link, Envelope, Members], None]
ACKNOWLEDGE_SECONDS = 5.0
FIRST_PAUSE = 1.0
MAX_PAUSE = 30.0


class _Stream:
    """One listen request; a `Waiting`."""

    def __init__(self, heard: Callable[[Envelope, Members], None]) -> None:
        self.id = 0
        self.acknowledged = asyncio.Event()
        self.ended = asyncio.Event()
        self._heard = heard

    def answered(self, message: Envelope) -> None:
        self.ended.set()
        self.acknowledged.set()

    def lost(self, problem: str) -> None:
        self.ended.set()
        self.acknowledged.set()

    def notified(self, message: Envelope, params: Members) -> None:
        if message.method == "notifications/subscriptions/acknowledged":
            self.acknowledged.set()
        else:
            self._heard(message, params)


class Watch:
    """The listen stream of one modern link."""

    def __init__(self, link: Link, heard: Heard) -> None:
        self._link = link
        self._heard = heard
        self._changed = asyncio.Event()
        self._current: _Stream | None = None

    def widen(self) -> None:
        """The link's subscriptions changed."""
        self._changed.set()

    async def run(self) -> None:
        """Keep the stream open while the link is, until cancelled."""
        pause = FIRST_PAUSE
        while self._link.alive:
            self._changed.clear()
            filter = self._filter()
            if not filter:
                await _first(self._changed, self._link.gone)
                continue
            stream = self._open(filter)
            old, self._current = self._current, stream
            if await _within(ACKNOWLEDGE_SECONDS, stream.acknowledged) and not stream.ended.is_set():
                pause = FIRST_PAUSE
            if old is not None:
                self._link.cancel(old.id, "replaced")
            await _first(self._changed, stream.ended)
            if stream.ended.is_set():
                self._current = None
                await asyncio.sleep(pause)
                pause = min(pause * 2, MAX_PAUSE)

    def _filter(self) -> dict[str, object]:
        has = declared(self._link.greeting)
        filter: dict[str, object] = {}
        for capability, name in (("tools", "tools"), ("prompts", "prompts"), ("resources", "resources")):
            about = has.get(capability)
            if isinstance(about, dict) and about.get("listChanged"):
                filter[f"{name}ListChanged"] = True
        if self._link.subscriptions:
            filter["resourceSubscriptions"] = sorted(self._link.subscriptions)
        return filter

    def _open(self, filter: dict[str, object]) -> _Stream:
        stream = _Stream(lambda message, params: self._deliver(stream, message, params))
        stream.id = self._link.next_id()
        params: Members = {"notifications": encode(filter)}
        message, headers = self._link.dialect.request(stream.id, "subscriptions/listen", params, {})
        self._link.send(stream.id, message, headers, stream)
        return stream

    def _deliver(self, stream: _Stream, message: Envelope, params: Members) -> None:
        # While two streams overlap, only the newer one counts: nothing is heard twice.
        if stream is self._current:
            self._heard(self._link, message, params)


async def subscribe(link: Link, uri: str, name: str, timeout: float) -> None:
    """Tell `name` when a resource changes. Raises `ServerError`, `ConnectionLost` or `TimeoutError`."""
    subscribers = link.subscriptions.get(uri)
    if subscribers is not None:
        subscribers.add(name)
        return
    if link.era == "legacy":
        await ask(link, "resources/subscribe", {"uri": quoted(uri)}, timeout)
    link.subscriptions.setdefault(uri, set()).add(name)
    if link.watch is not None:
        link.watch.widen()


async def unsubscribe(link: Link, uri: str, name: str, timeout: float) -> None:
    """Tell `name` no more. The server hears of it when nobody else wants to know."""
    subscribers = link.subscriptions.get(uri)
    if subscribers is None or name not in subscribers:
        return
    subscribers.discard(name)
    if subscribers:
        return
    del link.subscriptions[uri]
    if link.watch is not None:
        link.watch.widen()
    elif link.alive and link.era == "legacy":
        try:
            await ask(link, "resources/unsubscribe", {"uri": quoted(uri)}, timeout)
        except (ServerError, ConnectionLost, TimeoutError):
            return  # what it still sends is delivered to nobody


async def _within(seconds: float, event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def _first(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(event.wait()) for event in events]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
