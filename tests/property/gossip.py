"""Servers that are told every principal's secrets, and do much that servers should not do."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
from collections.abc import Mapping
from typing import Any

from only1mcp_sdk import Inbox
from tests.kernel.gateway.servers import META, FakeConnection, FakeServer, Json, RpcError

TAG = re.compile(r"~(\w+)\.(\w+)\.(\d+)~")
"""A secret: whose it is, which of their windows made it, and its number."""
NOBODYS = "~nobody.x.0~"
QUESTIONS = {
    "elicit": "elicitation/create",
    "sample": "sampling/createMessage",
    "roots": "roots/list",
}
SCRIPTS: list[tuple[str, ...]] = [
    (), (), (), ("pause",), ("log",), ("progress", "pause", "progress"), ("elicit",), ("sample",), ("roots",),
    ("elicit", "sample", "roots"), ("log", "elicit", "log"), ("stranger",), ("flood",), ("pause", "twice"),
    ("undeclared", "pause"), ("aside", "pause", "aside"), ("update",), ("late",), ("pause", "pause", "log", "late"),
    ("sample", "aside", "elicit", "progress"), ("stranger", "elicit", "stranger", "twice", "late"),
]  # fmt: skip
"""What a server does before it answers, and after."""
_unknown = itertools.count(10**9)


def principals(text: str) -> set[str]:
    return {principal for principal, _, _ in TAG.findall(text)}


class Gossip(FakeServer):
    """One of these. With `streams`, each message has a reply stream, as over HTTP; else all share one channel."""

    def __init__(self, name: str, era: str, isolation: str, chance: random.Random, *, streams: bool) -> None:
        super().__init__(*(("legacy", "modern") if era == "dual" else (era,)), tools=[{"name": f"{name}_do"}])
        self.name = name
        self.isolation = isolation
        self.streams = streams
        self.chance = chance
        self.connection_type = GossipConnection
        self.capabilities = {
            "tools": {"listChanged": True},
            "resources": {"subscribe": True, "listChanged": True},
            "logging": {},
        }
        self.lists["resourceTemplates"] = [{"uriTemplate": f"res://{name}/{{secret}}", "name": "secrets"}]
        self.wrong: list[str] = []
        """What no server should have seen."""
        self.answered = 0
        """Questions that a client answered with something of its own."""


class GossipConnection(FakeConnection):
    """A connection to one."""

    server: Gossip

    def __init__(self, server: FakeServer, inbox: Inbox) -> None:
        super().__init__(server, inbox)
        assert isinstance(server, Gossip)
        self.server = server
        self.duplex = not server.streams
        self.guests: set[tuple[str, str]] = set()
        """The principals, and their windows, that were heard here."""
        self.subscribed: set[str] = set()
        self._streams: dict[Any, int] = {}
        self._work: dict[Any, asyncio.Task[None]] = {}

    def send(self, message: bytes, headers: Mapping[str, str], stream: int) -> None:
        read = json.loads(message)
        if "id" in read and "method" in read:
            self._streams[read["id"]] = stream
        asyncio.get_running_loop().call_soon(self._take, read)

    def abandon(self, stream: int) -> None:
        for id, each in self._streams.items():
            if each == stream:
                self._cancel(id)
                return

    async def close(self) -> None:
        self.open = False
        for task in self._work.values():
            task.cancel()

    # -- saying things

    def say(self, message: Json, about: Any = None) -> None:
        """On the stream of the request it is about, if there are such streams."""
        if self.open:
            stream = self._streams.get(about) if self.server.streams else None
            self.inbox.received(json.dumps({"jsonrpc": "2.0", **message}).encode(), stream)

    def note(self, method: str, params: Json, about: Any = None) -> None:
        self.say({"method": method, "params": params}, about)

    def reply(self, id: Any, result: Json) -> None:
        if self.era == "modern":
            result = {"resultType": "complete", **result}
        self.say({"id": id, "result": result}, id)
        stream = self._streams.pop(id, None)
        if self.server.streams and stream is not None and self.open:
            self.inbox.ended(stream, "")

    # -- hearing things

    def _take(self, message: Json) -> None:
        if not self.open:
            return
        if "method" not in message:
            question = self.asked.pop(message["id"], None)
            if question is not None and not question.done():
                question.set_result(message)
            return
        method, params = message["method"], message.get("params", {})
        if "id" not in message:
            if method == "notifications/cancelled":
                self._cancel(params["requestId"])
            return
        id = message["id"]
        self._remember(json.dumps({**params, "_meta": None}))
        if method == "tools/call":
            if params["arguments"]["steps"]:
                self._work[id] = asyncio.ensure_future(self._serve(id, params))
                self._work[id].add_done_callback(lambda done: self._work.pop(id, None))
            else:
                self.reply(id, _echo(params["arguments"]["tag"]))
        elif method == "resources/read":
            self.reply(id, {"contents": [{"uri": params["uri"], "text": params["uri"]}]})
        elif method in ("resources/subscribe", "resources/unsubscribe"):
            (self.subscribed.add if method.endswith("/subscribe") else self.subscribed.discard)(params["uri"])
            self.reply(id, {})
        elif method == "subscriptions/listen":
            self.listening[id] = params["notifications"]
            self._publish(
                id, "notifications/subscriptions/acknowledged", {"notifications": self.listening[id]}
            )
        else:
            try:
                result = self.server.answer(self, method, params)
            except RpcError as error:
                self.say({"id": id, "error": error.error}, id)
            else:
                self.reply(id, result)

    def _remember(self, text: str) -> None:
        """Who is on this connection; some must be alone there."""
        for principal, window, _ in TAG.findall(text):
            if window != "r":  # what is subscribed to is no window's
                self.guests.add((principal, window if window.startswith("legacy") else ""))
        if self.era == "legacy" and self.server.isolation != "shared" and len(self.guests) > 1:
            alone = self.guests if self.server.isolation == "session" else {each for each, _ in self.guests}
            if len(alone) > 1:
                self.server.wrong.append(f"{self.server.name}: {sorted(self.guests)} share a connection")

    def _cancel(self, id: Any) -> None:
        self.listening.pop(id, None)
        task = self._work.get(id)
        if task is not None and self.server.chance.random() < 0.7:  # else it is deaf to it
            task.cancel()

    def _publish(self, id: Any, method: str, params: Json) -> None:
        self.note(method, {**params, "_meta": {META + "subscriptionId": id}}, id)

    # -- serving

    async def _serve(self, id: Any, params: Json) -> None:
        tag, steps = params["arguments"]["tag"], params["arguments"]["steps"]
        questions = [step for step in steps if step in QUESTIONS]
        if self.era == "modern" and questions:
            if "inputResponses" not in params:
                self.reply(id, _ask(tag, questions))
                return
            if params.get("requestState") != f"state of {tag}":
                self.say({"id": id, "error": {"code": -32602, "message": "that is not my state"}}, id)
                return
            for answer in params["inputResponses"].values():
                self._check(tag, {"result": answer})
        for number, step in enumerate(steps):
            if step in QUESTIONS:
                if self.era == "legacy":
                    self._check(tag, await self._question(id, QUESTIONS[step], tag))
            else:
                await self._step(step, id, tag, params, number)
        self.reply(id, _echo(tag))
        if "twice" in steps:
            self.say({"id": id, "result": _echo(NOBODYS)})
        if "late" in steps:
            await asyncio.sleep(self.server.chance.random() * 0.02)
            self._progress(id, params, NOBODYS, 99)
            self._log(tag, None)

    async def _step(self, step: str, id: Any, tag: str, params: Json, number: int) -> None:
        chance = self.server.chance
        match step:
            case "pause":
                await asyncio.sleep(chance.random() * 0.02)
            case "log":
                self._log(tag, id)
            case "aside":
                self._log(tag, None)
                self.note("notifications/of/its/own", {"data": tag})
            case "progress":
                self._progress(id, params, tag, number)
            case "flood":
                for _ in range(20):
                    self._progress(id, params, tag, number)
            case "stranger":
                self.note("notifications/progress", {"progressToken": next(_unknown), "message": NOBODYS}, id)
                self.note("notifications/progress", {"progressToken": NOBODYS, "progress": 1}, id)
                self.note("notifications/cancelled", {"requestId": next(_unknown), "reason": NOBODYS}, id)
                self.note("notifications/resources/updated", {"uri": f"res://x/{NOBODYS}"}, id)
                self._publish(
                    next(_unknown), "notifications/resources/updated", {"uri": f"res://y/{NOBODYS}"}
                )
                self.say({"id": next(_unknown), "result": _echo(NOBODYS)}, None)
                self.say({"id": NOBODYS, "error": {"code": 1, "message": NOBODYS}}, None)
            case "undeclared":
                self.say({"id": f"u{next(_unknown)}", "method": "x/unknown", "params": {"tag": tag}}, id)
            case "update":
                for connection in self.server.connections:
                    if isinstance(connection, GossipConnection) and connection.open:
                        connection._tell_subscribers()

    def _tell_subscribers(self) -> None:
        for uri in self.subscribed:
            self.note("notifications/resources/updated", {"uri": uri})
        for id, wanted in list(self.listening.items()):
            for uri in wanted.get("resourceSubscriptions", []):
                self._publish(id, "notifications/resources/updated", {"uri": uri})

    def _log(self, tag: str, about: Any) -> None:
        self.note("notifications/message", {"level": "error", "data": tag}, about)

    def _progress(self, id: Any, params: Json, tag: str, number: int) -> None:
        token = params.get("_meta", {}).get("progressToken")
        if token is not None:
            self.note(
                "notifications/progress", {"progressToken": token, "progress": number, "message": tag}, id
            )

    async def _question(self, id: Any, method: str, tag: str) -> Json:
        question = f"q{next(_unknown)}"
        self.asked[question] = asyncio.get_running_loop().create_future()
        self.say({"id": question, "method": method, "params": _question_params(method, tag)}, id)
        return await self.asked[question]

    def _check(self, tag: str, answer: Json) -> None:
        """An answer is the asked client's own, or nobody's."""
        said = principals(json.dumps(answer.get("result", {})))
        self.server.answered += bool(said)
        if not said <= principals(tag):
            self.server.wrong.append(f"{self.server.name}: asked about {tag}, was answered {answer}")


def _question_params(method: str, tag: str) -> Json:
    if method == "roots/list":
        return {"_meta": {"about": tag}}
    if method == "elicitation/create":
        return {"message": tag, "requestedSchema": {"type": "object", "properties": {}}}
    return {"messages": [{"role": "user", "content": {"type": "text", "text": tag}}], "maxTokens": 1}


def _ask(tag: str, questions: list[str]) -> Json:
    requests = {
        f"{step}{number}": {"method": QUESTIONS[step], "params": _question_params(QUESTIONS[step], tag)}
        for number, step in enumerate(questions)
    }
    return {"resultType": "input_required", "inputRequests": requests, "requestState": f"state of {tag}"}


def _echo(tag: str) -> Json:
    return {"content": [{"type": "text", "text": tag}]}
