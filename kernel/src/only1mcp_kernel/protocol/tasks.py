"""Tasks: work that goes on after its request was answered, known by an id.

There are two kinds that share little but their name. Tasks of revision 2025-11-25 are asked for with `params.task`, by
clients and by servers alike; those of the extension for 2026-07-28 (SEP-2663) are made by servers, for clients that
declare the extension. Neither is translated into the other: each passes within its era. Here stands where messages
carry the ids and who declares what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from math import inf
from typing import Any

import msgspec

from only1mcp_kernel.protocol.capabilities import read_client
from only1mcp_kernel.protocol.errors import Refused
from only1mcp_kernel.protocol.meta import RELATED_TASK, RELATED_TASK_BYTES
from only1mcp_kernel.protocol.revisions import MISSING_CAPABILITY
from only1mcp_sdk import Capabilities, Era, Exchange, Failure, Json, Members
from only1mcp_sdk.members import array, encode, items, join, quoted, split, text

EXTENSION = "io.modelcontextprotocol/tasks"
_EXTENSION = EXTENSION.encode()
RELATED, RELATED_BYTES = RELATED_TASK, RELATED_TASK_BYTES

NAMING = frozenset({"tasks/get", "tasks/result", "tasks/cancel", "tasks/update"})
"""The methods that name a task, in `params.taskId`."""
OF_CLIENTS = frozenset({"tasks/get", "tasks/result", "tasks/cancel", "tasks/list"})
"""What a server asks about a task that the client runs for it; in revision 2025-11-25 alone."""
STATUS: Mapping[Era, str] = {"legacy": "notifications/tasks/status", "modern": "notifications/tasks"}

Show = Callable[[str, float], str]
"""From a task's id on one side to its id on the other. Also told how many seconds the task is kept: `inf` where that is
unlimited or unknown, 0 where the task is only mentioned."""

_look = msgspec.json.Decoder(float_hook=str).decode  # nobody reads the numbers, and a string takes any
_NEEDED: dict[str, Any] = {"extensions": {EXTENSION: {}}}
UNDECLARED = Failure.of(
    MISSING_CAPABILITY,
    f"Missing required client capability: extensions.{EXTENSION}",
    {"requiredCapabilities": _NEEDED},
)

TAKING_TASKS = Capabilities(encode(_NEEDED))
"""What is declared where the gateway itself asks on behalf of clients that take tasks."""


# -- who declares what


def concern(exchange: Exchange) -> bool:
    """Whether a task may be in the outcome, where server and client are of one era."""
    if exchange.method != "tools/call":
        return exchange.method in NAMING
    if exchange.caller.era == "legacy":
        return "task" in (exchange.params or ())
    return declared_by(exchange.caller.capabilities)


def declared_by(capabilities: Capabilities) -> bool:
    """Whether a client declares the extension."""
    # `in` first asks whether it looks for a number, and takes three times as long.
    return capabilities.raw.find(_EXTENSION) >= 0 and _declared_in(capabilities.raw)


@lru_cache(1024)
def _declared_in(raw: Json) -> bool:
    extensions = _look(raw).get("extensions")
    return isinstance(extensions, dict) and isinstance(extensions.get(EXTENSION), dict)


def without(capabilities: Capabilities) -> Capabilities:
    """What a client declares to a server of the other era: neither kind of tasks."""
    return _without(capabilities.raw) if b"tasks" in capabilities.raw else capabilities


@lru_cache(1024)
def _without(raw: Json) -> Capabilities:
    declared = split(raw)
    declared.pop("tasks", None)
    extensions = declared.get("extensions", b"")
    if _EXTENSION in extensions and extensions[:1] == b"{":
        declared["extensions"] = join(
            {name: value for name, value in split(extensions).items() if name != EXTENSION}
        )
    return read_client(join(declared))


def check_declared(capabilities: Capabilities) -> None:
    """What only clients that declare the extension may ask for. Raises `Refused`."""
    if not declared_by(capabilities):
        raise Refused(400, UNDECLARED.code, UNDECLARED.message, {"requiredCapabilities": _NEEDED})


def offered(declared: Mapping[str, Any], era: Era) -> object:
    """What of tasks a server declares: its `tasks` in the legacy era, its extension's value in the modern one; None
    where it declares none."""
    if era == "legacy":
        tasks = declared.get("tasks")
        return tasks if isinstance(tasks, dict) else None
    extensions = declared.get("extensions")
    return extensions.get(EXTENSION) if isinstance(extensions, dict) else None


def lists(declared: Mapping[str, Any]) -> bool:
    """Whether a legacy server can be asked for `tasks/list`."""
    tasks = offered(declared, "legacy")
    return isinstance(tasks, dict) and isinstance(tasks.get("list"), dict)


# -- where ids stand; all raise ValueError for what is malformed


def identified(raw: Json) -> str | None:
    """The task id of params or of a task."""
    return text(split(raw).get("taskId")) if raw else None


def task(raw: Json, show: Show) -> Json:
    """A task (or what is built on one) with its id shown."""
    return join(_task(split(raw), show))


def _task(members: Members, show: Show) -> Members:
    own = text(members.get("taskId"))
    if own is None:
        return members
    return {**members, "taskId": quoted(show(own, _seconds(members)))}


def _seconds(members: Members) -> float:
    try:
        return float(members.get("ttl", members.get("ttlMs", b"null"))) / 1000
    except ValueError:
        return inf  # null, or no number


def created(raw: Json, era: Era, show: Show) -> Json:
    """The result of a request that may have made a task. One that made none is returned as it is."""
    if b'"task' not in raw:
        return raw
    members = split(raw)
    if era == "modern":
        return join(_task(members, show)) if text(members.get("resultType")) == "task" else raw
    if members.get("task", b"")[:1] != b"{":
        return raw
    members["task"] = task(members["task"], show)
    return related(join(members), show)


def answered(method: str, raw: Json, show: Show) -> Json:
    """The result of a method of `NAMING`."""
    if method != "tasks/result":
        raw = task(raw, show)
    return related(raw, show)


def listed(raw: Json, keep: Callable[[str], bool], show: Show) -> list[Json]:
    """The tasks of a list that are to be kept, with their ids shown."""
    return [task(each, show) for each in items(raw) if keep(identified(each) or "")]


def page(tasks: Iterable[Json]) -> Json:
    """The result of `tasks/list`."""
    return join({"tasks": array(tasks)})


def related(raw: Json, show: Show) -> Json:
    """Params or a result with the id in `_meta` shown, if there is one."""
    if RELATED_BYTES not in raw:
        return raw
    members = split(raw)
    if "_meta" not in members or RELATED_BYTES not in members["_meta"]:
        return raw
    return join({**members, "_meta": join(related_meta(split(members["_meta"]), show))})


def related_meta(meta: Members, show: Show) -> Members:
    """The members of a `_meta` with the id in it shown, if there is one."""
    about = split(meta[RELATED]) if RELATED in meta else {}
    own = text(about.get("taskId"))
    if own is None:
        return meta
    return {**meta, RELATED: join({**about, "taskId": quoted(show(own, 0.0))})}


def related_to(raw: Json) -> str | None:
    """The id of the task that params say they belong to."""
    if RELATED_BYTES not in raw:
        return None
    members = split(raw)
    meta = split(members["_meta"]) if "_meta" in members else {}
    return text(split(meta[RELATED]).get("taskId")) if RELATED in meta else None


def asks_for_task(params: Json) -> bool:
    """Whether a server wants the client to answer a question with a task."""
    return b'"task"' in params and "task" in split(params)


def status(method: str, params: Members, shown: str) -> tuple[str, Json]:
    """A status notification with the task's other id."""
    return method, join({**params, "taskId": quoted(shown)})


def naming(id: str) -> Json:
    """Params that name a task and nothing else."""
    return encode({"taskId": id})
