"""Watching a server: hearing that its lists, resources or tasks changed.

A legacy server says it unasked once a resource is subscribed to; a modern one only on a `subscriptions/listen` stream,
whose filter can't be changed: a wider one is opened before the narrower is closed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import msgspec
from msgspec import Struct

from only1mcp_kernel.gateway.servers.catalogue import declared
from only1mcp_kernel.gateway.servers.link import Link
from only1mcp_kernel.gateway.servers.request import ServerError, ask
from only1mcp_kernel.protocol.tasks import TAKING_TASKS
from only1mcp_kernel.protocol.upstream import NO_CAPABILITIES
from only1mcp_kernel.wire.envelope import Envelope
from only1mcp_sdk import ConnectionLost, Failure, Json, Members, Pipe, Source
from only1mcp_sdk.members import encode, quoted

Heard = Callable[[Link, Envelope, Members], None]
Topic = tuple[str, str]
"""A member of the filter, and one of the values in it: a resource's URI, a task's id."""
RESOURCE, TASK = "resourceSubscriptions", "taskIds"
ACKNOWLEDGE_SECONDS = 5.0
OVERLAP_SECONDS = 0.25
"""How long the narrower stream stays open once the wider one is acknowledged, for what is still on its way."""
NOT_HONOURED = Failure.of(-32602, "The server does not tell of changes of this resource")
STEADY = 10.0
"""A stream that lived this many seconds was a success: the next one is opened after the first pause again."""
FIRST_PAUSE = 1.0
MAX_PAUSE = 30.0


class _Stream:
    """One listen request; a `Waiting`."""

    def __init__(self, heard: Callable[[_Stream, Envelope, Members], None], topics: frozenset[Topic]) -> None:
        self.id = 0
        self.topics = topics
        """The resources and tasks it was asked to tell of."""
        self.honoured: frozenset[Topic] = frozenset()
        self.acknowledged = asyncio.Event()
        """Set also when the stream ends without."""
        self.ended = asyncio.Event()
        self.heard: Counter[tuple[str, Json]] = Counter()
        """What it told since it was one of two."""
        self._hear = heard

    def answered(self, result: Json) -> None:
        self.lost("it ended")

    def refused(self, error: Json) -> None:
        self.lost("it was refused")

    def arriving(self, start: bytes, source: Source) -> Pipe | None:
        return None

    def paused(self) -> None:
        """It is awaited all the same."""

    def lost(self, problem: str) -> None:
        self.ended.set()
        self.honoured = frozenset()
        self.acknowledged.set()

    def notified(self, message: Envelope, params: Members) -> None:
        if message.method == "notifications/subscriptions/acknowledged":
            self.honoured = self.topics & _acknowledged(params)
            self.acknowledged.set()
        else:
            self._hear(self, message, params)


class Watch:
    """The listen stream of one modern link. `missed` is called when one was opened again after there was none for a
    while."""

    def __init__(self, link: Link, heard: Heard, missed: Callable[[], None]) -> None:
        self._link = link
        self._heard = heard
        self._missed = missed
        self._changed = asyncio.Event()
        self._streams: list[_Stream] = []
        """The one in use, the newest last; two while one takes over from the other."""
        self._asked: list[tuple[Topic, asyncio.Future[bool]]] = []
        """Who waits to hear whether the server tells of something."""

    def widen(self) -> None:
        """The link's subscriptions, or its watched tasks, changed."""
        self._changed.set()

    async def honours(self, topic: Topic) -> bool:
        """Whether the server tells of this, which has just been added to the link's subscriptions or watched tasks.
        Waits for its acknowledgement; the caller bounds the time."""
        newest = self._streams[-1] if self._streams else None
        if newest is not None and topic in newest.topics and newest.acknowledged.is_set():
            return topic in newest.honoured
        if not self._link.alive:
            return False
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asked.append((topic, answer))
        self._changed.set()
        return await answer

    async def run(self) -> None:
        """Keep the stream open while the link is, until cancelled."""
        pause = FIRST_PAUSE
        clock = asyncio.get_running_loop().time
        lost = False
        try:
            while self._link.alive:
                self._changed.clear()
                filter = self._filter()
                if not filter:
                    self._close_all_but(None)
                    await _first(self._changed, self._link.gone)
                    continue
                stream, opened = self._open(filter), clock()
                if await _within(ACKNOWLEDGE_SECONDS, stream.acknowledged) and not stream.ended.is_set():
                    if lost:
                        self._missed()
                    lost = False
                self._settle(stream.topics, stream.honoured)
                if stream.ended.is_set() and len(self._streams) > 1:
                    self._streams.remove(stream)  # it was refused: the one before it goes on
                    stream = self._streams[-1]
                else:
                    if len(self._streams) > 1:
                        await _within(OVERLAP_SECONDS, stream.ended)
                    self._close_all_but(stream)
                await _first(self._changed, stream.ended)
                if stream.ended.is_set():
                    self._close_all_but(None)
                    lost = True
                    if clock() - opened > STEADY:
                        pause = FIRST_PAUSE
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, MAX_PAUSE)
        finally:
            self._settle(frozenset(topic for topic, _ in self._asked), frozenset())

    def _settle(self, settled: frozenset[Topic], honoured: frozenset[Topic]) -> None:
        """Answer who asked about one of these; the others go on waiting."""
        asked, self._asked = self._asked, []
        for topic, answer in asked:
            if answer.done():
                continue  # who asked waits no longer
            if topic in settled:
                answer.set_result(topic in honoured)
            else:
                self._asked.append((topic, answer))

    def _close_all_but(self, stream: _Stream | None) -> None:
        for each in self._streams:
            if each is not stream:
                self._link.cancel(each.id, "replaced")
        self._streams = [each for each in self._streams if each is stream]

    def _filter(self) -> dict[str, object]:
        has = declared(self._link.greeting)
        filter: dict[str, object] = {}
        for capability, name in (("tools", "tools"), ("prompts", "prompts"), ("resources", "resources")):
            about = has.get(capability)
            if isinstance(about, dict) and about.get("listChanged"):
                filter[f"{name}ListChanged"] = True
        if self._link.subscriptions:
            filter[RESOURCE] = sorted(self._link.subscriptions)
        if self._link.watched_tasks:
            filter[TASK] = sorted(self._link.watched_tasks)
        return filter

    def _open(self, filter: dict[str, object]) -> _Stream:
        topics = [(RESOURCE, uri) for uri in self._link.subscriptions]
        topics += [(TASK, id) for id in self._link.watched_tasks]
        stream = _Stream(self._hear, frozenset(topics))
        stream.id = next(self._link.ids)
        for each in self._streams:
            each.heard.clear()
        self._streams.append(stream)
        params: Members = {"notifications": encode(filter)}
        message, headers = self._link.dialect.request(
            stream.id, "subscriptions/listen", params, {}, TAKING_TASKS if TASK in filter else NO_CAPABILITIES
        )
        self._link.send(stream.id, message, headers, stream)
        return stream

    def _hear(self, stream: _Stream, message: Envelope, params: Members) -> None:
        if stream not in self._streams:
            return
        if len(self._streams) > 1:
            # While one takes over, both tell the same, in any order: each thing is heard as often as the one that
            # told it more often did.
            about = (message.method, params.get("uri") or params.get("taskId", b""))
            before = max(each.heard[about] for each in self._streams)
            stream.heard[about] += 1
            if stream.heard[about] <= before:
                return
        self._heard(self._link, message, params)


