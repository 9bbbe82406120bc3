"""Tasks of the extension for 2026-07-28 (SEP-2663), through the whole gateway."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.kernel.gateway.servers import FakeServer, Json
from tests.kernel.gateway.task_servers import EXTENSION, CoreTasks, ExtensionTasks, TaskConnection
from tests.kernel.gateway.world import HttpClient, World, started, until, world

CAPS: Json = {"elicitation": {}, "extensions": {EXTENSION: {}}}
NEEDED: Json = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}


async def modern(it: World, capabilities: Json = CAPS, **kwargs: Any) -> HttpClient:
    await it.gateway.settled(2)
    return it.http(capabilities=capabilities, **kwargs)


async def make(client: HttpClient, name: str = "work") -> str:
    created = await client.modern_result("tools/call", {"name": name})
    assert created["resultType"] == "task"
    id: str = created["taskId"]
    return id


async def refused(client: HttpClient, method: str, params: Json) -> tuple[int, Json]:
    answer = client.modern(method, params)
    error: Json = (await answer.done())["error"]
    return answer.status, error


async def test_the_life_of_a_task(tmp_path: Path) -> None:
    server = ExtensionTasks()
    async with world(tmp_path, one=server) as it:
        client = await modern(it)
        shown = (await client.modern_result("server/discover"))["capabilities"]
        assert shown["extensions"] == {EXTENSION: {}}
        created = await client.modern_result("tools/call", {"name": "work"})
        id = created["taskId"]
        assert id != "task-1"
        assert created == {"resultType": "task", **server.tasks["task-1"], "taskId": id}
        wanted = {"name": {"method": "elicitation/create", "params": {"message": "task-1"}}}
        server.tasks["task-1"].update(status="input_required", inputRequests=wanted)
        got = await client.modern_result("tasks/get", {"taskId": id})
        assert got == {"resultType": "complete", **server.tasks["task-1"], "taskId": id}
        answers = {"inputResponses": {"name": {"action": "accept"}}}
        assert await client.modern_result("tasks/update", {"taskId": id, **answers}) == {
            "resultType": "complete"
        }
        assert server.calls("tasks/update")[-1]["params"]["inputResponses"] == answers["inputResponses"]
        assert await client.modern_result("tasks/cancel", {"taskId": id}) == {"resultType": "complete"}
        sent = [each["params"]["taskId"] for each in server.received if each["method"].startswith("tasks/")]
        assert sent == ["task-1"] * 3
        connection = server.open_connections()[0]
        assert isinstance(connection, TaskConnection)
        named = {
            each.get("Mcp-Name") for each in connection.headers if each["Mcp-Method"].startswith("tasks/")
        }
        assert named == {"task-1"}


async def test_the_header_must_name_the_task(tmp_path: Path) -> None:
    async with world(tmp_path, one=ExtensionTasks()) as it:
        client = await modern(it)
        id = await make(client)
        meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": CAPS,
        }
        for method in ("tasks/get", "tasks/update", "tasks/cancel"):
            message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"taskId": id, "_meta": meta}}
            for name in ({}, {"mcp_name": "other"}):
                answer, _ = client.post(message, mcp_protocol_version="2026-07-28", mcp_method=method, **name)
                assert (await answer.done())["error"]["code"] == -32020
                assert answer.status == 400


async def test_only_clients_that_declare_the_extension_have_tasks(tmp_path: Path) -> None:
    server = ExtensionTasks()
    async with world(tmp_path, one=server) as it:
        id = await make(await modern(it))
        plain = await modern(it, {"extensions": {"else": {}}, "tasks": {}})
        assert "content" in await plain.modern_result("tools/call", {"name": "work"})
        for method in ("tasks/get", "tasks/update", "tasks/cancel"):
            for each in (id, "gate-test"):
                status, error = await refused(plain, method, {"taskId": each})
                assert (status, error["code"], error["data"]) == (400, -32021, NEEDED)
        answer = plain.modern("subscriptions/listen", {"notifications": {"taskIds": [id]}})
        error = (await answer.done())["error"]
        assert (answer.status, error["code"], error["data"]) == (400, -32021, NEEDED)
        server.always = True
        status, error = await refused(plain, "tools/call", {"name": "work"})
        assert (status, error["code"], error["data"]) == (400, -32021, NEEDED)
        legacy = it.http(capabilities=CAPS)
        await legacy.initialize()
        assert (await legacy.legacy("tools/call", {"name": "work"}).done())["error"]["code"] == -32603
        assert not server.calls("tasks/get")


async def test_what_is_not_this_principals_is_refused_with_one_message(tmp_path: Path) -> None:
    it = World(tmp_path, {"one": ExtensionTasks(), "core": CoreTasks()})
    it.servers["core"][0].lists["tools"] = [{"name": "core"}]
    it.authenticated = True
    async with started(it):
        ann, bob = await modern(it, token="ann"), await modern(it, token="bob")
        anns = await make(ann)
        legacy = it.http(token="bob")
        await legacy.initialize()
        created = await legacy.legacy_result("tools/call", {"name": "core", "task": {}})
        cores = created["task"]["taskId"]
        refusals = [
            await refused(bob, method, {"taskId": id})
            for method in ("tasks/get", "tasks/update", "tasks/cancel")
            for id in (anns, anns + "A", "task-1", "", cores)
        ]
        assert refusals == [refusals[0]] * len(refusals)
        assert refusals[0][0] == 400
        assert refusals[0][1]["code"] == -32602
        mine = await make(bob)
        other = await legacy.legacy("tasks/get", {"taskId": mine}).done()
        assert other["error"] == refusals[0][1]


async def test_the_servers_own_refusals_are_passed_on(tmp_path: Path) -> None:
    server = ExtensionTasks()
    async with world(tmp_path, one=server) as it:
        client = await modern(it)
        id = await make(client)
        server.tasks.clear()
        _, error = await refused(client, "tasks/get", {"taskId": id})
        assert error == {"code": -32602, "message": "Failed to retrieve task: task-1"}


async def test_methods_of_the_other_era(tmp_path: Path) -> None:
    async with world(tmp_path, one=ExtensionTasks()) as it:
        client = await modern(it)
        id = await make(client)
        for method in ("tasks/list", "tasks/result"):
            status, error = await refused(client, method, {"taskId": id})
            assert (status, error["code"]) == (404, -32601)


async def test_where_no_server_runs_tasks_their_methods_do_not_exist(tmp_path: Path) -> None:
    async with world(tmp_path, one=FakeServer(), two=CoreTasks()) as it:
        client = await modern(it)
        for method in ("tasks/get", "tasks/update", "tasks/cancel"):
            assert (await refused(client, method, {"taskId": "x"}))[0] == 404


async def test_a_task_is_asked_for_where_it_was_made(tmp_path: Path) -> None:
    replicas = [ExtensionTasks(), ExtensionTasks()]
    async with world(tmp_path, one=[*replicas]) as it:
        client = await modern(it)
        await until(lambda: all(each.open_connections() for each in replicas))
        await asyncio.sleep(0.05)
        ids = [await make(client) for _ in range(4)]
        assert len(set(ids)) == 4
        assert [len(each.tasks) for each in replicas] == [2, 2]
        for _ in range(2):
            for id in sorted(ids):
                await client.modern_result("tasks/get", {"taskId": id})
        assert [len(each.calls("tasks/get")) for each in replicas] == [4, 4]
        for _ in range(3):
            await client.modern_result("tasks/get", {"taskId": ids[0]})
        again = await client.modern_result("tasks/get", {"taskId": ids[0]})
        assert again["taskId"] == ids[0]


async def test_an_id_is_good_as_long_as_the_server_is_the_same(tmp_path: Path) -> None:
    server = ExtensionTasks()
    async with world(tmp_path, one=server) as it:
        client = await modern(it)
        id = await make(client)
        server.open_connections()[0].die()
        await until(lambda: server.open_connections())
        assert (await client.modern_result("tasks/get", {"taskId": id}))["taskId"] == id
        task = next(iter(it.gateway._task_ids._tasks["anonymous"].values()))
        it.gateway._task_ids._drop(task)
        assert (await client.modern_result("tasks/get", {"taskId": id}))["taskId"] == id
        it.servers["else"] = it.servers.pop("one")
        await it.reload()
        assert (await refused(client, "tasks/get", {"taskId": id}))[1]["code"] == -32602


async def test_listening_to_tasks(tmp_path: Path) -> None:
    server = ExtensionTasks()
    it = World(tmp_path, {"one": server, "two": FakeServer("modern")})
    it.authenticated = True
    async with started(it):
        ann, bob = await modern(it, token="ann"), await modern(it, token="bob")
        anns, bobs = await make(ann), await make(bob)
        assert server.tasks.keys() == {"task-1", "task-2"}
        streams = []
        for client, own in ((ann, anns), (bob, bobs)):
            listened = {"notifications": {"taskIds": [anns, "forged", bobs], "toolsListChanged": True}}
            answer, posting = client.modern_posting("subscriptions/listen", listened, id=own[-4:])
            streams.append((answer, posting))
            acknowledged = await answer.until_sent("notifications/subscriptions/acknowledged")
            assert acknowledged["params"]["notifications"] == {"taskIds": [own], "toolsListChanged": True}
        for id in ("task-1", "task-2"):
            server.changed(id, status="completed", result={"content": []})
        for (answer, _), id in zip(streams, (anns, bobs), strict=True):
            told = await answer.until_sent("notifications/tasks")
            assert told["params"]["taskId"] == id
            assert told["params"]["result"] == {"content": []}
            assert told["params"]["_meta"] == {"io.modelcontextprotocol/subscriptionId": id[-4:]}
            assert len([each for each in answer.sent if each["method"] == "notifications/tasks"]) == 1
        streams[0][1].disconnected()
        connection = server.open_connections()[0]
        await until(lambda: [each.get("taskIds") for each in connection.listening.values()] == [["task-2"]])
        server.open_connections()[0].die()
        await until(lambda: [each for each in server.open_connections() if each.listening], 3)
        server.changed("task-2", status="failed")
        assert (await streams[1][0].until_sent("notifications/tasks", 2))["params"]["status"] == "failed"
        streams[1][1].disconnected()


@pytest.mark.parametrize("accepts", [False, True])
async def test_a_server_that_tells_of_no_tasks(tmp_path: Path, accepts: bool) -> None:
    server = ExtensionTasks()
    server.connection_type = TaskConnection if accepts else Deaf
    async with world(tmp_path, one=server) as it:
        client = await modern(it)
        id = await make(client)
        answer = client.modern("subscriptions/listen", {"notifications": {"taskIds": [id]}})
        acknowledged = await answer.until_sent("notifications/subscriptions/acknowledged")
        assert acknowledged["params"]["notifications"] == ({"taskIds": [id]} if accepts else {})


class Deaf(TaskConnection):
    """Ignores the tasks in a filter."""

    def _listen(self, id: Any, wanted: Json) -> None:
        super()._listen(id, {name: value for name, value in wanted.items() if name != "taskIds"})


async def test_bad_filters(tmp_path: Path) -> None:
    async with world(tmp_path, one=ExtensionTasks()) as it:
        client = await modern(it)
        odd: list[Any] = ["x", [1], {"a": 1}, ["x"] * 1001]
        for each in odd:
            answer = client.modern("subscriptions/listen", {"notifications": {"taskIds": each}})
            assert (await answer.done())["error"]["code"] == -32602
