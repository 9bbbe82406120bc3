"""Calls, from every side at once: clients that retry, forge, cancel and vanish, a server that asks, answers twice or
late, and links that die. Each call is done once, nothing is left behind, and the server hears of what was given up."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from only1mcp_kernel.gateway.servers.call import Call
from only1mcp_kernel.protocol.errors import STALE
from tests.kernel.gateway.servers import META, Json
from tests.property.machines import Ear, GatewayMachine, Held, HoldingServer, post

CAPABILITIES: Json = {"sampling": {}, "elicitation": {"form": {}}, "roots": {}}
QUESTIONS = ["elicitation/create", "sampling/createMessage", "roots/list", "x/undeclared"]
CLIENTS = [("modern", "alice"), ("modern", "bob"), ("legacy", "alice"), ("legacy", "bob")]
picks = st.integers(0, 10**6)
methods = st.lists(st.sampled_from(QUESTIONS), min_size=1, max_size=3)


class Asked:
    """A client's request, with all its retries."""

    def __init__(self, era: str, token: str, number: int) -> None:
        self.era = era
        self.token = token
        self.number = number
        self.ear = Ear()
        self.posting: Any = None
        self.cancelled = False
        self.spent: Json | None = None
        """The questions somebody came back from, or that are too old."""

    @property
    def parked(self) -> Json | None:
        """The questions it was answered with, while nobody came back from them."""
        result = (self.ear.last or {}).get("result", {})
        return result if result.get("resultType") == "input_required" and result is not self.spent else None

    @property
    def waiting(self) -> bool:
        return not self.ear.finished and not self.cancelled


