"""Tasks of revision 2025-11-25 that clients run for servers, through the whole gateway."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.kernel.gateway.servers import FakeConnection, FakeServer, Json
from tests.kernel.gateway.task_servers import TIME
from tests.kernel.gateway.world import HttpClient, Recorder, World, started, until, world

CAPS: Json = {
    "sampling": {},
    "elicitation": {},
    "tasks": {"list": {}, "cancel": {}, "requests": {"sampling": {"createMessage": {}}}},
}
SAMPLE: Json = {"messages": [], "maxTokens": 1, "task": {"ttl": 60_000}}


def task(id: str, status: str = "working") -> Json:
    return {"taskId": id, "status": status, "createdAt": TIME, "lastUpdatedAt": TIME, "ttl": 60_000}


class Asking(FakeServer):
    """A legacy server whose tool wants a message sampled as a task, and then says which id it was given."""

    def __init__(self) -> None:
        super().__init__("legacy", tools=[{"name": "ask"}])
        self.methods["tools/call"] = self._ask
        self.ids: list[str] = []

    async def _ask(self, connection: FakeConnection, params: Json) -> Json:
        answer = await connection.ask("sampling/createMessage", SAMPLE)
        self.ids.append(answer["result"]["task"]["taskId"])
        return {"content": []}

    def connection(self) -> FakeConnection:
        return self.open_connections("legacy")[-1]


class Runner:
    """A client that runs tasks; it calls each of them `mine`."""

    def __init__(self, client: HttpClient) -> None:
        self.client = client
        self.stream: Recorder = client.stream()[0]

    @staticmethod
    async def of(it: World, **kwargs: Any) -> Runner:
        await it.gateway.settled(2)
        client = it.http(capabilities=CAPS, **kwargs)
        await client.initialize()
        return Runner(client)

    async def make(self) -> Json:
        """Call the tool, and answer its question with a task."""
        calling = self.client.legacy("tools/call", {"name": "ask"})
        question = await calling.until_sent("sampling/createMessage")
        assert question["params"] == SAMPLE
        self.client.answer(question, {"task": task("mine")})
        result: Json = (await calling.done())["result"]
        return result

    async def asked(self, method: str, count: int = 1) -> Json:
        return await self.stream.until_sent(method, count)


async def test_a_server_asks_about_the_task_of_a_client(tmp_path: Path) -> None:
    server = Asking()
    async with world(tmp_path, one=server) as it:
        runner = await Runner.of(it)
        await runner.make()
        assert server.connection().declared == CAPS
        (shown,) = server.ids
        assert shown != "mine"
        for number, method in enumerate(("tasks/get", "tasks/cancel")):
            answer = server.connection().ask(method, {"taskId": shown, "x": number})
            question = await runner.asked(method)
            assert question["params"] == {"taskId": "mine", "x": number}
            runner.client.answer(question, task("mine", "cancelled"))
            assert (await answer)["result"] == task(shown, "cancelled")
        answer = server.connection().ask("tasks/result", {"taskId": shown})
        question = await runner.asked("tasks/result")
        related = {"io.modelcontextprotocol/related-task": {"taskId": "mine"}}
        runner.client.answer(question, {"role": "assistant", "_meta": related})
        result = (await answer)["result"]
        assert result["_meta"] == {"io.modelcontextprotocol/related-task": {"taskId": shown}}


async def test_clients_that_choose_the_same_ids(tmp_path: Path) -> None:
    server = Asking()
    it = World(tmp_path, {"one": server})
    it.server_options["one"] = {"isolation": "principal"}
    async with started(it):
        runners = [await Runner.of(it) for _ in range(2)]
        for runner in runners:
            await runner.make()
        assert len(set(server.ids)) == 2
        answers = [server.connection().ask("tasks/get", {"taskId": id}) for id in server.ids]
        for runner, status in zip(runners, ("working", "failed"), strict=True):
            runner.client.answer(await runner.asked("tasks/get"), task("mine", status))
        results = [(await answer)["result"] for answer in answers]
        assert results == [task(server.ids[0], "working"), task(server.ids[1], "failed")]
        told = {"jsonrpc": "2.0", "method": "notifications/tasks/status", "params": task("mine", "completed")}
        runners[1].client.post(told)
        await until(lambda: server.calls("notifications/tasks/status"))
        await asyncio.sleep(0.02)
        said = [each["params"]["taskId"] for each in server.calls("notifications/tasks/status")]
        assert said == [server.ids[1]]
        listing = server.connection().ask("tasks/list")
        first = await runners[0].asked("tasks/list")
        runners[0].client.answer(first, {"tasks": [task("else")], "nextCursor": "more"})
        second = await runners[0].asked("tasks/list", 2)
        assert second["params"] == {"cursor": "more"}
        runners[0].client.answer(second, {"tasks": [task("mine")]})
        runners[1].client.answer(await runners[1].asked("tasks/list"), {"tasks": [task("mine", "failed")]})
        assert (await listing)["result"]["tasks"] == results


async def test_an_id_is_good_on_its_own_link_alone(tmp_path: Path) -> None:
    server = Asking()
    async with world(tmp_path, one=server) as it:
        runners = [await Runner.of(it) for _ in range(2)]
        for runner in runners:
            await runner.make()
        links = server.open_connections()[-2:]
        refused = await links[0].ask("tasks/get", {"taskId": server.ids[1]})
        assert refused["error"]["code"] == -32602
        assert (await links[1].ask("tasks/get", {"taskId": server.ids[0]}))["error"] == refused["error"]


async def test_its_status_is_told_to_the_server(tmp_path: Path) -> None:
    server = Asking()
    async with world(tmp_path, one=server) as it:
        runner = await Runner.of(it)
        await runner.make()
        for id in ("mine", "unknown"):
            params = task(id, "completed")
            runner.client.post({"jsonrpc": "2.0", "method": "notifications/tasks/status", "params": params})
        await until(lambda: server.calls("notifications/tasks/status"))
        await asyncio.sleep(0.05)
        told = [each["params"] for each in server.calls("notifications/tasks/status")]
        assert told == [task(server.ids[0], "completed")]


async def test_a_call_has_time_while_the_client_works_for_it(tmp_path: Path) -> None:
    server = Asking()

    async def ask(connection: FakeConnection, params: Json) -> Json:
        answer = await connection.ask("sampling/createMessage", SAMPLE)
        for _ in range(4):
            await asyncio.sleep(0.15)
            await connection.ask("tasks/get", {"taskId": answer["result"]["task"]["taskId"]})
        return {"content": []}

    server.methods["tools/call"] = ask
    it = World(tmp_path, {"one": server})
    it.server_options["one"] = {"call_timeout": 0.3}
    async with started(it):
        runner = await Runner.of(it)
        calling = runner.client.legacy("tools/call", {"name": "ask"})
        runner.client.answer(await calling.until_sent("sampling/createMessage"), {"task": task("mine")})
        for count in range(1, 5):
            runner.client.answer(await runner.asked("tasks/get", count), task("mine"))
        assert "result" in await calling.done()


async def test_what_a_server_may_not_ask(tmp_path: Path) -> None:
    server, other = Asking(), Asking()
    other.lists["tools"] = [{"name": "other"}]
    async with world(tmp_path, one=server, two=other) as it:
        runner = await Runner.of(it)
        await runner.make()
        stranger = other.connection()
        for method in ("tasks/get", "tasks/result", "tasks/cancel"):
            for connection, id in ((stranger, server.ids[0]), (server.connection(), "mine")):
                refused = await connection.ask(method, {"taskId": id})
                assert refused["error"]["code"] == -32602
            assert (await stranger.ask(method))["error"]["code"] == -32602
        assert (await stranger.ask("tasks/list"))["result"] == {"tasks": []}
        assert not [each for each in runner.stream.sent if each["method"].startswith("tasks/")]


async def test_the_task_of_a_client_that_left(tmp_path: Path) -> None:
    server = Asking()
    it = World(tmp_path, {"one": server})
    it.server_options["one"] = {"isolation": "principal"}
    async with started(it):
        runner = await Runner.of(it)
        await runner.make()
        answer = server.connection().ask("tasks/result", {"taskId": server.ids[0]})
        await runner.asked("tasks/result")
        session = next(iter(it.gateway._sessions))
        it.gateway._sessions.end(session)
        assert (await answer)["error"]["message"] == "The client is gone"
        of_clients = it.gateway._generation.servers["one"].tasks.of_clients  # type: ignore[union-attr]
        await until(lambda: not of_clients._tasks)
        assert not of_clients._known
        again = await server.connection().ask("tasks/get", {"taskId": server.ids[0]})
        assert again["error"]["code"] == -32602


async def test_a_server_that_no_longer_wants_to_know(tmp_path: Path) -> None:
    server = Asking()
    async with world(tmp_path, one=server) as it:
        runner = await Runner.of(it)
        await runner.make()
        server.connection().ask("tasks/result", {"taskId": server.ids[0]})
        question = await runner.asked("tasks/result")
        server.connection().tell(
            "notifications/cancelled", {"requestId": list(server.connection().asked)[-1]}
        )
        cancelled = await runner.asked("notifications/cancelled")
        assert cancelled["params"]["requestId"] == question["id"]


async def test_a_client_may_answer_at_once_instead(tmp_path: Path) -> None:
    server = Asking()
    answers: list[Json] = []

    async def ask(connection: FakeConnection, params: Json) -> Json:
        answers.append(await connection.ask("sampling/createMessage", SAMPLE))
        return {"content": []}

    server.methods["tools/call"] = ask
    async with world(tmp_path, one=server) as it:
        runner = await Runner.of(it)
        calling = runner.client.legacy("tools/call", {"name": "ask"})
        message = {"role": "assistant", "content": {"type": "text", "text": '"task"'}, "model": "m"}
        runner.client.answer(await calling.until_sent("sampling/createMessage"), message)
        await calling.done()
        assert answers[0]["result"] == message
