"""Tasks of real servers and clients through the gateway, in both directions and of both kinds."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.clients.steps import SAMPLE
from tests.scenarios.gateway import Gateway
from tests.scenarios.raw import Answer, Peer, Refused, opened
from tests.scenarios.raw_http import HttpPeer
from tests.scenarios.raw_stdio import StdioPeer
from tests.scenarios.tools import MADE, NODE_BIN, TINY, machine, why_missing

RELATED = "io.modelcontextprotocol/related-task"
EXTENSION = "io.modelcontextprotocol/tasks"
JOBS = Path(__file__).parent / "servers" / "jobs.py"
SDK1 = Path(__file__).parent / "servers" / "tasks_sdk1.py"
EVERYTHING: dict[str, Any] = {
    "command": str(NODE_BIN / "mcp-server-everything"),
    "args": [],
    "env": machine(),
}
WITH_TASKS: dict[str, Any] = {
    "elicitation": {},
    "sampling": {},
    "tasks": {"list": {}, "cancel": {}, "requests": {"sampling": {"createMessage": {}}}},
}


class Runner:
    """Runs the tasks that a server asks of its client: each is done at the second look."""

    def __init__(self) -> None:
        self.looks = 0

    @property
    def answers(self) -> dict[str, Answer]:
        return {
            "elicitation/create": lambda _: {"action": "accept", "content": {"interpretation": "snake"}},
            "sampling/createMessage": lambda params: {"task": self.task()} if "task" in params else SAMPLE,
            "tasks/get": lambda params: self.look(params),
            "tasks/result": lambda params: {**SAMPLE, "_meta": {RELATED: {"taskId": params["taskId"]}}},
        }

    def look(self, params: dict[str, Any]) -> dict[str, Any]:
        assert params["taskId"] == "mine"
        self.looks += 1
        return self.task("completed" if self.looks > 1 else "working")

    def task(self, status: str = "working") -> dict[str, Any]:
        at = "2026-01-01T00:00:00Z"
        return {"taskId": "mine", "status": status, "createdAt": at, "lastUpdatedAt": at, "ttl": 60_000}


class Window(HttpPeer):
    """A legacy client that takes tasks and runs them."""

    @property
    def capabilities(self) -> dict[str, Any]:
        return WITH_TASKS


class Direct(StdioPeer):
    @property
    def capabilities(self) -> dict[str, Any]:
        return WITH_TASKS


class Modern(HttpPeer):
    """A modern client that takes tasks."""

    @property
    def capabilities(self) -> dict[str, Any]:
        return {"elicitation": {}, "extensions": {EXTENSION: {}}}


async def research(peer: Peer, prefix: str) -> tuple[str, list[str], Any]:
    """Have something researched as a task, with a question on the way: its id, its states, its result."""
    arguments = {"topic": "python", "ambiguous": True}
    call = {"name": f"{prefix}simulate-research-query", "arguments": arguments, "task": {"ttl": 60_000}}
    created = await peer.value("tools/call", call)
    id: str = created["task"]["taskId"]
    states = [created["task"]["status"]]
    async with asyncio.timeout(30):
        while states[-1] != "input_required":
            await asyncio.sleep(0.2)
            task = await peer.value("tasks/get", {"taskId": id})
            assert task["taskId"] == id
            if task["status"] != states[-1]:
                states.append(task["status"])
    listed = await peer.value("tasks/list")
    assert id in [each["taskId"] for each in listed["tasks"]]
    result = await peer.value("tasks/result", {"taskId": id})
    assert result["_meta"][RELATED] == {"taskId": id}
    asked = [each for each in peer.questions if each["method"] == "elicitation/create"]
    assert [each["params"]["_meta"][RELATED]["taskId"] for each in asked] == [id]
    del result["_meta"]
    return id, [*states, (await peer.value("tasks/get", {"taskId": id}))["status"]], result


async def test_a_tool_that_needs_a_task_stays_as_it_is_among_searched_ones(folder: Path) -> None:
    if reason := why_missing("node", "servers"):
        pytest.skip(reason)
    config = {"servers": {"a": EVERYTHING}, "profiles": {"default": {"context": {"use": "search"}}}}
    with Gateway(folder, config) as gateway:
        gateway.start()
        async with opened(Window(gateway.url, "legacy", Runner().answers)) as window:
            async with asyncio.timeout(20):
                while len(listed := await window.entries("tools")) != 5:
                    await asyncio.sleep(0.1)
            assert "simulate-research-query" in str(listed)
            _, states, _ = await research(window, "")
            assert states == ["working", "input_required", "completed"]
            wrapped = {"name": "simulate-research-query", "arguments": {"topic": "python"}}
            assert "simulate-research-query" in str(await window.call("tool_call", wrapped))


async def test_two_real_servers_run_tasks_that_ask(folder: Path) -> None:
    if reason := why_missing("node", "servers"):
        pytest.skip(reason)
    direct = Direct([EVERYTHING["command"]], machine(), "legacy", Runner().answers)
    async with opened(direct):
        expected = (await research(direct, ""))[1:]
    assert expected[0] == ["working", "input_required", "completed"]
    with Gateway(folder, {"servers": {"a": EVERYTHING, "b": EVERYTHING}}) as gateway:
        gateway.start()
        async with opened(Window(gateway.url, "legacy", Runner().answers)) as scout:
            await scout.settled("tools", 2 * 16)
        windows = [Window(gateway.url, "legacy", Runner().answers) for _ in range(2)]
        async with opened(windows[0]), opened(windows[1]):
            assert windows[0].hello["capabilities"]["tasks"] == direct.hello["capabilities"]["tasks"]
            found = await asyncio.gather(
                *(research(window, prefix) for window, prefix in zip(windows, ("a_", "b_"), strict=True))
            )
            assert [each[1:] for each in found] == [expected, expected]
            assert found[0][0] != found[1][0]
            for method in ("tasks/get", "tasks/result"):
                with pytest.raises(Refused, match="-32602"):
                    await windows[0].value(method, {"taskId": found[0][0][:-1]})


async def test_a_real_server_has_its_clients_run_a_task(folder: Path) -> None:
    if reason := why_missing("node", "servers"):
        pytest.skip(reason)
    call = {"name": "trigger-sampling-request-async", "arguments": {"prompt": "what?"}}
    # Otherwise a question without a word on whose it is goes to the newest call.
    with Gateway(folder, {"servers": {"a": {**EVERYTHING, "isolation": "session"}}}) as gateway:
        gateway.start()
        runners = [Runner(), Runner()]
        windows = [Window(gateway.url, "legacy", runner.answers) for runner in runners]
        async with opened(windows[0]), opened(windows[1]):
            await windows[0].settled("tools", 16)
            results = await asyncio.gather(*(window.value("tools/call", call) for window in windows))
        for runner, result in zip(runners, results, strict=True):
            said = result["content"][0]["text"]
            assert "[COMPLETED]" in said
            assert "a driven answer" in said
            assert "mine" not in said
            assert runner.looks == 2


def test_the_first_generation_of_the_python_sdk(folder: Path) -> None:
    """Its client and its server, directly and through the gateway, see the same."""
    if reason := why_missing("mcp1"):
        pytest.skip(reason)
    python = str(MADE / "mcp1" / "bin" / "python")
    server = {"command": python, "args": [str(SDK1), "server"], "env": machine()}

    def played(target: str) -> Any:
        command = [python, str(SDK1), "client", target]
        done = subprocess.run(command, capture_output=True, text=True, env=machine(), timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    direct = played("")
    assert direct["asked"] == 1
    with Gateway(folder, {"servers": {"a": server}}) as gateway:
        gateway.start()
        assert played(gateway.url) == direct


async def test_tasks_of_the_extension(folder: Path) -> None:
    jobs = {"command": sys.executable, "args": ["-S", "-I", str(JOBS)]}
    with Gateway(folder, {"servers": {"a": jobs, "b": jobs}}) as gateway:
        gateway.start()
        async with (
            opened(Modern(gateway.url, "modern")) as peer,
            opened(HttpPeer(gateway.url, "modern")) as plain,
        ):
            await peer.settled("tools", 14)
            assert EXTENSION in (await peer.value("server/discover"))["capabilities"]["extensions"]
            ids = [(await peer.call(f"{server}_confirm_delete"))["taskId"] for server in "ab"]
            assert len(set(ids)) == 2
            for id in ids:
                task = await peer.value("tasks/get", {"taskId": id})
                assert (task["taskId"], task["status"]) == (id, "input_required")
                answers = {"confirm": {"action": "accept", "content": {"confirm": "yes"}}}
                await peer.value("tasks/update", {"taskId": id, "inputResponses": answers})
                async with asyncio.timeout(10):
                    while task["status"] != "completed":
                        task = await peer.value("tasks/get", {"taskId": id})
                assert task["result"]["content"][0]["text"] == "deleted"
            assert "content" in await plain.call("a_slow_compute", {"seconds": 0})
            with pytest.raises(Refused, match="-32021"):
                await plain.value("tasks/get", {"taskId": ids[0]})


@pytest.mark.parametrize("scenario", ["lifecycle", "capability-negotiation", "wire-fields", "request-state-removal",
                                      "mrtr-input", "request-headers", "dispatch-and-envelope", "required-task-error",
                                      "mrtr-composition"])  # fmt: skip
def test_scenarios_of_the_official_suite(scenario: str, jobs: Gateway, tmp_path: Path) -> None:
    """They are not scored, and that for status notifications skips itself."""
    suite = NODE_BIN / "conformance"
    if not suite.exists():
        pytest.skip("the conformance suite is not installed: run `make scenarios-tools`")
    command = [str(suite), "server", "--url", jobs.url, "--scenario", f"tasks-{scenario}", "--force"]
    command += ["--spec-version", "2026-07-28", "-o", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=machine(), timeout=60, check=False)
    files = list(tmp_path.glob("*/checks.json"))
    assert files, done.stdout + done.stderr
    checks = [check for file in files for check in json.loads(file.read_text())]
    assert len(checks) > 1
    assert [check for check in checks if check["status"] not in ("SUCCESS", "INFO")] == []


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway in front of the server of tasks and another one."""
    servers = {
        "jobs": {"command": sys.executable, "args": ["-S", "-I", str(JOBS)]},
        "tiny": {"command": sys.executable, "args": ["-S", "-I", str(TINY), "tiny"]},
    }
    with Gateway(tmp_path_factory.mktemp("jobs"), {"servers": servers}) as gateway:
        yield gateway.start()
