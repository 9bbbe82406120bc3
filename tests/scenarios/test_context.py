"""A profile with `context:` in front of real servers: everything can be found, called and read as without."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.drivers import (
    SDK1,
    SDK2_AUTO,
    SDK2_LEGACY,
    SDK2_MODERN,
    ClientFailed,
    SdkClient,
    inspect,
)
from tests.scenarios.farm import Server, Step
from tests.scenarios.gateway import Gateway
from tests.scenarios.legs import play
from tests.scenarios.raw import Answer, Era, Peer, Refused, opened
from tests.scenarios.raw_http import HttpPeer
from tests.scenarios.test_questions import ABLE

WHOLE = {"tokens": 0, "compact": False}
MODES = ("normalise", "slim", "signatures", "search")
ERAS: tuple[Era, ...] = ("legacy", "modern")
COUNT = 52
LINES = 4000


@pytest.fixture(scope="module")
def economical(servers: dict[str, Server], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with a profile for each mode, one that shows tools as they are, and one with short results."""
    folder = tmp_path_factory.mktemp("economical")
    entries = {name: server.entry() for name, server in servers.items()}
    trusted = {name: {**entry, "trusted": name == "files"} for name, entry in entries.items()}
    profiles: dict[str, Any] = {mode: {"context": {"use": mode, "results": WHOLE}} for mode in MODES}
    profiles["short"] = {"context": {"use": "search", "results": {"tokens": 600}}}
    profiles["auto"] = {"context": {"use": "auto"}}
    config = {"servers": trusted, "profiles": profiles, "startup_wait": 20}
    with Gateway(folder, config) as gateway:
        yield gateway.start()


@asynccontextmanager
async def peer(gateway: Gateway, profile: str, era: Era, context: str = "") -> AsyncIterator[Peer]:
    url = f"{gateway.url}/{profile}" if profile else gateway.url
    async with opened(HttpPeer(f"{url}?context={context}" if context else url, era)) as found:
        yield found


def text(result: Mapping[str, Any]) -> str:
    return "\n".join(block["text"] for block in result["content"])


def names(entries: list[bytes]) -> list[str]:
    return [json.loads(entry)["name"] for entry in entries]


def shown(server: str, step: Step, listed: list[str]) -> str:
    """What the gateway calls the tool of a step."""
    return next(name for name in (f"{server}_{step['name']}", step["name"]) if name in listed)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("mode", ["signatures", "search"])
async def test_a_wrapped_call_is_the_call(
    mode: str, era: Era, economical: Gateway, servers: dict[str, Server]
) -> None:
    problems = []
    async with peer(economical, "", era) as plain, peer(economical, mode, era) as other:
        listed = names(await plain.settled("tools", COUNT))
        for server in servers.values():
            if server.name == "memory":
                continue  # its steps depend on one another
            for step in server.steps:
                if step["do"] != "call" or step.get("loose"):
                    continue
                native = {**step, "name": shown(server.name, step, listed)}
                arguments = {"name": native["name"], "arguments": step["arguments"]}
                wrapped = {**step, "name": "tool_call", "arguments": arguments}
                (one,), (two,) = await play(plain, [native]), await play(other, [wrapped])
                if one != two and "was not called" not in str(two):
                    problems.append(f"{native}:\n  native  {str(one)[:600]}\n  wrapped {str(two)[:600]}")
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("era", ERAS)
async def test_questions_and_progress_within_a_wrapped_call(era: Era, economical: Gateway) -> None:
    declined: dict[str, Answer] = {**ABLE, "elicitation/create": lambda _: {"action": "decline"}}
    ask = {"name": "trigger-elicitation-request"}
    for answers, told in ((ABLE, "ada@example.org"), (declined, "declined")):
        async with opened(HttpPeer(f"{economical.url}/search", era, answers)) as it:
            await until_callable(it, ask["name"])
            assert told in str(await it.call("tool_call", ask))
            (question,) = it.questions
            assert question["method"] == "elicitation/create"
            sample = {"name": "trigger-sampling-request", "arguments": {"prompt": "what?", "maxTokens": 9}}
            assert "a driven answer" in str(await it.call("tool_call", sample))
    async with peer(economical, "search", era) as it:
        long = {"name": "trigger-long-running-operation", "arguments": {"duration": 1, "steps": 4}}
        await it.call("tool_call", long, progressToken="mine")
        seen = [m["params"] for m in it.notifications if m["method"] == "notifications/progress"]
        assert [each["progress"] for each in seen] == [1, 2, 3, 4]
        assert {each["progressToken"] for each in seen} == {"mine"}


