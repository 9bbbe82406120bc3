"""Tasks of revision 2025-11-25 that servers run, through the whole gateway."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from only1mcp_kernel.gateway.servers import endpoint
from only1mcp_kernel.gateway.tasks import ids as task_ids
from only1mcp_sdk import Arrival
from tests.kernel.gateway.servers import FakeConnection, FakeServer, Json
from tests.kernel.gateway.task_servers import RELATED, WORK, CoreTasks, ExtensionTasks, related
from tests.kernel.gateway.world import SDK_CAPS, HttpClient, Recorder, World, started, until, world

CALL: Json = {"name": "work", "task": {"ttl": 60_000}}


async def legacy(it: World, **kwargs: Any) -> HttpClient:
    await it.gateway.settled(2)
    client = it.http(**kwargs)
    await client.initialize()
    return client


async def make(client: HttpClient, name: str = "work") -> str:
    """A task, by the id the client gets."""
    created = await client.legacy_result("tools/call", {**CALL, "name": name})
    assert created["task"]["status"] == "working"
    id: str = created["task"]["taskId"]
    return id


async def error(client: HttpClient, method: str, params: Json) -> Json:
    refused: Json = (await client.legacy(method, params).done())["error"]
    return refused


async def test_the_life_of_a_task(tmp_path: Path) -> None:
    server = CoreTasks()
    async with world(tmp_path, one=server) as it:
        await it.gateway.settled(2)
        client = it.http()
        assert (await client.initialize())["capabilities"]["tasks"] == server.capabilities["tasks"]
        assert (await client.legacy_result("tools/list"))["tools"] == [WORK]
        id = await make(client)
        assert id != "task-1"
        assert server.calls("tools/call")[-1]["params"]["task"] == {"ttl": 60_000}
        task = await client.legacy_result("tasks/get", {"taskId": id})
        assert task == {**server.connection().tasks["task-1"], "taskId": id}
        assert await client.legacy_result("tasks/list") == {"tasks": [task]}
        waiting = client.legacy("tasks/result", {"taskId": id})
        await until(lambda: server.calls("tasks/result"))
        server.connection().finish("task-1", {"content": []})
        assert (await waiting.done())["result"] == {"content": [], "_meta": related(id)}
        other = await make(client)
        cancelled = await client.legacy_result("tasks/cancel", {"taskId": other})
        assert cancelled["taskId"] == other
        assert cancelled["status"] == "cancelled"
        sent = {each["params"]["taskId"] for each in server.received if each["method"].startswith("tasks/")
                and each["method"] != "tasks/list"}  # fmt: skip
        assert sent == {"task-1", "task-2"}


async def test_tasks_of_two_servers_with_the_same_ids(tmp_path: Path) -> None:
    one, two = CoreTasks(), CoreTasks()
    two.lists["tools"] = [{"name": "other"}]
    async with world(tmp_path, one=one, two=two) as it:
        client = await legacy(it)
        first, second = await make(client), await make(client, "other")
        assert first != second
        two.connection().tasks["task-1"]["status"] = "failed"
        assert (await client.legacy_result("tasks/get", {"taskId": first}))["status"] == "working"
        assert (await client.legacy_result("tasks/get", {"taskId": second}))["status"] == "failed"
        listed = (await client.legacy_result("tasks/list"))["tasks"]
        assert [each["taskId"] for each in listed] == [first, second]


async def test_a_server_whose_tasks_cannot_be_listed_is_left_out(tmp_path: Path) -> None:
    one, two = CoreTasks(), CoreTasks()
    two.lists["tools"] = [{"name": "other"}]
    del one.capabilities["tasks"]["list"]
    async with world(tmp_path, one=one, two=two) as it:
        client = await legacy(it)
        await make(client)
        listed = (await make(client, "other"), (await client.legacy_result("tasks/list"))["tasks"])
        assert [each["taskId"] for each in listed[1]] == [listed[0]]
        assert not one.calls("tasks/list")
        forged = await error(client, "tasks/list", {"cursor": "x"})
        assert forged == await error(client, "tools/list", {"cursor": "x"})
        assert forged["code"] == -32602


async def test_what_is_not_this_principals_is_refused_with_one_message(tmp_path: Path) -> None:
    server = CoreTasks()
    it = World(tmp_path, {"one": server})
    it.authenticated = True
    async with started(it):
        ann, bob = await legacy(it, token="ann"), await legacy(it, token="bob")
        anns, bobs = await make(ann), await make(bob)
        assert (await ann.legacy_result("tasks/get", {"taskId": anns}))["taskId"] == anns
        forged = anns[:-2] + ("AA" if anns[-2:] != "AA" else "BB")
        refusals = [
            await error(bob, method, {"taskId": id})
            for method in ("tasks/get", "tasks/result", "tasks/cancel")
            for id in (anns, forged, "task-1", "", "o1-\u00e9")
        ]
        assert refusals == [refusals[0]] * len(refusals)
        assert refusals[0]["code"] == -32602
        assert (await error(bob, "tasks/get", {"taskId": 1}))["code"] == -32602
        assert [each["taskId"] for each in (await bob.legacy_result("tasks/list"))["tasks"]] == [bobs]


async def test_a_list_of_many_pages(tmp_path: Path) -> None:
    server = CoreTasks()
    async with world(tmp_path, one=server) as it:
        client = await legacy(it)
        ids = [await make(client) for _ in range(5)]
        listed = await client.legacy_result("tasks/list")
        assert [each["taskId"] for each in listed["tasks"]] == ids
        assert listed.keys() == {"tasks"}


async def test_a_list_never_shows_what_another_principal_made(tmp_path: Path) -> None:
    server = CoreTasks()
    it = World(tmp_path, {"one": server})
    it.authenticated = True
    it.server_options["one"] = {"isolation": "shared"}
    async with started(it):
        ann, bob = await legacy(it, token="ann"), await legacy(it, token="bob")
        anns, bobs = await make(ann), await make(bob)
        assert len(server.open_connections()) == 1
        assert [each["taskId"] for each in (await ann.legacy_result("tasks/list"))["tasks"]] == [anns]
        assert [each["taskId"] for each in (await bob.legacy_result("tasks/list"))["tasks"]] == [bobs]
        streams = [client.stream()[0] for client in (ann, bob)]
        server.connection().tell("notifications/tasks/status", server.connection().tasks["task-2"])
        told = await streams[1].until_sent("notifications/tasks/status")
        assert told["params"]["taskId"] == bobs
        assert streams[0].sent == []


async def test_its_status_is_told_to_the_session_that_made_it(tmp_path: Path) -> None:
    server = CoreTasks()
    async with world(tmp_path, one=server) as it:
        mine, other = await legacy(it), await legacy(it)
        streams = [client.stream()[0] for client in (mine, other)]
        await other.legacy_result("tools/call", {"name": "work"})
        id = await make(mine)
        server.connection().tell(
            "notifications/tasks/status", {**server.connection().tasks["task-1"], "x": 1}
        )
        told = await streams[0].until_sent("notifications/tasks/status")
        assert told["params"] == {**server.connection().tasks["task-1"], "taskId": id, "x": 1}
        server.connection().tell("notifications/tasks/status", {"taskId": "unknown"})
        await asyncio.sleep(0.05)
        assert len(streams[0].sent) == 1
        assert streams[1].sent == []


async def test_questions_of_a_task_go_to_whoever_waits_for_its_result(tmp_path: Path) -> None:
    server = CoreTasks()
    async with world(tmp_path, one=server) as it:
        client = await legacy(it, capabilities=SDK_CAPS)
        id = await make(client)
        busy = client.legacy("tasks/result", {"taskId": await make(client)})
        waiting = client.legacy("tasks/result", {"taskId": id})
        later = client.legacy("tasks/result", {"taskId": await make(client)})
        await until(lambda: len(server.calls("tasks/result")) == 3)
        connection = server.connection()
        answer = connection.ask("elicitation/create", {"message": "who?", "_meta": related("task-1")})
        question = await waiting.until_sent("elicitation/create")
        assert question["params"] == {"message": "who?", "_meta": related(id)}
        assert busy.sent == later.sent == []
        client.answer(question, {"action": "accept", "content": {}, "_meta": related(id)})
        assert (await answer)["result"] == {"action": "accept", "content": {}, "_meta": related("task-1")}
        connection.finish("task-1", {"content": []})
        assert (await waiting.done())["result"]["_meta"] == related(id)


async def test_a_question_outlives_the_request_it_was_put_on(tmp_path: Path) -> None:
    server = CoreTasks()
    async with world(tmp_path, one=server) as it:
        client = await legacy(it, capabilities=SDK_CAPS)
        stream = client.stream()[0]
        id = await make(client)
        waiting = client.legacy("tasks/result", {"taskId": id}, id="result")
        await until(lambda: server.calls("tasks/result"))
        answer = server.connection().ask("elicitation/create", {"_meta": related("task-1")})
        await waiting.until_sent("elicitation/create")
        client.post(
            {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "result"}}
        )
        again = await stream.until_sent("elicitation/create")
        assert again["params"]["_meta"] == related(id)
        client.answer(again, {"action": "accept", "_meta": related(id)})
        assert (await answer)["result"] == {"action": "accept", "_meta": related("task-1")}


async def test_questions_of_a_task_nobody_waits_for_go_to_its_session(tmp_path: Path) -> None:
    server = CoreTasks()
    async with world(tmp_path, one=server) as it:
        mine, other = await legacy(it, capabilities=SDK_CAPS), await legacy(it, capabilities=SDK_CAPS)
        stream = mine.stream()[0]
        id = await make(mine)
        server.methods["tools/call"] = lambda connection, params: asyncio.sleep(5)
        busy = other.legacy("tools/call", {"name": "work"})
        await until(lambda: len(server.calls("tools/call")) == 2)
        answer = server.open_connections()[-2].ask("elicitation/create", {"_meta": related("task-1")})
        question = await stream.until_sent("elicitation/create")
        assert question["params"]["_meta"] == related(id)
        mine.answer(question, {"action": "decline", "_meta": related(id)})
        assert (await answer)["result"] == {"action": "decline", "_meta": related("task-1")}
        assert busy.sent == []


async def test_what_comes_on_the_stream_of_somebody_elses_request(tmp_path: Path) -> None:
    """Servers may speak of a task on any stream; over a link that principals share, too."""
    server = CoreTasks()
    it = World(tmp_path, {"one": server})
    it.authenticated = True
    it.server_options["one"] = {"isolation": "shared"}
    async with started(it):
        ann, bob = [await legacy(it, token=name, capabilities=SDK_CAPS) for name in ("ann", "bob")]
        stream = ann.stream()[0]
        id = await make(ann)
        server.methods["tools/call"] = lambda connection, params: asyncio.sleep(5)
        bobs = bob.legacy("tools/call", {"name": "work"})
        await until(lambda: len(server.calls("tools/call")) == 2)
        call, connection = server.calls("tools/call")[-1], server.connection()
        connection.say(call, "notifications/tasks/status", connection.tasks["task-1"])
        connection.say(call, "notifications/message", {"level": "error", "_meta": related("task-1")})
        connection.asked["q"] = asyncio.get_running_loop().create_future()
        connection.say(call, "elicitation/create", {"_meta": related("task-1")}, id="q")
        assert (await stream.until_sent("notifications/tasks/status"))["params"]["taskId"] == id
        assert (await stream.until_sent("notifications/message"))["params"]["_meta"] == related(id)
        ann.answer(await stream.until_sent("elicitation/create"), {"action": "accept"})
        assert (await connection.asked["q"])["result"] == {"action": "accept"}
        assert bobs.sent == []


async def test_a_question_is_for_the_session_that_made_the_task(tmp_path: Path) -> None:
    server = CoreTasks()
    it = World(tmp_path, {"one": server})
    it.server_options["one"] = {"isolation": "principal"}
    async with started(it):
        first, second = [await legacy(it, capabilities=SDK_CAPS) for _ in range(2)]
        await first.legacy_result("tools/call", {"name": "work"})
        streams = [client.stream()[0] for client in (first, second)]
        await make(second)
        server.connection().ask("elicitation/create", {"_meta": related("task-1")})
        await streams[1].until_sent("elicitation/create")
        assert streams[0].sent == []


async def test_a_question_may_come_before_the_task_is_announced(tmp_path: Path) -> None:
    server = CoreTasks()

    async def ask_first(connection: FakeConnection, params: Json) -> Json:
        await connection.ask("elicitation/create", {"_meta": related("task-1")})
        return {"task": server.make(server.connection())}

    server.methods["tools/call"] = ask_first
    async with world(tmp_path, one=server) as it:
        client = await legacy(it, capabilities=SDK_CAPS)
        making = client.legacy("tools/call", CALL)
        question = await making.until_sent("elicitation/create")
        client.answer(question, {"action": "accept"})
        created = (await making.done())["result"]
        assert question["params"]["_meta"] == related(created["task"]["taskId"])


async def test_progress_goes_on_after_the_task_was_made(tmp_path: Path) -> None:
    server = CoreTasks()
    async with world(tmp_path, one=server) as it:
        client = await legacy(it)
        stream = client.stream()[0]
        await client.legacy_result("tools/call", {**CALL, "_meta": {"progressToken": "mine"}})
        token = server.calls("tools/call")[-1]["params"]["_meta"]["progressToken"]
        server.connection().tell("notifications/progress", {"progressToken": token, "progress": 1})
        told = await stream.until_sent("notifications/progress")
        assert told["params"] == {"progressToken": "mine", "progress": 1}


async def test_what_is_said_about_a_task_carries_the_id_the_client_knows(tmp_path: Path) -> None:
    server = CoreTasks()
    async with world(tmp_path, one=server) as it:
        client = await legacy(it)
        stream = client.stream()[0]
        id = await make(client)
        message = {"level": "error", "data": "task-1", "_meta": related("task-1")}
        server.connection().tell("notifications/message", message)
        told = await stream.until_sent("notifications/message")
        assert told["params"] == {**message, "_meta": related(id)}
        await client.legacy_result("tools/call", {"name": "work", "_meta": related(id)})
        assert server.calls("tools/call")[-1]["params"]["_meta"] == related("task-1")


async def test_a_task_holds_its_link_after_its_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = CoreTasks(ttl=100)
    monkeypatch.setattr(task_ids, "SHORTEST", 0.3)
    async with world(tmp_path, one=server) as it:
        client = await legacy(it, capabilities=SDK_CAPS)
        id = await make(client)
        connection = server.connection()
        it.gateway.gate.end(Arrival("http", "default", {**client.headers, **client.session}), Recorder())
        await asyncio.sleep(0.05)
        one = it.gateway._generation.servers["one"].endpoints[0]  # type: ignore[union-attr]
        loop = asyncio.get_running_loop()
        await one.retire(loop.time())
        assert connection in server.open_connections()
        again = await legacy(it, capabilities=SDK_CAPS)
        assert (await again.legacy_result("tasks/get", {"taskId": id}))["status"] == "working"
        await asyncio.sleep(0.4)
        it.gateway._task_ids.expire()
        assert (await error(again, "tasks/get", {"taskId": id}))["code"] == -32602
        await one.retire(loop.time() + 301)
        assert connection not in server.open_connections()
        assert len(it.gateway._task_ids) == 0


async def test_a_task_keeps_a_link_that_is_idle(tmp_path: Path) -> None:
    server = CoreTasks()
    it = World(tmp_path, {"one": server})
    it.server_options["one"] = {"idle_stop": 1.0}
    async with started(it):
        client = await legacy(it, capabilities=SDK_CAPS)
        await make(client)
        other = await legacy(it, capabilities={"roots": {}})
        await other.legacy_result("tools/call", {"name": "work"})
        before = server.open_connections()
        one = it.gateway._generation.servers["one"].endpoints[0]  # type: ignore[union-attr]
        await one.retire(asyncio.get_running_loop().time() + 30)
        assert len(server.open_connections()) == len(before) - 1
        assert before[1] in server.open_connections()


async def test_what_a_session_alone_could_use_is_kept_apart_until_its_tasks_are_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = CoreTasks(ttl=100)
    monkeypatch.setattr(task_ids, "SHORTEST", 0.3)
    monkeypatch.setattr(endpoint, "MAX_LINKS", 3)
    it = World(tmp_path, {"one": server})
    it.server_options["one"] = {"isolation": "session"}
    async with started(it):
        clients = [await legacy(it, capabilities=SDK_CAPS) for _ in range(3)]
        ids = [await make(client) for client in clients[:2]]
        for client in clients[:2]:
            it.gateway.gate.end(Arrival("http", "default", {**client.headers, **client.session}), Recorder())
        await asyncio.sleep(0.05)
        assert len(server.open_connections()) == 3
        await make(clients[2])  # there is room for one, at the cost of the task that is over first
        assert len(server.open_connections()) == 3
        assert (await error(clients[2], "tasks/get", {"taskId": ids[0]}))["code"] == -32602
        assert (await clients[2].legacy_result("tasks/get", {"taskId": ids[1]}))["taskId"] == ids[1]
        await asyncio.sleep(0.4)
        one = it.gateway._generation.servers["one"].endpoints[0]  # type: ignore[union-attr]
        await one.retire(asyncio.get_running_loop().time())
        assert len(server.open_connections()) == 2


async def test_a_link_that_holds_a_task_belongs_to_its_session(tmp_path: Path) -> None:
    server = CoreTasks()
    async with world(tmp_path, one=server) as it:
        first, second = await legacy(it, capabilities=SDK_CAPS), await legacy(it, capabilities=SDK_CAPS)
        await second.legacy_result("tools/call", {"name": "work"})
        before = len(server.open_connections())
        await make(first)
        await first.legacy_result("tools/call", {"name": "work"})
        assert len(server.open_connections()) == before
        await second.legacy_result("tools/call", {"name": "work"})
        assert len(server.open_connections()) == before + 1
        assert len(server.open_connections()[-2].server.calls("tools/call")) == 4


async def test_a_task_goes_with_its_link(tmp_path: Path) -> None:
    server = CoreTasks()
    async with world(tmp_path, one=server) as it:
        client = await legacy(it)
        id = await make(client)
        server.connection().die()
        await until(lambda: server.open_connections())
        await make(client)  # of the same own id, over another link
        assert (await error(client, "tasks/get", {"taskId": id}))["code"] == -32602
        assert len((await client.legacy_result("tasks/list"))["tasks"]) == 1


async def test_waiting_for_a_result_takes_as_long_as_the_task(tmp_path: Path) -> None:
    server = CoreTasks()
    it = World(tmp_path, {"one": server})
    it.server_options["one"] = {"call_timeout": 0.1}
    async with started(it):
        client = await legacy(it)
        waiting = client.legacy("tasks/result", {"taskId": await make(client)})
        await asyncio.sleep(0.3)
        server.connection().finish("task-1", {"content": []})
        assert "result" in await waiting.done()


async def test_a_result_that_is_no_task_is_left_alone(tmp_path: Path) -> None:
    server = CoreTasks()
    server.methods["tools/call"] = lambda connection, params: {"task": {"taskId": "a", "ttl": [1]}}
    async with world(tmp_path, one=server) as it:
        client = await legacy(it)
        created = await client.legacy_result("tools/call", CALL)
        assert created["task"]["taskId"] != "a"
        odd: list[Json] = [{"task": 1}, {"task": {}}, {"task": {"taskId": 7}}, {"content": []}]
        answers = iter(odd)
        server.methods["tools/call"] = lambda connection, params: next(answers)
        for each in odd:
            assert await client.legacy_result("tools/call", CALL) == each


async def test_across_eras_there_are_no_tasks(tmp_path: Path) -> None:
    core, extension = CoreTasks(), ExtensionTasks()
    extension.lists["tools"] = [{"name": "other", "execution": {"taskSupport": "required"}}]
    both = {"tasks": {"requests": {}}, "extensions": {"io.modelcontextprotocol/tasks": {}, "x/y": {"a": 1}}}
    async with world(tmp_path, core=core, extension=extension) as it:
        client = await legacy(it, capabilities=both)
        tools = (await client.legacy_result("tools/list"))["tools"]
        assert tools == [WORK, {"name": "other"}]
        plain = await client.legacy_result("tools/call", {**CALL, "name": "other"})
        assert "content" in plain
        sent = extension.calls("tools/call")[-1]["params"]
        assert "task" not in sent
        declared = sent["_meta"]["io.modelcontextprotocol/clientCapabilities"]
        assert declared == {"extensions": {"x/y": {"a": 1}}}
        modern = it.http(capabilities=both)
        tools = (await modern.modern_result("tools/list"))["tools"]
        assert [each for each in tools if "execution" in each] == [extension.lists["tools"][0]]
        assert "content" in await modern.modern_result("tools/call", CALL)
        assert "task" not in core.calls("tools/call")[-1]["params"]
        assert core.open_connections()[-1].declared == {"extensions": {"x/y": {"a": 1}}}
        shown = (await modern.modern_result("server/discover"))["capabilities"]
        assert "tasks" not in shown
        assert "io.modelcontextprotocol/tasks" in shown["extensions"]
        greeting = (await it.http().initialize())["capabilities"]
        assert "tasks" in greeting
        assert "io.modelcontextprotocol/tasks" not in greeting.get("extensions", {})


async def test_where_no_server_runs_tasks_their_methods_do_not_exist(tmp_path: Path) -> None:
    async with world(tmp_path, one=ExtensionTasks(), two=FakeServer("legacy")) as it:
        client = await legacy(it)
        for method in ("tasks/get", "tasks/result", "tasks/cancel", "tasks/list", "tasks/update"):
            assert (await error(client, method, {"taskId": "x"}))["code"] == -32601
    assert RELATED.startswith("io.modelcontextprotocol/")
