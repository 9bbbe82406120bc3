"""A server whose tools ask in the way of whichever era they are spoken to: by requests of their own on a legacy wire,
by input-required results on a modern one. See `speaking` for how it is run.

    ask_form, ask_url, ask_sampling, ask_roots   one question; the answer is given back
    ask_several                                  all four at once
    ask_rounds {rounds}                          one after the other
    progress {steps}, log {}                     tell on the way
    slow {name}, ended {}                        wait until cancelled; the names of those that were
    visit {key}                                  wants a URL visited, the first time it is called with a key
    grow {name}, touch {uri}                     change the list of tools; a resource
    structured {}                                a list where that is allowed
"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from tests.scenarios.servers.speaking import META, Client, Message, Request, main, problem

FORM = {"message": "who?", "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}}}
URL = {"mode": "url", "message": "sign in", "url": "https://example.org/sign-in"}
SAMPLE = {
    "messages": [{"role": "user", "content": {"type": "text", "text": "?"}}],
    "maxTokens": 7,
    "tools": [{"name": "look", "inputSchema": {"type": "object"}}],
    "toolChoice": {"mode": "auto"},
}
QUESTIONS: dict[str, tuple[str, Message | None]] = {
    "form": ("elicitation/create", FORM),
    "url": ("elicitation/create", URL),
    "sampling": ("sampling/createMessage", SAMPLE),
    "roots": ("roots/list", None),
}
LEVELS = ("debug", "info", "warning", "error")
TOOLS = (
    *(f"ask_{each}" for each in (*QUESTIONS, "several", "rounds")),
    *("progress", "log", "slow", "ended", "visit", "grow", "touch", "structured"),
)


class Asks(Exception):
    """The modern way to ask: what the request is answered with."""

    def __init__(self, questions: dict[str, tuple[str, Message | None]], state: Any) -> None:
        super().__init__()
        requests = {
            key: {"method": method, **({} if params is None else {"params": params})}
            for key, (method, params) in questions.items()
        }
        sealed = base64.b64encode(json.dumps(state).encode()).decode()
        self.result = {"resultType": "input_required", "inputRequests": requests, "requestState": sealed}


class BothWays:
    def __init__(self) -> None:
        self.tools = list(TOOLS)
        self.ended: list[str] = []
        self.visited: set[str] = set()
        self.clients: list[Client] = []
        self.listening: dict[int, tuple[Request, Message]] = {}

    async def serve(self, request: Request) -> str:
        try:
            result = await self._result(request)
        except Asks as asks:
            return json.dumps(asks.result)
        if request.modern:
            result = {"resultType": "complete", **result}
        return json.dumps(result)

    async def _result(self, request: Request) -> Message:
        method, params, client = request.method, request.params, request.client
        declares = {
            "tools": {"listChanged": True},
            "resources": {"subscribe": True, "listChanged": True},
            "prompts": {},
            "completions": {},
            "logging": {},
        }
        if method == "initialize":
            self.clients.append(client)
            info = {"name": "bothways", "version": "1"}
            return {"protocolVersion": "2025-11-25", "capabilities": declares, "serverInfo": info}
        cache = {"ttlMs": 0, "cacheScope": "private"} if request.modern else {}
        if method == "server/discover":
            return {**cache, "supportedVersions": ["2026-07-28"], "capabilities": declares}
        if method == "tools/list":
            return {
                **cache,
                "tools": [{"name": name, "inputSchema": {"type": "object"}} for name in self.tools],
            }
        if method == "resources/list":
            return {**cache, "resources": [{"uri": f"mem://{name}", "name": name} for name in "ab"]}
        if method == "resources/templates/list":
            return {**cache, "resourceTemplates": []}
        if method == "prompts/list":
            return {
                **cache,
                "prompts": [{"name": "p", "arguments": [{"name": "city"}, {"name": "street"}]}],
            }
        if method == "completion/complete":
            return {"completion": {"values": [json.dumps(params.get("context"))]}}
        if method == "logging/setLevel":
            client.memory["level"] = params["level"]
            return {}
        if method in ("resources/subscribe", "resources/unsubscribe"):
            uris = client.memory.setdefault("uris", set())
            (uris.add if method == "resources/subscribe" else uris.discard)(params["uri"])
            return {}
        if method == "subscriptions/listen":
            return await self._listen(request)
        if method == "tools/call":
            return await self._call(request, params["name"], params.get("arguments") or {})
        if method == "ping":
            return {}
        raise problem(-32601, "Method not found")

    async def _call(self, request: Request, tool: str, arguments: Message) -> Message:
        if tool.startswith("ask_"):
            return text(await self._asking(request, tool[4:], arguments))
        if tool == "progress":
            for step in range(1, arguments["steps"] + 1):
                told = {"progressToken": request.meta["progressToken"], "progress": step}
                await request.say("notifications/progress", json.dumps(told))
            return text("done")
        if tool == "log":
            wanted = (
                request.meta.get(META + "logLevel") if request.modern else request.client.memory.get("level")
            )
            for level in LEVELS if wanted in LEVELS else ():
                if LEVELS.index(level) >= LEVELS.index(wanted):
                    await request.say("notifications/message", json.dumps({"level": level, "data": level}))
            return text("logged")
        if tool == "slow":
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.ended.append(arguments["name"])
                raise
        if tool == "ended":
            return text(self.ended)
        if tool == "visit":
            return await self._visit(request, arguments["key"])
        if tool == "grow":
            self.tools.append(arguments["name"])
            await self._changed()
            return text(arguments["name"])
        if tool == "touch":
            await self._touched(arguments["uri"])
            return text("touched")
        if tool == "structured":
            return {"content": [], "structuredContent": [1, 2] if request.modern else {"value": [1, 2]}}
        raise problem(-32602, f"Unknown tool: {tool}")

    # -- asking

    async def _asking(self, request: Request, what: str, arguments: Message) -> Any:
        if what == "several":
            return await self._ask(request, QUESTIONS)
        if what != "rounds":
            return (await self._ask(request, {what: QUESTIONS[what]}))[what]
        heard: list[Any] = []
        if request.modern and "requestState" in request.params:
            heard = json.loads(base64.b64decode(request.params["requestState"]))
        answers = request.params.get("inputResponses", {})
        heard += [answers["form"]] if "form" in answers else []
        while len(heard) < arguments["rounds"]:
            if request.modern:
                raise Asks({"form": ("elicitation/create", {**FORM, "message": f"{len(heard)}?"})}, heard)
            answer = await request.ask("elicitation/create", {**FORM, "message": f"{len(heard)}?"})
            heard.append(answer.get("result", answer.get("error")))
        return heard

    async def _ask(self, request: Request, questions: dict[str, tuple[str, Message | None]]) -> Message:
        if request.modern:
            answers = request.params.get("inputResponses", {})
            missing = {key: question for key, question in questions.items() if key not in answers}
            if missing:
                raise Asks(missing, "here")
            if request.params.get("requestState") != Asks({}, "here").result["requestState"]:
                raise problem(-32602, "not the state that was given")
            return {key: answers[key] for key in questions}

        def legacy(key: str, params: Message | None) -> Message | None:
            return {**(params or {}), "elicitationId": "e-1"} if key == "url" else params

        heard = await asyncio.gather(
            *(request.ask(method, legacy(key, params)) for key, (method, params) in questions.items())
        )
        return {
            key: answer.get("result", answer.get("error"))
            for key, answer in zip(questions, heard, strict=True)
        }

    async def _visit(self, request: Request, key: str) -> Message:
        if request.modern:
            answer = request.params.get("inputResponses", {}).get("url")
            if answer is None:
                raise Asks({"url": ("elicitation/create", URL)}, key)
            return text("welcome") if answer["action"] == "accept" else {**text("refused"), "isError": True}
        if key not in self.visited:
            self.visited.add(key)
            raise problem(-32042, "visit first", {"elicitations": [{**URL, "elicitationId": key}]})
        return text("welcome")

    # -- telling everybody

    async def _listen(self, request: Request) -> Message:
        wanted = request.params["notifications"]
        tag = {META + "subscriptionId": request.id}
        acknowledged = {"notifications": wanted, "_meta": tag}
        await request.say("notifications/subscriptions/acknowledged", json.dumps(acknowledged))
        self.listening[id(request)] = (request, wanted)
        try:
            await asyncio.Event().wait()
        finally:
            del self.listening[id(request)]
        return {}

    async def _changed(self) -> None:
        method = "notifications/tools/list_changed"
        for client in self.clients:
            await client.tell(json.dumps({"jsonrpc": "2.0", "method": method}))
        for request, wanted in list(self.listening.values()):
            if wanted.get("toolsListChanged"):
                await request.say(method, json.dumps({"_meta": {META + "subscriptionId": request.id}}))

    async def _touched(self, uri: str) -> None:
        method = "notifications/resources/updated"
        for client in self.clients:
            if uri in client.memory.get("uris", ()):
                await client.tell(json.dumps({"jsonrpc": "2.0", "method": method, "params": {"uri": uri}}))
        for request, wanted in list(self.listening.values()):
            if uri in wanted.get("resourceSubscriptions", ()):
                told = {"uri": uri, "_meta": {META + "subscriptionId": request.id}}
                await request.say(method, json.dumps(told))

    async def notified(self, client: Client, message: Message) -> None: ...


def text(value: Any) -> Message:
    return {"content": [{"type": "text", "text": json.dumps(value)}]}


if __name__ == "__main__":
    main(BothWays())
