"""Legacy streams over HTTP: what outlives a connection, and what it is resumed from."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from only1mcp_kernel.gateway.clients import events
from only1mcp_kernel.gateway.clients.events import Budget, EventStream, Journal
from tests.kernel.gateway.servers import FakeConnection, FakeServer, Json
from tests.kernel.gateway.world import SDK_CAPS, Recorder, until, world

TOOLS = [{"name": "work"}, {"name": "quick"}]


class Worker:
    """A server whose tool reports progress when told to, and ends when told to."""

    def __init__(self) -> None:
        self.server = FakeServer("legacy", tools=TOOLS)
        self.server.methods["tools/call"] = self._call
        self.token: Any = None
        self.connection: FakeConnection | None = None
        self.go_on = asyncio.Event()

    def _call(self, connection: FakeConnection, params: Json) -> Any:
        if params["name"] == "quick":
            return {"content": []}
        self.connection, self.token = connection, params.get("_meta", {}).get("progressToken")
        return self._work()

    async def _work(self) -> Json:
        await self.go_on.wait()
        return {"content": [{"type": "text", "text": "done"}]}

    def progress(self, value: int) -> None:
        assert self.connection is not None
        self.connection.tell("notifications/progress", {"progressToken": self.token, "progress": value})

    async def called(self) -> None:
        await until(lambda: self.connection is not None)


def work() -> Json:
    return {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "tools/call",
        "params": {"name": "work", "_meta": {"progressToken": "t"}},
    }


async def test_a_stream_begins_with_an_id_and_each_event_has_one(tmp_path: Path) -> None:
    worker = Worker()
    async with world(tmp_path, one=worker.server) as it:
        client = it.http()
        await client.initialize()
        answer, _ = client.post(work())
        await worker.called()
        worker.progress(1)
        await answer.until_sent("notifications/progress")
        worker.go_on.set()
        assert (await answer.done())["result"]["content"][0]["text"] == "done"
        ids = [id for id, _ in answer.events]
        assert answer.events[0] == (ids[0], None)
        assert len(ids) == 3
        assert len(set(ids)) == 3


async def test_an_answer_with_nothing_before_it_is_no_stream(tmp_path: Path) -> None:
    worker = Worker()
    async with world(tmp_path, one=worker.server) as it:
        client = it.http()
        await client.initialize()
        answer = client.legacy("tools/call", {"name": "quick"})
        await answer.done()
        assert answer.events == []


async def test_a_client_that_waits_long_is_given_an_id_to_come_back_with(tmp_path: Path) -> None:
    worker = Worker()
    async with world(tmp_path, one=worker.server) as it:
        client = it.http()
        await client.initialize()
        answer, posting = client.post(work())
        await worker.called()
        posting.waiting()
        ((prime, message),) = answer.events
        assert message is None
        posting.disconnected()
        worker.go_on.set()
        await asyncio.sleep(0.02)
        resumed, _ = client.stream(prime)
        assert (await resumed.done())["id"] == 7
        assert resumed.events[0] == (prime, None)


async def test_a_lost_connection_is_no_cancellation_and_misses_nothing(tmp_path: Path) -> None:
    worker = Worker()
    async with world(tmp_path, one=worker.server) as it:
        client = it.http()
        await client.initialize()
        answer, posting = client.post(work())
        await worker.called()
        worker.progress(1)
        await answer.until_sent("notifications/progress")
        seen = answer.events[-1][0]
        posting.disconnected()
        worker.progress(2)
        await asyncio.sleep(0.02)
        resumed, again = client.stream(seen)
        worker.progress(3)
        await resumed.until_sent("notifications/progress", 2)
        assert [each["params"]["progress"] for each in resumed.sent] == [2, 3]
        again.disconnected()
        worker.go_on.set()
        await asyncio.sleep(0.02)
        last, _ = client.stream(resumed.events[-1][0])
        assert (await last.done())["result"]["content"][0]["text"] == "done"
        assert worker.connection is not None
        assert worker.connection.cancelled == []


@pytest.mark.parametrize("revision", ["2025-11-25", "2025-06-18"])
async def test_a_client_polls_while_the_server_is_polled(tmp_path: Path, revision: str) -> None:
    worker = Worker()
    async with world(tmp_path, one=worker.server) as it:
        client = it.http()
        await client.initialize(revision)
        answer, posting = client.post(work())
        await worker.called()
        assert worker.connection is not None
        worker.connection.inbox.paused(worker.server.calls("tools/call")[0]["id"])
        worker.go_on.set()
        if revision == "2025-06-18":  # knows nothing of it
            assert (await answer.done())["id"] == 7
            return
        assert await answer.done() is None
        posting.disconnected()
        ((prime, _),) = answer.events
        resumed, _ = client.stream(prime)
        assert (await resumed.done())["result"]["content"][0]["text"] == "done"


async def test_a_stream_has_one_connection_at_a_time(tmp_path: Path) -> None:
    worker = Worker()
    async with world(tmp_path, one=worker.server) as it:
        client = it.http()
        await client.initialize()
        first, posting = client.post(work())
        await worker.called()
        worker.progress(1)
        await first.until_sent("notifications/progress")
        second, _ = client.stream(first.events[0][0])
        await first.done()
        posting.disconnected()  # the listener only now sees the old one go
        worker.go_on.set()
        assert (await second.done())["id"] == 7
        assert [each["params"]["progress"] for each in second.sent] == [1]


async def test_an_answer_that_nobody_reads_is_dropped(tmp_path: Path) -> None:
    worker = Worker()
    async with world(tmp_path, one=worker.server) as it:
        client = it.http()
        await client.initialize()
        answer, posting = client.post(work())
        await worker.called()
        posting.disconnected()
        worker.progress(1)
        worker.go_on.set()
        await asyncio.sleep(0.02)
        assert not answer.events
        assert worker.connection is not None
        assert worker.connection.cancelled == []
        assert await client.legacy_result("ping") == {}


async def test_what_was_dropped_from_the_log_cannot_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MAX_EVENTS", 2)
    worker = Worker()
    async with world(tmp_path, one=worker.server) as it:
        client = it.http()
        await client.initialize()
        answer, posting = client.post(work())
        await worker.called()
        worker.progress(1)
        await answer.until_sent("notifications/progress")
        posting.disconnected()
        for value in (2, 3, 4):
            worker.progress(value)
        await asyncio.sleep(0.02)
        refused, _ = client.stream(answer.events[-1][0])
        await refused.done()
        assert refused.status == 404
        stream = answer.events[-1][0].partition("-")[0]
        kept, _ = client.stream(f"{stream}-2")
        worker.go_on.set()
        await kept.done()
        assert [each["params"]["progress"] for each in kept.sent] == [3, 4]


@pytest.mark.parametrize("id", ["", "1", "1-", "-1", "x-y", "1-99", "99-0", "١-٢", "9" * 30 + "-1", "1-0-0"])
async def test_an_event_id_that_was_never_given_leads_nowhere(tmp_path: Path, id: str) -> None:
    worker = Worker()
    async with world(tmp_path, one=worker.server) as it:
        client = it.http()
        await client.initialize()
        client.stream()
        answer, _ = client.stream(id)
        await answer.done()
        assert answer.status == 404


async def test_one_sessions_event_ids_mean_nothing_to_another(tmp_path: Path) -> None:
    worker = Worker()
    async with world(tmp_path, one=worker.server) as it:
        client, stranger = it.http(), it.http()
        await client.initialize()
        await stranger.initialize()
        answer, _ = client.post(work())
        await worker.called()
        worker.progress(1)
        await answer.until_sent("notifications/progress")
        refused, _ = stranger.stream(answer.events[0][0])
        await refused.done()
        assert refused.status == 404
        worker.go_on.set()
        await answer.done()


async def test_a_get_stream_is_resumed_and_told_what_it_missed(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=TOOLS)
    async with world(tmp_path, one=server) as it:
        client = it.http()
        await client.initialize()
        await client.legacy_result("tools/list")
        first, posting = client.stream()
        await asyncio.sleep(0.3)  # whatever was announced at the beginning
        changed = "notifications/tools/list_changed"
        seen, before = first.events[-1][0], len([each for each in first.sent if each["method"] == changed])
        server.tell_all("notifications/tools/list_changed")
        await first.until_sent(changed, before + 1)
        posting.disconnected()
        await asyncio.sleep(0.3)  # the pause between two announcements
        server.tell_all("notifications/tools/list_changed")
        await asyncio.sleep(0.1)
        again, _ = client.stream(seen)
        assert [each["method"] for each in again.sent] == [changed] * 2  # sent and lost, and held meanwhile
        fresh, _ = client.stream()
        assert fresh.sent == []


async def test_a_question_waits_on_the_stream_of_its_call(tmp_path: Path) -> None:
    server = FakeServer("legacy", tools=TOOLS)

    async def ask(connection: FakeConnection) -> Json:
        told = await connection.ask("elicitation/create", {"message": "?", "requestedSchema": {}})
        return {"content": [{"type": "text", "text": json.dumps(told["result"])}]}

    server.methods["tools/call"] = lambda connection, params: ask(connection)
    async with world(tmp_path, one=server) as it:
        client = it.http(capabilities=SDK_CAPS)
        await client.initialize()
        answer, posting = client.post(work())
        question = await answer.until_sent("elicitation/create")
        seen = answer.events[0][0]
        posting.disconnected()
        resumed, _ = client.stream(seen)
        assert resumed.sent[0]["id"] == question["id"]
        client.answer(question, {"action": "decline"})
        assert json.loads((await resumed.done())["result"]["content"][0]["text"]) == {"action": "decline"}


async def test_streams_of_one_session_are_bounded(tmp_path: Path) -> None:
    async with world(tmp_path, one=FakeServer("legacy", tools=TOOLS)) as it:
        client = it.http()
        await client.initialize()
        streams = [client.stream() for _ in range(events.MAX_EVENTS // 50)]
        assert sum(answer.finished.is_set() for answer, _ in streams) == len(streams) - 16


def test_logs_share_one_budget() -> None:
    budget = Budget(limit=100)
    one, two = Journal(budget), Journal(budget)
    for journal in (one, two):
        stream = EventStream(journal, Recorder())
        for _ in range(4):
            stream.send(b'"' + b"x" * 18 + b'"')
    assert budget.used <= 100
    one.close()
    two.close()
    assert budget.used == 0


def test_an_ended_stream_takes_no_place_once_its_events_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_EVENTS", 3)
    journal = Journal(Budget())
    for _ in range(10):
        stream = EventStream(journal, Recorder())
        stream.send(b"{}")
        stream.finish(b"{}")
        primed = EventStream(journal, Recorder())
        primed.waiting()
        primed.finish()
    assert len(journal._streams) <= 3