class Calls(GatewayMachine):
    @initialize(isolation=st.sampled_from(["auto", "shared", "session"]))
    def start(self, isolation: str) -> None:
        self.server = HoldingServer("legacy", holds=("tools/call",))
        options = {"isolation": isolation, "call_timeout": 5.0, "idle_stop": 0.0}
        self.begin({"one": self.server}, lambda world: world.server_options.update(one=options))
        self.numbers = itertools.count(1)
        self.requests: list[Asked] = []
        self.used: list[tuple[Asked, Json]] = []
        self.sessions: dict[str, str] = {}
        self.questions: dict[str, tuple[Held, Any]] = {}
        for token in ("alice", "bob"):
            ear = Ear()
            hello = {"protocolVersion": "2025-11-25", "capabilities": CAPABILITIES, "clientInfo": {}}
            message = {"id": 0, "method": "initialize", "params": hello}
            self.act(partial(post, self.world, message, token, {}, ear))
            self.sessions[token] = ear.headers["Mcp-Session-Id"]

    def receive(self, number: int) -> list[Held]:
        return self.server.find(lambda each: each.open and each.params["arguments"]["number"] == number)

    # -- clients

    def send(self, asked: Asked, **more: Any) -> None:
        """Post the request, or a retry of it."""
        arguments = {"number": asked.number}
        params: Json = {"name": "tool", "arguments": arguments, **more}
        message = {"id": asked.number, "method": "tools/call", "params": params}
        headers = {}
        if asked.era == "modern":
            params["_meta"] = {
                META + "protocolVersion": "2026-07-28",
                META + "clientCapabilities": CAPABILITIES,
                "progressToken": asked.number,
            }
            headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "tool"}
        else:
            headers = {"mcp-session-id": self.sessions[asked.token]}
        asked.ear = Ear()
        asked.posting = self.act(lambda: post(self.world, message, asked.token, headers, asked.ear))

    @rule(client=st.sampled_from(CLIENTS))
    def call(self, client: tuple[str, str]) -> None:
        asked = Asked(*client, next(self.numbers))
        self.requests.append(asked)
        self.send(asked)

    @rule(client=st.sampled_from(CLIENTS), methods=methods)
    def call_and_be_asked(self, client: tuple[str, str], methods: list[str]) -> None:
        self.call(client)
        for held in self.receive(self.requests[-1].number):
            self.ask(held, methods)

    @precondition(lambda self: any(each.parked for each in self.requests))
    @rule(pick=picks, kind=st.sampled_from(["good", "good", "missing", "extra", "none"]))
    def retry(self, pick: int, kind: str) -> None:
        parked = [each for each in self.requests if each.parked]
        asked = parked[pick % len(parked)]
        questions = asked.spent = asked.parked
        assert questions is not None
        answers = {key: {"answer of": asked.token} for key in questions["inputRequests"]}
        if kind == "missing":
            answers.popitem()
        elif kind == "extra":
            answers["extra"] = {"answer of": asked.token}
        elif kind == "none":
            answers = {}
        self.used.append((asked, questions))
        self.send(asked, inputResponses=answers, requestState=questions["requestState"])

    @precondition(lambda self: self.used or any(each.parked for each in self.requests))
    @rule(pick=picks, kind=st.sampled_from(["used", "forged", "foreign", "other arguments", "cut"]))
    def retry_badly(self, pick: int, kind: str) -> None:
        parked = [(each, each.parked) for each in self.requests if each.parked]
        known = self.used if kind == "used" else parked
        if not known:
            return
        asked, questions = known[pick % len(known)]
        assert questions is not None
        thief = Asked("modern", asked.token, asked.number)
        state = questions["requestState"]
        if kind == "foreign":
            thief.token = "bob" if asked.token == "alice" else "alice"
        elif kind == "forged":
            state = state[:-4] + ("AAAA" if state[-4:] != "AAAA" else "BBBB")
        elif kind == "cut":
            state = state[: pick % len(state)]
            if not state.startswith("o1-"):
                return
        elif kind == "other arguments":
            thief.number = next(self.numbers)
        received = len(self.server.held)
        self.send(thief, inputResponses={}, requestState=state)
        assert thief.ear.last is not None
        assert thief.ear.last["error"] == {"code": STALE.code, "message": STALE.message}
        assert thief.ear.status == 400
        assert len(self.server.held) == received

    @precondition(lambda self: any(each.waiting for each in self.requests))
    @rule(pick=picks)
    def give_up(self, pick: int) -> None:
        waiting = [each for each in self.requests if each.waiting]
        asked = waiting[pick % len(waiting)]
        asked.cancelled = True
        if asked.era == "modern":
            self.act(asked.posting.disconnected)
        else:
            message = {"method": "notifications/cancelled", "params": {"requestId": asked.number}}
            headers = {"mcp-session-id": self.sessions[asked.token]}
            self.act(lambda: post(self.world, message, asked.token, headers, Ear()))
        assert asked.ear.last is None

    @rule(pick=picks, kind=st.sampled_from(["result", "error", "twice", "unknown"]))
    def answer_a_question(self, pick: int, kind: str) -> None:
        """A legacy client answers, or thinks it does."""
        open = [
            (asked, each)
            for asked in self.requests
            for each in asked.ear.messages
            if asked.era == "legacy" and "id" in each and "method" in each
        ]
        if not open:
            return
        asked, question = open[pick % len(open)]
        reply: Json = {"id": question["id"], "result": {"answer of": asked.token}}
        if kind == "error":
            reply = {"id": question["id"], "error": {"code": 1, "message": "no"}}
        elif kind == "unknown":
            reply["id"] = 10**6
        headers = {"mcp-session-id": self.sessions[asked.token]}
        for _ in range(2 if kind == "twice" else 1):
            ear = Ear()
            self.act(partial(post, self.world, reply, asked.token, headers, ear))
            assert ear.status == 202

    # -- the server

    @precondition(lambda self: self.server.held)
    @rule(pick=picks, kind=st.sampled_from(["result", "error", "progress"]))
    def server_answers(self, pick: int, kind: str) -> None:
        """Perhaps for the second time, perhaps to what was cancelled."""
        held = self.server.held[pick % len(self.server.held)]
        number = held.params["arguments"]["number"]
        if kind == "progress":
            token = held.params.get("_meta", {}).get("progressToken", 10**6)
            params = {"progressToken": token, "progress": number}
            self.act(lambda: held.connection.tell("notifications/progress", params))
        elif kind == "result":
            self.act(lambda: held.answer({"content": [], "structuredContent": {"number": number}}))
        else:
            self.act(held.fail)

    @precondition(lambda self: self.server.find(lambda each: each.open))
    @rule(pick=picks, methods=methods)
    def server_asks(self, pick: int, methods: list[str]) -> None:
        open = self.server.find(lambda each: each.open)
        self.ask(open[pick % len(open)], methods)

    def ask(self, held: Held, methods: list[str]) -> None:
        for id, future in self.act(lambda: [ask(held, method) for method in methods]):
            self.questions[id] = held, future

    @precondition(lambda self: self.questions)
    @rule(pick=picks)
    def server_withdraws(self, pick: int) -> None:
        id = sorted(self.questions)[pick % len(self.questions)]
        held, _ = self.questions[id]
        if held.connection.open:
            self.act(lambda: held.connection.tell("notifications/cancelled", {"requestId": id}))

    @rule(pick=picks)
    def server_says_nonsense(self, pick: int) -> None:
        for connection in self.server.open_connections():
            self.act(partial(connection.deliver, {"jsonrpc": "2.0", "id": 10**6 + pick, "result": {}}))
            self.act(partial(connection.tell, "notifications/cancelled", {"requestId": pick}))

    @precondition(lambda self: self.server.open_connections())
    @rule(pick=picks, back=st.sampled_from([True, True, True, False]))
    def a_connection_dies(self, pick: int, back: bool) -> None:
        open = self.server.open_connections()
        self.act(open[pick % len(open)].die)
        if back:
            self.loop.pass_time(2)

    @rule(seconds=st.sampled_from([0.01, 0.01, 0.1, 0.1, 1.0, 2.0, 6.0, 700.0]))
    def time_passes(self, seconds: float) -> None:
        self.loop.pass_time(seconds)
        if seconds > 600:
            for each in self.requests:
                if each.parked:
                    self.used.append((each, each.parked))
                    each.spent = each.parked

    # -- what always holds

    @invariant()
    def each_is_done_once(self) -> None:
        if not hasattr(self, "world"):
            return
        for asked in self.requests:
            assert asked.ear.finished <= 1
            result = (asked.ear.last or {}).get("result", {})
            if "structuredContent" in result:
                assert result["structuredContent"]["number"] == asked.number
            for each in asked.ear.told("notifications/progress"):
                assert each["params"]["progress"] == asked.number
            if asked.cancelled:
                assert asked.ear.last is None

    @invariant()
    def answers_are_their_principals(self) -> None:
        for held, future in getattr(self, "questions", {}).values():
            if future.done() and not future.cancelled():
                number = held.params["arguments"]["number"]
                owner = next(each.token for each in self.requests if each.number == number)
                said = future.result().get("result", {}).get("answer of", owner)
                assert said == owner

    @invariant()
    def parking_is_consistent(self) -> None:
        if hasattr(self, "world"):
            parking = self.world.gateway._parking
            assert parking._calls.keys() == parking._timers.keys()
            assert sum(parking._held.values()) == len(parking._calls)
            legacy = [each for each in self.requests if each.era == "legacy" and each.waiting]
            assert len(parking._calls) <= len(legacy) + sum(each.parked is not None for each in self.requests)

    def at_end(self) -> None:
        for _ in range(3):  # a round of questions, another for those that came meanwhile, and the call itself
            self.loop.pass_time(605)
        for asked in self.requests:
            assert asked.ear.finished == 1, (asked.number, asked.era, asked.cancelled)
        assert not self.world.gateway._parking._calls
        assert not self.world.gateway._parking._held
        for server in self.world.gateway._in_force().servers.values():
            for link in server.links:
                assert not [each for each in link.waiting.values() if isinstance(each, Call)]
            assert all(endpoint.in_flight == 0 for endpoint in server.endpoints)
        for held in self.server.held:
            assert held.answered or held.cancelled or not held.connection.open, held.params


def ask(held: Held, method: str) -> tuple[str, Any]:
    params: Json = {"about": held.params["arguments"]["number"]}
    future = held.connection.ask(method, params)
    return f"q{held.connection._questions}", future


TestCalls = Calls.TestCase
TestCalls.settings = settings(max_examples=90, stateful_step_count=50)