def _acknowledged(params: Members) -> frozenset[Topic]:
    try:
        honoured = msgspec.json.decode(params.get("notifications", b"{}"), type=_Honoured)
    except msgspec.DecodeError:
        return frozenset()
    topics = [(RESOURCE, uri) for uri in honoured.resourceSubscriptions]
    return frozenset(topics + [(TASK, id) for id in honoured.taskIds])


class _Honoured(Struct):
    resourceSubscriptions: list[str] = []
    taskIds: list[str] = []


async def subscribe(link: Link, uri: str, name: str, timeout: float) -> None:
    """Tell `name` when a resource changes. Raises `ServerError`, `ConnectionLost` or `TimeoutError`."""
    if link.era == "legacy":
        # What is asked while the server has not answered about the same resource could undo it.
        async with link.turns.turn(uri):
            if uri not in link.subscriptions:
                await ask(link, "resources/subscribe", {"uri": quoted(uri)}, timeout)
            link.subscriptions.setdefault(uri, set()).add(name)
        return
    link.subscriptions.setdefault(uri, set()).add(name)
    if link.watch is None:
        return
    honoured = False
    try:
        async with asyncio.timeout(timeout):
            honoured = await link.watch.honours((RESOURCE, uri))
    finally:
        if not honoured:
            _forget(link, uri, name)
    if not honoured:
        raise ServerError(NOT_HONOURED)


def _forget(link: Link, uri: str, name: str) -> None:
    subscribers = link.subscriptions.get(uri)
    if subscribers is not None:
        subscribers.discard(name)
        if not subscribers:
            del link.subscriptions[uri]


async def unsubscribe(link: Link, uri: str, name: str, timeout: float) -> None:
    """Tell `name` no more. The server hears of it when nobody else wants to know."""
    if link.era == "legacy":
        link.subscriptions.get(uri, set()).discard(
            name
        )  # who wants no more hears no more, however long it takes
        async with link.turns.turn(uri):
            await _unsubscribe(link, uri, name, timeout)
        return
    if name in link.subscriptions.get(uri, ()):
        _forget(link, uri, name)
        if uri not in link.subscriptions and link.watch is not None:
            link.watch.widen()


async def _unsubscribe(link: Link, uri: str, name: str, timeout: float) -> None:
    if uri not in link.subscriptions:
        return
    _forget(link, uri, name)
    if uri in link.subscriptions or not link.alive:
        return
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
