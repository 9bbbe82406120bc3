"""A crowd at one gateway: principals with several windows each, who do everything at once, in a random order."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from only1mcp_kernel.protocol.errors import STALE
from tests.kernel.gateway.servers import META, Json
from tests.kernel.gateway.world import World, started
from tests.property.ears import Window
from tests.property.gossip import QUESTIONS, SCRIPTS, Gossip
from tests.property.leftovers import left_behind
from tests.property.windows import CAPABILITIES, Duplex, LegacyHttp, ModernHttp

HANDS = 3
"""What a window does at the same time."""


class Crowd:
    """Runs `operations` of them and notes what is wrong."""

    def __init__(self, directory: Path, operations: int, seed: int) -> None:
        self.chance = random.Random(seed)
        self.left = operations
        self.wrong: list[str] = []
        self.heard = 0
        """Messages that reached clients."""
        self.tagged = 0
        """Secrets in them."""
        self.done: Counter[str] = Counter()
        self.servers = self._servers()
        self.world = World(directory, {each.name: each for each in self.servers})
        self.world.authenticated = True
        self.world.server_options = {
            each.name: {"isolation": each.isolation, "idle_stop": 30.0} for each in self.servers
        }
        self.world.profiles = {"default": {"page_size": 4}}
        self.stolen: dict[str, list[tuple[str, Any]]] = defaultdict(list)
        """What windows were given, for others to try: kind -> (whose, what)."""
        self.windows: list[Window] = []

    def _servers(self) -> list[Gossip]:
        made = [
            ("auto", "legacy", "auto", False),
            ("rooted", "legacy", "auto", True),
            ("shared", "legacy", "shared", False),
            ("sharing", "legacy", "shared", True),
            ("principal", "legacy", "principal", False),
            ("session", "legacy", "session", False),
            ("modern", "modern", "auto", False),
            ("streams", "modern", "auto", True),
            ("dual", "dual", "auto", False),
        ]
        return [Gossip(*each[:3], self.chance, streams=each[3]) for each in made]

    @property
    def gate(self) -> Any:
        return self.world.gateway.gate

    async def run(self) -> None:
        async with started(self.world):
            await self.world.gateway.settled(5)
            self.windows = [
                window
                for principal in ("alice", "bob")
                for window in (
                    LegacyHttp(self, principal, "legacyA", CAPABILITIES),
                    LegacyHttp(self, principal, "legacyB", CAPABILITIES),
                    Duplex(self, principal, "legacyC", CAPABILITIES, modern=False),
                    LegacyHttp(self, principal, "legacyD", {}),
                    ModernHttp(self, principal, "modernA", CAPABILITIES),
                    ModernHttp(self, principal, "modernB", {"elicitation": {}}),
                    Duplex(self, principal, "modernC", CAPABILITIES, modern=True),
                )
            ]
            for window in self.windows:
                window.on_question = self._asked
                await window.start()
            async with asyncio.TaskGroup() as group:
                for window in self.windows * HANDS:
                    group.create_task(self._hand(window))
            await asyncio.sleep(2000)  # for everything that is still parked or in flight
            for window in self.windows:
                if window.waiting:
                    self.wrong.append(f"{window} still waits for {list(window.waiting)}")
            self.wrong += left_behind(self.world)
        for server in self.servers:
            self.wrong += server.wrong

    async def _hand(self, window: Window) -> None:
        chance = self.chance
        ways: list[Callable[[Window], Coroutine[Any, Any, None]]] = [
            *[self._call] * 70, *[self._read] * 8, *[self._list] * 4, *[self._subscribe] * 6, *[self._steal] * 6,
            *[self._stream] * 4, self._leave, self._hurt, self._set_level,
        ]  # fmt: skip
        while self.left > 0 and len(self.wrong) < 20:
            self.left -= 1
            way = chance.choice(ways)
            self.done[way.__name__] += 1
            await way(window)

    # -- what windows do

    async def _call(self, window: Window) -> None:
        chance = self.chance
        server, tag = chance.choice(self.servers), window.tag()
        arguments = {"tag": tag, "steps": chance.choice(SCRIPTS)}
        meta = {"progressToken": tag, **({META + "logLevel": "debug"} if window.modern else {})}
        params: Json = {"name": f"{server.name}_do", "arguments": arguments, "_meta": meta}
        answer = await self._asking(window, "tools/call", params)
        await self._follow(window, params, answer, rounds=0)

    async def _asking(self, window: Window, method: str, params: Json) -> tuple[Json | None, int]:
        """Ask, and sometimes give up, or lose the connection and come back."""
        chance = self.chance
        id, future = window.ask(method, params)
        if isinstance(window, LegacyHttp) and id in window.posted and chance.random() < 0.2:
            window.posted[id][1].waiting()
        if not future.done() and chance.random() < 0.25:
            await asyncio.sleep(chance.choice([0, 0, 0, 0.001, 0.005, 0.02]))
            if id in window.waiting and chance.random() < 0.5:
                self.done["cancelled"] += 1
                window.cancel(id)
            elif isinstance(window, LegacyHttp) and id in window.posted:
                event = window.lose(id)
                if event:
                    self.done["resumed"] += 1
                    self.stolen["event"].append((window.principal, event))
                    window.resume(event, id)
        return await future

    async def _follow(
        self, window: Window, params: Json, answer: tuple[Json | None, int], rounds: int
    ) -> None:
        message, _ = answer
        result = (message or {}).get("result", {})
        self.done["ok" if result else "failed" if message else "no answer"] += 1
        if "is not available" in (message or {}).get("error", {}).get("message", ""):
            await asyncio.sleep(self.chance.random())  # else the hands use up their operations on it
        if result.get("resultType") == "input_required" and window.modern:
            await self._retry(window, params, result, rounds)
        elif result and result["content"] != [{"type": "text", "text": params["arguments"]["tag"]}]:
            self.wrong.append(f"{window} asked for {params} and got {message}")

    async def _retry(self, window: Window, params: Json, asked: Json, rounds: int) -> None:
        chance = self.chance
        state = asked["requestState"]
        answers = {key: window.answer(each["method"]) for key, each in asked["inputRequests"].items()}
        ours = state.startswith("o1-")
        if ours:
            self.stolen["state"].append((window.principal, (state, params)))
        luck = chance.random()
        if luck < 0.1 or rounds > 3:
            return  # it never comes back
        if luck < 0.2:
            answers.popitem()
        elif luck < 0.3:
            answers["extra"] = {"tag": window.tag()}
        retry = {**params, "inputResponses": answers, "requestState": state}
        if luck > 0.85 and ours:
            self.done["forged"] += 1
            wrong = {**retry, "requestState": state[:-3] + chance.choice(["", "AAA", "A"])}
            if luck > 0.92:
                wrong = {**retry, "arguments": {**params["arguments"], "steps": ["log"]}}
            self._must_be_stale(window, await window.ask("tools/call", wrong)[1], state)
        await self._follow(window, params, await self._asking(window, "tools/call", retry), rounds + 1)
        if luck > 0.7 and ours:
            self.done["used"] += 1
            self._must_be_stale(window, await window.ask("tools/call", retry)[1], state)

    def _must_be_stale(self, window: Window, answer: tuple[Json | None, int], state: str) -> None:
        message, status = answer
        error = (message or {}).get("error", {})
        over_http = isinstance(window, ModernHttp)
        if error != json.loads(STALE.raw) or (over_http and status != 400):
            self.wrong.append(f"{window} used {state} and got {status} {message}")

    async def _read(self, window: Window) -> None:
        uri = f"res://{self.chance.choice(self.servers).name}/{window.tag()}"
        message, _ = await self._asking(window, "resources/read", {"uri": uri})
        if message is not None and "result" in message and message["result"]["contents"][0]["text"] != uri:
            self.wrong.append(f"{window} read {uri} and got {message}")

    async def _list(self, window: Window) -> None:
        cursor: Json = {}
        tools = 0
        while True:
            message, _ = await self._asking(window, "tools/list", cursor)
            if message is None:
                return
            tools += len(message["result"]["tools"])
            if "nextCursor" not in message["result"]:
                break
            cursor = {"cursor": message["result"]["nextCursor"]}
            self.stolen["cursor"].append((window.principal, cursor["cursor"]))
        if tools > len(self.servers):
            self.wrong.append(f"{window} listed {tools} tools")

    async def _set_level(self, window: Window) -> None:
        if not window.modern:
            await self._asking(window, "logging/setLevel", {"level": self.chance.choice(["debug", "error"])})

    async def _subscribe(self, window: Window) -> None:
        uri = (
            f"res://{self.chance.choice(self.servers).name}/~{window.principal}.r.{self.chance.randrange(5)}~"
        )
        if not window.modern:
            method = self.chance.choice(["resources/subscribe", "resources/unsubscribe"])
            await self._asking(window, method, {"uri": uri})
            return
        filter = {"resourceSubscriptions": [uri], "toolsListChanged": True}
        id, future = window.ask("subscriptions/listen", {"notifications": filter})
        await asyncio.sleep(self.chance.random() * 0.5)
        if id in window.waiting:
            window.stop(id)
        await future

    async def _stream(self, window: Window) -> None:
        if not isinstance(window, LegacyHttp):
            return
        event = window.stop_listening()
        if event and self.chance.random() < 0.5:
            self.stolen["event"].append((window.principal, event))
            window.resume(event)
        else:
            window.listen()

    async def _leave(self, window: Window) -> None:
        if self.chance.random() < 0.3:
            if isinstance(window, LegacyHttp):
                self.stolen["session"].append((window.principal, window.session))
            await window.leave()

    async def _hurt(self, window: Window) -> None:
        """A server loses a connection, or says that its lists changed."""
        server = self.chance.choice(self.servers)
        open = server.open_connections()
        if open and self.chance.random() < 0.03:
            self.chance.choice(open).die()
        else:
            server.tell_all("notifications/tools/list_changed")

    async def _steal(self, window: Window) -> None:
        """Try what another principal was given."""
        kind = self.chance.choice(["state", "session", "event", "cursor"])
        for other in self.windows:
            if isinstance(other, LegacyHttp) and kind == "session" and other.session:
                self.stolen[kind] = [*self.stolen[kind][-20:], (other.principal, other.session)]
        found = [what for whose, what in self.stolen[kind][-50:] if whose != window.principal]
        if not found:
            return
        self.done[f"stolen {kind}"] += 1
        what = self.chance.choice(found)
        if kind == "state" and window.modern:
            state, params = what
            answers = {key: window.answer(method) for key, method in QUESTIONS.items()}
            retry = {**params, "inputResponses": answers, "requestState": state}
            self._must_be_stale(window, await window.ask("tools/call", retry)[1], state)
        elif kind == "cursor":
            self._must_be_stale(window, await window.ask("tools/list", {"cursor": what})[1], what)
        elif kind == "session" and isinstance(window, LegacyHttp):
            own, window.session = window.session, what
            future = window.ask("tools/list", {})[1]
            window.session = own
            message, status = await future
            if status != 404:
                self.wrong.append(f"{window} used a session of another and got {status} {message}")
        elif kind == "event" and isinstance(window, LegacyHttp):
            events = {ear.last_event.partition("-")[0] for ear, _ in window.posted.values()}
            if what.partition("-")[0] not in events:  # it may have an event of that id itself
                window.stop_listening()
                window.resume(what)

    # -- questions

    def _asked(self, window: Window, question: Json) -> None:
        luck = self.chance.random()
        loop = asyncio.get_running_loop()
        if luck < 0.02:
            return  # it promised to answer, and does not
        reply: Json = {"id": question["id"], "result": window.answer(question["method"])}
        if luck < 0.1:
            reply = {"id": question["id"], "error": {"code": -1, "message": "no"}}
        for _ in range(2 if luck > 0.9 else 1):
            loop.call_later(self.chance.random() * 0.02, window.send, reply)
        if luck > 0.95:  # to a question that is another session's, or nobody's
            window.send(
                {
                    "id": self.chance.choice([10**9, self.chance.randrange(200)]),
                    "result": {"tag": window.tag()},
                }
            )