async def until_callable(it: Peer, name: str) -> None:
    """A server may list a tool only once it knows what this client can do."""
    for _ in range(100):
        if not (await it.call("tool_describe", {"names": [name]})).get("isError"):
            break
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("era", ERAS)
async def test_what_each_mode_lists(era: Era, economical: Gateway) -> None:
    async with peer(economical, "", era) as plain:
        native = names(await plain.settled("tools", COUNT))
    lists = {}
    for mode in MODES:
        async with peer(economical, mode, era) as it:
            lists[mode] = [json.loads(entry) for entry in await it.entries("tools")]
    by_mode = {mode: [tool["name"] for tool in listed] for mode, listed in lists.items()}
    assert sorted(by_mode["normalise"]) == sorted(native)
    assert sorted(by_mode["slim"]) == sorted([*native, "tool_describe"])
    tasks = [tool["name"] for tool in lists["normalise"] if _needs_task(tool)]
    assert by_mode["search"] == [*tasks, "tool_search", "tool_describe", "tool_call", "tool_read"]
    assert by_mode["signatures"] == [*tasks, "tool_describe", "tool_call", "tool_read"]
    normal = {tool["name"]: tool for tool in lists["normalise"]}
    for tool in lists["slim"]:
        if tool["name"] in normal:
            assert tool.get("annotations") == normal[tool["name"]].get("annotations")
            assert tool["inputSchema"].get("required") == normal[tool["name"]]["inputSchema"].get("required")
    catalogue = next(tool["description"] for tool in lists["signatures"] if tool["name"] == "tool_call")
    for name in set(native) - set(tasks):
        assert f"{name}(" in catalogue
    marks = {tool["name"]: tool.get("annotations", {}) for tool in lists["search"]}
    assert marks["tool_search"]["readOnlyHint"]
    assert marks["tool_read"]["readOnlyHint"]
    assert "readOnlyHint" not in marks["tool_call"]


def _needs_task(tool: Mapping[str, Any]) -> bool:
    return bool(tool.get("execution", {}).get("taskSupport") == "required")


CONVERSATION: tuple[Step, ...] = (
    {
        "do": "call",
        "name": "tool_search",
        "arguments": {"queries": ["time in another zone", "sum of numbers"]},
    },
    {"do": "call", "name": "tool_describe", "arguments": {"names": ["convert_time"]}},
    {"do": "call", "name": "tool_call", "arguments": {"name": "get-sum", "arguments": {"a": 2, "b": 40}}},
    {"do": "call", "name": "tool_call", "arguments": {"name": "get-sum", "arguments": '{"a": "2", "b": 40}'}},
    {"do": "call", "name": "tool_call", "arguments": {"name": "get-sum", "arguments": {"a": 2}}},
    {"do": "call", "name": "tool_call", "arguments": {"name": "get-sun", "arguments": {}}},
    {"do": "call", "name": "tool_read", "arguments": {"name": "get-sum", "arguments": {"a": 2, "b": 40}}},
    {"do": "call", "name": "tool_read", "arguments": {"name": "list_allowed_directories"}},
)


