"""Sessions: found by their own principal with their own token while they live, ended once, owing nobody an answer."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from only1mcp_kernel.gateway.clients.load import Load
from only1mcp_kernel.gateway.clients.sessions import (
    HELD_MESSAGES,
    IDLE_SECONDS,
    MAX_STREAMS,
    Session,
    Sessions,
)
from only1mcp_kernel.protocol.legacy import Hello
from only1mcp_kernel.wire.envelope import Envelope
from only1mcp_kernel.wire.seal import KeyRing
from only1mcp_sdk import Arrival, Capabilities, Principal, Question
from tests.property.machines import Ear, LoopMachine

NAMES = ["alice", "bob", "", "alice\0session"]
picks = st.integers(0, 10**6)
ASK = Question("elicitation/create", b'{"message":"?"}')

LOADS = Load(100_000, 100_000), Load(100_000, 100_000)


class Known:
    """A session and what should be true of it."""

    def __init__(self, session: Session, principal: str) -> None:
        self.session = session
        self.principal = principal
        self.used = True
        """Since somebody looked; it may be idle since then."""
        self.idle_since = 0.0
        self.alive = True
        self.streams: list[tuple[Ear, Any]] = []
        self.asked: dict[bytes, list[tuple[bytes, bytes]]] = {}
        """Our questions -> the replies they got."""
        self.open: set[bytes] = set()


class SessionLife(LoopMachine):
    @initialize()
    def begin(self) -> None:
        self.keys = KeyRing()
        self.ended: list[str] = []
        self.known: list[Known] = []
        self.sessions = Sessions(self.keys, *LOADS, lambda session: self.ended.append(session.id))

    def pick(self, number: int) -> Known:
        return self.known[number % len(self.known)]

    @rule(name=st.sampled_from(NAMES))
    def start(self, name: str) -> None:
        hello = Hello("2025-11-25", Capabilities(), b"{}")
        session = self.act(lambda: self.sessions.start(hello, Principal(name), Arrival("http")))
        assert session is not None
        self.known.append(Known(session, name))

    @precondition(lambda self: self.known)
    @rule(number=picks, name=st.sampled_from(NAMES), forge=st.booleans())
    def find(self, number: int, name: str, forge: bool) -> None:
        it = self.pick(number)
        token = it.session.token
        if forge:
            at = number % len(token)
            token = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        found = self.act(lambda: self.sessions.find(token, Principal(name)))
        right = not forge and name == it.principal
        assert found is (it.session if right and it.alive else None)
        if found is not None:
            it.used = True

    @rule(token=st.text(max_size=30) | st.binary(max_size=40).map(lambda blob: "o1-" + blob.hex()))
    def find_nonsense(self, token: str) -> None:
        assert self.act(lambda: self.sessions.find(token, Principal("alice"))) is None

    @precondition(lambda self: self.known)
    @rule(number=picks)
    def end(self, number: int) -> None:
        it = self.pick(number)
        self.act(lambda: self.sessions.end(it.session))
        self.over(it)

    def over(self, it: Known) -> None:
        it.alive = False
        it.open.clear()
        assert all(ear.finished for ear, _ in it.streams)
        it.streams.clear()

    @rule(seconds=st.sampled_from([1.0, IDLE_SECONDS / 2, IDLE_SECONDS + 1]))
    def time_passes(self, seconds: float) -> None:
        self.loop.pass_time(seconds)
        now = self.loop.time()
        self.act(lambda: self.sessions.expire(now))
        for it in self.known:
            if it.used or it.streams:
                it.used, it.idle_since = False, now
            elif it.alive and now - it.idle_since > IDLE_SECONDS:
                self.over(it)

    @rule()
    def rotate(self) -> None:
        """Keys are changed; sessions that are there stay."""
        self.keys.rotate()

    @precondition(lambda self: any(each.alive for each in self.known))
    @rule(number=picks)
    def listen(self, number: int) -> None:
        it = self.pick(number)
        if it.alive:
            ear = Ear()
            it.streams.append((ear, self.act(lambda: it.session.listen(ear))))
            it.streams = [each for each in it.streams if not each[0].finished]
            assert len(it.streams) <= MAX_STREAMS

    @precondition(lambda self: any(each.streams for each in self.known))
    @rule(number=picks)
    def hang_up(self, number: int) -> None:
        it = self.pick(number)
        if it.streams:
            _, posting = it.streams.pop(number % len(it.streams))
            self.act(posting.disconnected)

    @precondition(lambda self: self.known)
    @rule(number=picks, many=st.sampled_from([1, 1, 3, HELD_MESSAGES + 5]))
    def tell(self, number: int, many: int) -> None:
        """A message goes to the newest stream there is, and to no other session."""
        it = self.pick(number)
        if not it.alive:
            return
        heard = {id(ear): len(ear.messages) for other in self.known for ear, _ in other.streams}
        for each in range(many):
            message = b'{"jsonrpc":"2.0","method":"x","params":{"n":%d}}' % each
            self.act(lambda m=message: it.session.tell(m))  # type: ignore[misc]
        for other in self.known:
            for ear, _ in other.streams:
                newest = other is it and ear is it.streams[-1][0]
                assert len(ear.messages) - heard[id(ear)] == (many if newest else 0)

    @precondition(lambda self: self.known)
    @rule(number=picks)
    def ask(self, number: int) -> None:
        it = self.pick(number)
        if it.alive:
            replies: list[tuple[bytes, bytes]] = []
            key = self.act(lambda: it.session.ask(ASK, lambda result, error: replies.append((result, error))))
            it.asked[key] = replies
            it.open.add(key)

    @precondition(lambda self: any(each.asked for each in self.known))
    @rule(number=picks, kind=st.sampled_from(["answer", "answer", "refuse", "withdraw", "unknown"]))
    def settle_a_question(self, number: int, kind: str) -> None:
        """Any of them, settled before or not."""
        it = self.pick(number)
        if not it.asked:
            return
        key = sorted(it.asked)[number % len(it.asked)]
        before = len(it.asked[key])
        if kind == "withdraw":
            self.act(lambda: it.session.withdraw(key))
        elif kind == "unknown":
            self.act(lambda: it.session.answered(Envelope(id=b'"' + key + b'"', result=b"{}")))
            return
        else:
            answer = Envelope(id=key, error=b"{}") if kind == "refuse" else Envelope(id=key, result=b"{}")
            self.act(lambda: it.session.answered(answer))
        expected = before + (1 if key in it.open and kind != "withdraw" else 0)
        assert len(it.asked[key]) == expected
        it.open.discard(key)

    @invariant()
    def the_dead_stay_dead(self) -> None:
        if hasattr(self, "sessions"):
            alive = [each for each in self.known if each.alive]
            assert len(self.sessions) == len(alive)
            assert sorted(self.ended) == sorted(each.session.id for each in self.known if not each.alive)
            assert all(
                (self.sessions.by_id(each.session.id) is not None) == each.alive for each in self.known
            )

    @invariant()
    def each_question_gets_one_reply_at_most(self) -> None:
        for it in getattr(self, "known", []):
            for key, replies in it.asked.items():
                assert len(replies) <= 1
                assert not (replies and key in it.open)

    @invariant()
    def the_budget_is_what_the_logs_hold(self) -> None:
        if hasattr(self, "sessions"):
            held = sum(each.session.journal._bytes for each in self.known)
            assert self.sessions._budget.used == held

    def teardown(self) -> None:
        if hasattr(self, "sessions"):
            owed = [it.asked[key] for it in self.known if it.alive for key in it.open]
            self.act(self.sessions.close)
            assert all(len(replies) == 1 for replies in owed)
            assert len(self.sessions) == 0
            assert self.sessions._budget.used == 0
            assert len(self.ended) == len(self.known)
        super().teardown()


TestSessionLife = SessionLife.TestCase
TestSessionLife.settings = settings(max_examples=100, stateful_step_count=40)


async def test_a_session_that_ends_twice_ended_once() -> None:
    ended: list[str] = []
    sessions = Sessions(KeyRing(), *LOADS, lambda session: ended.append(session.id))
    session = sessions.start(Hello("2025-11-25", Capabilities(), b"{}"), Principal("a"), Arrival("http"))
    assert session is not None
    await asyncio.sleep(0)
    sessions.end(session)
    sessions.end(session)
    assert ended == [session.id]
