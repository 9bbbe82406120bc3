"""Servers in memory that run tasks, of each kind. Their ids are only good on one connection, and collide on others."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping
from typing import Any

from only1mcp_sdk import Inbox
from tests.kernel.gateway.servers import META, FakeConnection, FakeServer, Json, RpcError

EXTENSION = META + "tasks"
RELATED = META + "related-task"
TIME = "2026-01-01T00:00:00Z"
WORK: Json = {"name": "work", "execution": {"taskSupport": "optional"}}


def related(id: str) -> Json:
    return {RELATED: {"taskId": id}}


class TaskConnection(FakeConnection):
    """Keeps the tasks made over it, and the header fields that came."""

    def __init__(self, server: FakeServer, inbox: Inbox) -> None:
        super().__init__(server, inbox)
        self.tasks: dict[str, Json] = {}
        self.results: dict[str, asyncio.Future[Json]] = {}
        self.headers: list[Mapping[str, str]] = []

    def send(self, message: bytes, headers: Mapping[str, str], stream: int) -> None:
        self.headers.append(headers)
        super().send(message, headers, stream)

    def task(self, id: Any) -> Json:
        if id not in self.tasks:
            raise RpcError(-32602, f"Failed to retrieve task: {id}")
        return self.tasks[id]

    def say(self, about: Json, method: str, params: Json, **members: Any) -> None:
        """Say something on the stream of a request, as over HTTP."""
        message = {"jsonrpc": "2.0", "method": method, "params": params, **members}
        self.inbox.received(json.dumps(message).encode(), about["id"])

    def finish(self, id: str, result: Json) -> None:
        self.tasks[id]["status"] = "completed"
        self.results[id].set_result(result)


class CoreTasks(FakeServer):
    """Tasks of revision 2025-11-25: `work` is run as one when that is asked for."""

    def __init__(self, *eras: str, ttl: int | None = 60_000) -> None:
        super().__init__(*(eras or ("legacy",)), tools=[WORK])
        self.ttl = ttl
        self.connection_type = TaskConnection
        self.capabilities["tasks"] = {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}

    def answer(self, connection: FakeConnection, method: str, params: Json) -> Any:
        assert isinstance(connection, TaskConnection)
        if method == "tools/call" and "task" in params and method not in self.methods:
            return {"task": self.make(connection)}
        if method == "tasks/get":
            return connection.task(params["taskId"])
        if method == "tasks/cancel":
            connection.task(params["taskId"])["status"] = "cancelled"
            return connection.task(params["taskId"])
        if method == "tasks/list":
            at = int(params.get("cursor", 0))
            page = list(connection.tasks.values())[at : at + 2]
            return {"tasks": page, **({"nextCursor": str(at + 2)} if len(page) == 2 else {})}
        if method == "tasks/result":
            connection.task(params["taskId"])
            return self._result(connection, params["taskId"])
        return super().answer(connection, method, params)

    def make(self, connection: TaskConnection, id: str | None = None) -> Json:
        id = id or f"task-{len(connection.tasks) + 1}"
        connection.tasks[id] = {
            "taskId": id, "status": "working", "createdAt": TIME, "lastUpdatedAt": TIME, "ttl": self.ttl,
        }  # fmt: skip
        connection.results[id] = asyncio.get_running_loop().create_future()
        return connection.tasks[id]

    async def _result(self, connection: TaskConnection, id: str) -> Json:
        return {**await asyncio.shield(connection.results[id]), "_meta": related(id)}

    def connection(self) -> TaskConnection:
        """The newest one."""
        newest = self.open_connections("legacy")[-1]
        assert isinstance(newest, TaskConnection)
        return newest


class ExtensionTasks(FakeServer):
    """Tasks of the extension: `work` becomes one when the client declares that it takes tasks."""

    def __init__(self, *eras: str) -> None:
        super().__init__(*(eras or ("modern",)), tools=[{"name": "work"}])
        self.connection_type = TaskConnection
        self.capabilities["extensions"] = {EXTENSION: {}}
        self.tasks: dict[str, Json] = {}
        self.always = False
        """Make tasks for clients that did not declare the extension too."""
        self._ids = itertools.count(1)

    def answer(self, connection: FakeConnection, method: str, params: Json) -> Any:
        if method == "tools/call" and (self.always or declares(params)):
            id = f"task-{next(self._ids)}"
            self.tasks[id] = {
                "taskId": id, "status": "working", "createdAt": TIME, "lastUpdatedAt": TIME, "ttlMs": 60_000,
            }  # fmt: skip
            return {"resultType": "task", **self.tasks[id]}
        if method in ("tasks/get", "tasks/update", "tasks/cancel"):
            task = self.tasks.get(params["taskId"])
            if task is None:
                raise RpcError(-32602, f"Failed to retrieve task: {params['taskId']}")
            if method == "tasks/get":
                return task
            task.update(status="cancelled" if method == "tasks/cancel" else "completed")
            return {}
        return super().answer(connection, method, params)

    def changed(self, id: str, **members: Any) -> None:
        """A task has another state, and those who listen are told."""
        self.tasks[id].update(members)
        for connection in self.open_connections("modern"):
            for stream, wanted in list(connection.listening.items()):
                if id in wanted.get("taskIds", ()):
                    connection.publish_on(stream, "notifications/tasks", self.tasks[id])


def declares(params: Json) -> bool:
    capabilities = params.get("_meta", {}).get(META + "clientCapabilities", {})
    return EXTENSION in capabilities.get("extensions", {})