def check_conversation(results: list[dict[str, Any]]) -> None:
    found, described, right, repaired, wrong, unknown, no_reader, reader = results
    lines = text(found).splitlines()
    assert any(line.lstrip("*").startswith("convert_time(") for line in lines)
    assert any(line.lstrip("*").startswith("get-sum(") for line in lines)
    assert '"source_timezone"' in text(described)
    assert "Source IANA timezone name" in text(described), "all of the descriptions"
    assert text(right) == text(repaired) == "The sum of 2 and 40 is 42."
    assert wrong["isError"]
    assert text(wrong).startswith('get-sum was not called: "b" is a required property')
    assert '"required":["a","b"]' in text(wrong)
    assert unknown["isError"]
    assert "Did you mean get-sum" in text(unknown)
    assert no_reader["isError"], "its server is not trusted"
    assert "Allowed directories" in text(reader)


@pytest.mark.parametrize("era", ERAS)
async def test_a_conversation_of_the_raw_client(era: Era, economical: Gateway) -> None:
    async with peer(economical, "search", era) as it:
        results = [await it.call(step["name"], step["arguments"]) for step in CONVERSATION]
    check_conversation(results)


@pytest.mark.parametrize(
    "client", [SDK1, SDK2_LEGACY, SDK2_AUTO, SDK2_MODERN], ids=lambda client: f"{client.name}-{client.mode}"
)
async def test_a_conversation_of_an_sdk(client: SdkClient, economical: Gateway) -> None:
    outcomes = await client.play({"url": f"{economical.url}/search"}, CONVERSATION)
    check_conversation([outcome["result"] for outcome in outcomes])


@pytest.mark.parametrize("era", ERAS)
async def test_a_conversation_of_the_inspector(era: Era, economical: Gateway) -> None:
    target = {"url": f"{economical.url}?context=search"}
    with pytest.raises(ClientFailed):  # the default profile has none
        await inspect(target, "tools/list", era=era)
    target = {"url": f"{economical.url}/auto?context=search"}
    listed = await inspect(target, "tools/list", era=era)
    assert "tool_search" in [tool["name"] for tool in listed["tools"]]
    results = []
    for step in CONVERSATION:
        options = ("--tool-name", step["name"], "--tool-args-json", json.dumps(step["arguments"]))
        try:
            results.append(await inspect(target, "tools/call", *options, era=era))
        except ClientFailed as failed:  # it shows no more of a result that is an error
            if "tool_is_error" not in str(failed):
                raise
            results.append({"isError": True})
    found, _, right, repaired, wrong, unknown, no_reader, reader = results
    assert "convert_time(" in text(found)
    assert text(right) == text(repaired) == "The sum of 2 and 40 is 42."
    assert all(result["isError"] for result in (wrong, unknown, no_reader))
    assert "Allowed directories" in text(reader)


@pytest.mark.parametrize("era", ERAS)
async def test_the_url_chooses(era: Era, economical: Gateway) -> None:
    async with peer(economical, "auto", era, "signatures") as it:
        assert "tool_call" in names(await it.entries("tools"))
    async with peer(economical, "auto", era, "native") as it:
        assert len(await it.entries("tools")) == COUNT + 1
    with pytest.raises(Refused, match="there is no such mode"):
        async with peer(economical, "auto", era, "thin") as it:
            await it.entries("tools")


async def test_every_byte_of_a_long_result(economical: Gateway, servers: dict[str, Server]) -> None:
    root = Path(servers["files"].args[0])
    written = "".join(f"line {number}: grüße {number * number}\n" for number in range(LINES))
    (root / "long.log").write_text(written)
    try:
        async with peer(economical, "short", "modern") as it:
            call = {"name": "read_text_file", "arguments": {"path": str(root / "long.log")}}
            cut = text(await it.call("tool_call", call))
            assert len(cut) < len(written) / 10
            handle = re.search(r'result_read\(handle="(\w+)"\)', cut)
            assert handle is not None, cut[-400:]
            there: list[str] = []
            wanted = "lines 1-"
            for _ in range(1000):
                answer = await it.call("result_read", {"handle": handle[1], "range": wanted})
                there.append(answer["content"][0]["text"])
                on = re.search(r'Go on with range="([^"]+)"', answer["content"][1]["text"])
                if on is None:
                    break
                wanted = on[1]
            assert "".join(there) == written
            found = await it.call("result_read", {"handle": handle[1], "grep": "line 3999:"})
            assert "15992001" in text(found)
    finally:
        (root / "long.log").unlink()


