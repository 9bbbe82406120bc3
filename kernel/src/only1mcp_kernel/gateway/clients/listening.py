"""`subscriptions/listen`: the stream on which a modern client hears of changes (specification 2026-07-28)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from only1mcp_kernel.gateway.clients.sinks import Outlet
from only1mcp_kernel.protocol.errors import Refused
from only1mcp_kernel.protocol.modern import SUBSCRIPTION_ID
from only1mcp_kernel.protocol.revisions import INVALID_PARAMS
from only1mcp_kernel.wire import envelope as wire
from only1mcp_sdk import Caller, Json, Members
from only1mcp_sdk.members import encode, join, split

MAX_URIS = 1000
MAX_TASKS = 1000
MAX_EARLY = 1000
"""What is kept of that which is to be told before the acknowledgement; the newest."""
_LISTS = {
    "toolsListChanged": "notifications/tools/list_changed",
    "promptsListChanged": "notifications/prompts/list_changed",
    "resourcesListChanged": "notifications/resources/list_changed",
}


class Filter(msgspec.Struct, frozen=True):
    """What a client wants to hear of."""

    methods: frozenset[str]
    uris: tuple[str, ...]
    tasks: tuple[str, ...] = ()


def read_filter(params: Members) -> Filter:
    """Read the request. Raises `Refused`."""
    try:
        wanted = msgspec.json.decode(params.get("notifications", b"null"), type=dict[str, Any])
        uris = msgspec.convert(wanted.get("resourceSubscriptions", []), list[str])
        tasks = msgspec.convert(wanted.get("taskIds", []), list[str])
    except msgspec.ValidationError:
        raise Refused(400, INVALID_PARAMS, "Invalid params: notifications must be a filter object") from None
    if len(uris) > MAX_URIS:
        raise Refused(400, INVALID_PARAMS, f"Invalid params: more than {MAX_URIS} resource subscriptions")
    if len(tasks) > MAX_TASKS:
        raise Refused(400, INVALID_PARAMS, f"Invalid params: more than {MAX_TASKS} task ids")
    methods = frozenset(method for name, method in _LISTS.items() if wanted.get(name) is True)
    return Filter(methods, tuple(dict.fromkeys(uris)), tuple(dict.fromkeys(tasks)))


class Listening:
    """One listen stream; also a `Posting`."""

    def __init__(
        self,
        name: str,
        id: Json,
        caller: Caller,
        filter: Filter,
        sink: Outlet,
        on_end: Callable[[Listening], None],
    ) -> None:
        self.name = name
        self.caller = caller
        self.filter = filter
        self._id = id
        self._sink = sink
        self._on_end = on_end
        self._ended = False
        self._early: deque[bytes] | None = deque(maxlen=MAX_EARLY)
        self._meta: dict[str, Any] = {"_meta": {SUBSCRIPTION_ID: Raw(id)}}

    def acknowledge(self, uris: list[str], tasks: list[str]) -> None:
        """The first message: what of the filter is honoured."""
        honoured: dict[str, Any] = {
            name: True for name, method in _LISTS.items() if method in self.filter.methods
        }
        if uris:
            honoured["resourceSubscriptions"] = uris
        if tasks:
            honoured["taskIds"] = tasks
        params = encode({**self._meta, "notifications": honoured})
        early, self._early = self._early or (), None
        self._tell(wire.notification("notifications/subscriptions/acknowledged", params))
        for message in early:
            self._tell(message)

    def list_changed(self, method: str) -> None:
        if method in self.filter.methods:
            self._tell(wire.notification(method, encode(self._meta)))

    def told(self, method: str, params: Members) -> None:
        """Something about what the filter names one by one."""
        try:
            meta = split(params.get("_meta", b"{}"))
        except ValueError:
            meta = {}
        meta[SUBSCRIPTION_ID] = self._id
        self._tell(wire.notification(method, join({**params, "_meta": join(meta)})))

    def _tell(self, message: bytes) -> None:
        if self._ended:
            return
        if self._early is not None:  # nothing comes before the acknowledgement
            self._early.append(message)
        else:
            self._sink.send(message)

    def waiting(self) -> None:
        """Streams of this era begin with the acknowledgement."""

    def disconnected(self) -> None:
        self._end()

    def cancel(self, reason: str) -> None:
        """The client's `notifications/cancelled`, on transports that have it. It hears nothing more."""
        self._end()

    def finish(self) -> None:
        """End the stream gracefully: with the result of the listen request."""
        if not self._ended:
            self._sink.finish(wire.response(self._id, encode({"resultType": "complete", **self._meta})))
            self._end()

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._on_end(self)