async def test_what_is_kept_belongs_to_a_principal(folder: Path, servers: dict[str, Server]) -> None:
    config = {
        "servers": {"everything": servers["everything"].entry()},
        "profiles": {"default": {"context": {"use": "search", "results": {"tokens": 600}}}},
        "authenticate": [
            {
                "use": "api_key",
                "keys": [{"key": f"a-key-that-is-long-enough-{n}", "principal": n} for n in ("ada", "bob")],
            }
        ],
        "startup_wait": 20,
    }
    with Gateway(folder, config) as gateway:
        gateway.start()

        def client(name: str) -> HttpPeer:
            return HttpPeer(
                gateway.url, "modern", headers={"Authorization": f"Bearer a-key-that-is-long-enough-{name}"}
            )

        async with opened(client("ada")) as ada, opened(client("bob")) as bob:
            call = {"name": "echo", "arguments": {"message": "word " * 4000}}
            cut = text(await ada.call("tool_call", call))
            handle = re.search(r'handle="(\w+)"', cut)
            assert handle is not None
            mine = await ada.call("result_read", {"handle": handle[1]})
            assert not mine.get("isError")
            theirs = await bob.call("result_read", {"handle": handle[1]})
            nobodys = await bob.call("result_read", {"handle": "aaaaaaaaaaaa"})
            assert theirs == nobodys
            assert theirs["isError"]


async def test_policies_see_real_names(folder: Path, servers: dict[str, Server]) -> None:
    log = folder / "access.log"
    config = {
        "servers": {"everything": servers["everything"].entry()},
        "profiles": {"default": {"exclude": ["get-env", "echo"], "context": {"use": "search"}}},
        "filters": [{"use": "access_log", "format": "json", "file": str(log)}],
        "startup_wait": 20,
    }
    with Gateway(folder, config) as gateway:
        gateway.start()
        async with peer(gateway, "", "modern") as it:
            found = text(await it.call("tool_search", {"queries": ["environment variables", "echo"]}))
            assert "get-env" not in found
            assert "get-sum" in text(await it.call("tool_search", {"queries": ["sum"]}))
            for hidden in ("get-env", "echo"):
                refused = await it.call("tool_call", {"name": hidden, "arguments": {}})
                assert refused["isError"]
                with pytest.raises(Refused):
                    await it.call(hidden)
                assert "no tool" in text(await it.call("tool_describe", {"names": [hidden]}))
            await it.call("tool_call", {"name": "get-sum", "arguments": {"a": 1, "b": 1}})
    seen = [json.loads(line) for line in log.read_text().splitlines()]
    called = [entry.get("name") for entry in seen if entry["method"] == "tools/call"]
    assert called.count("get-sum") == 1
    assert "tool_call" not in called
    assert "tool_search" in called


@pytest.mark.parametrize("mode", MODES)
async def test_lists_are_the_same_after_a_restart(
    mode: str, folder: Path, servers: dict[str, Server]
) -> None:
    picked = {name: servers[name].entry() for name in ("files", "git", "everything")}
    config = {"servers": picked, "profiles": {"default": {"context": {"use": mode}}}, "startup_wait": 20}
    seen = set()
    with Gateway(folder, config) as gateway:
        for _ in range(2):
            gateway.start()
            async with peer(gateway, "", "legacy") as it:
                seen.add(await it.result("tools/list"))
            gateway.stop()
    assert len(seen) == 1
