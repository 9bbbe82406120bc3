"""Lists in pages: toward clients by cursors of ours, and what servers page themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from only1mcp_kernel.gateway.routing import pages
from only1mcp_kernel.gateway.routing.pages import Listed, Pages
from only1mcp_kernel.gateway.servers import listings
from only1mcp_kernel.wire.seal import KeyRing
from only1mcp_sdk import ANONYMOUS, Caller, Capabilities, Failure, Principal, Result
from only1mcp_sdk.members import quoted, split, text
from tests.kernel.gateway.servers import FakeConnection, FakeServer, Json
from tests.kernel.gateway.world import HttpClient, World, started, until, world

MEMBERS = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}


def full(label: str, count: int, *eras: str) -> FakeServer:
    """A server with so many of everything."""
    server = FakeServer(*eras, tools=[{"name": f"{label}{each}"} for each in range(count)])
    server.lists["prompts"] = [{"name": f"{label}{each}"} for each in range(count)]
    server.lists["resources"] = [{"uri": f"{label}:{each}", "name": "x"} for each in range(count)]
    server.lists["resourceTemplates"] = [
        {"uriTemplate": f"{label}:{each}/{{id}}", "name": "x"} for each in range(count)
    ]
    return server


async def asked(client: HttpClient, era: str, method: str, cursor: object = None) -> Json:
    params = {} if cursor is None else {"cursor": cursor}
    answer = client.modern(method, params) if era == "modern" else client.legacy(method, params)
    message: Json = await answer.done()
    return message


async def all_pages(client: HttpClient, era: str, method: str) -> list[Json]:
    found = [(await asked(client, era, method))["result"]]
    while "nextCursor" in found[-1]:
        found.append((await asked(client, era, method, found[-1]["nextCursor"]))["result"])
    return found


def paged(directory: Path, size: int, **servers: FakeServer) -> World:
    it = World(directory, servers)
    it.profiles = {"default": {"page_size": size}, "other": {"page_size": size}, "whole": {}}
    return it


@pytest.mark.parametrize("era", ["modern", "legacy"])
@pytest.mark.parametrize("method", list(MEMBERS))
async def test_every_list_comes_in_pages_that_fit_together(tmp_path: Path, era: str, method: str) -> None:
    async with started(paged(tmp_path, 3, a=full("a", 4), b=full("b", 4))) as it:
        await it.gateway.settled(2)
        client, whole = it.http(), it.http(profile="whole")
        if era == "legacy":
            await client.initialize()
            await whole.initialize()
        found = await all_pages(client, era, method)
        member = MEMBERS[method]
        assert [len(page[member]) for page in found] == [3, 3, 2]
        (complete,) = await all_pages(whole, era, method)
        assert [entry for page in found for entry in page[member]] == complete[member]
        beside = {name: value for name, value in complete.items() if name != member}
        for page in found:
            assert {
                name: value for name, value in page.items() if name not in (member, "nextCursor")
            } == beside
        assert set(beside) == ({"resultType", "ttlMs", "cacheScope"} if era == "modern" else set())


async def test_a_list_that_fits_has_no_cursor(tmp_path: Path) -> None:
    async with started(paged(tmp_path, 4, a=full("a", 4))) as it:
        await it.gateway.settled(2)
        assert len(await all_pages(it.http(), "modern", "tools/list")) == 1


async def test_a_cursor_names_the_list_as_it_was(tmp_path: Path) -> None:
    server = full("a", 5, "legacy")
    async with started(paged(tmp_path, 2, a=server)) as it:
        await it.gateway.settled(2)
        client = it.http()
        first = (await asked(client, "modern", "tools/list"))["result"]
        before = len(server.calls("tools/list"))
        server.lists["tools"] = [{"name": "new"}]
        server.tell_all("notifications/tools/list_changed")
        await until(lambda: len(server.calls("tools/list")) > before)
        await asyncio.sleep(0.05)
        assert [
            each["name"] for each in (await asked(client, "modern", "tools/list"))["result"]["tools"]
        ] == ["new"]
        second = (await asked(client, "modern", "tools/list", first["nextCursor"]))["result"]
        assert [each["name"] for each in second["tools"]] == ["a2", "a3"]


async def test_a_cursor_outlives_a_reload_that_changes_the_pages(tmp_path: Path) -> None:
    async with started(paged(tmp_path, 2, a=full("a", 5))) as it:
        await it.gateway.settled(2)
        client = it.http()
        first = (await asked(client, "modern", "tools/list"))["result"]
        it.profiles["default"] = {}
        await it.reload()
        second = (await asked(client, "modern", "tools/list", first["nextCursor"]))["result"]
        assert [each["name"] for each in second["tools"]] == ["a2", "a3"]
        assert len(await all_pages(client, "modern", "tools/list")) == 1


async def test_bad_cursors_are_all_answered_alike(tmp_path: Path) -> None:
    it = paged(tmp_path, 2, a=full("a", 5))
    it.authenticated = True
    async with started(it):
        await it.gateway.settled(2)
        alice = it.http(token="alice")
        cursor = (await asked(alice, "modern", "tools/list"))["result"]["nextCursor"]
        prompts = (await asked(alice, "modern", "prompts/list"))["result"]["nextCursor"]
        flipped = cursor[:-3] + ("A" if cursor[-3] != "A" else "B") + cursor[-2:]
        attempts: list[tuple[HttpClient, Any]] = [
            (alice, flipped),
            (alice, prompts),
            (alice, ""),
            (alice, "1"),
            (alice, "o1-"),
            (alice, 7),
            (alice, []),
            (it.http(token="bob"), cursor),
            (it.http(token="alice", profile="other"), cursor),
        ]
        errors = []
        for client, bad in attempts:
            answer = client.modern("tools/list", {"cursor": bad})
            errors.append((await answer.done())["error"])
            assert answer.status == 400
        assert all(each == errors[0] and each["code"] == -32602 for each in errors)
        await alice.initialize()
        assert (await asked(alice, "legacy", "tools/list", flipped))["error"] == errors[0]
        assert "result" in await asked(alice, "modern", "tools/list", cursor)


async def test_without_pages_there_are_no_cursors(tmp_path: Path) -> None:
    async with world(tmp_path, a=full("a", 5)) as it:
        for cursor in ("", "x"):
            assert (await asked(it.http(), "modern", "tools/list", cursor))["error"]["code"] == -32602


# -- the snapshots


def listed(label: str, count: int = 4) -> Listed:
    return Listed("tools", [quoted(f"{label}{each}") for each in range(count)], {}, "legacy")


def caller(name: str = "") -> Caller:
    principal = Principal(name) if name else ANONYMOUS
    return Caller(principal, "legacy", "2025-11-25", "default", Capabilities())


def cursor_of(result: Result) -> str:
    found = text(split(result.raw)["nextCursor"])
    assert found is not None
    return found


def good(kept: Pages, cursor: str) -> bool:
    return not isinstance(kept.following("tools/list", quoted(cursor), caller()), Failure)


async def test_equal_lists_share_a_snapshot() -> None:
    kept = Pages(KeyRing())
    for name in ("alice", "bob"):
        kept.first("tools/list", listed("x"), 2, caller(name))
    assert len(kept) == 1
    kept.first("tools/list", listed("y"), 2, caller())
    assert len(kept) == 2


async def test_the_number_and_the_bytes_of_snapshots_are_bounded() -> None:
    kept = Pages(KeyRing(), max_snapshots=2)
    cursors = [cursor_of(kept.first("tools/list", listed(each), 2, caller())) for each in "ab"]
    assert good(kept, cursors[0])  # used last now
    kept.first("tools/list", listed("c"), 2, caller())
    assert (good(kept, cursors[0]), good(kept, cursors[1])) == (True, False)
    assert len(kept) == 2

    small = Pages(KeyRing(), max_bytes=listed("a").size * 2)
    cursors = [cursor_of(small.first("tools/list", listed(each), 2, caller())) for each in "abc"]
    assert [good(small, each) for each in cursors] == [False, True, True]
    huge = cursor_of(small.first("tools/list", listed("huge", 100), 2, caller()))
    assert good(small, huge)
    assert len(small) == 1


async def test_snapshots_are_kept_for_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "KEPT_SECONDS", 0.05)
    kept = Pages(KeyRing())
    cursor = cursor_of(kept.first("tools/list", listed("x"), 2, caller()))
    await asyncio.sleep(0.03)
    assert good(kept, cursor)
    await asyncio.sleep(0.03)
    assert good(kept, cursor)  # used meanwhile
    kept.expire()
    assert len(kept) == 1
    await asyncio.sleep(0.06)
    assert not good(kept, cursor)
    kept.expire()
    assert len(kept) == 0


# -- the servers' own pages


async def test_the_pages_of_a_server_are_read_to_the_end_and_an_empty_cursor_is_one(tmp_path: Path) -> None:
    server = FakeServer()
    given: dict[Any, Json] = {
        None: {"tools": [{"name": "x"}], "nextCursor": "", "ttlMs": 5000, "cacheScope": "public", "a": 1},
        "": {
            "tools": [{"name": "y"}],
            "nextCursor": "c",
            "ttlMs": 700,
            "cacheScope": "public",
            "a": 2,
            "b": 3,
        },
        "c": {"tools": [{"name": "z"}], "nextCursor": None, "ttlMs": 900, "cacheScope": "public"},
    }
    server.methods["tools/list"] = lambda connection, params: given[params.get("cursor")]
    async with world(tmp_path, a=server) as it:
        await it.gateway.settled(2)
        result = await it.http().modern_result("tools/list")
        assert [each["name"] for each in result["tools"]] == ["x", "y", "z"]
        assert (result["ttlMs"], result["cacheScope"], result["a"], result["b"]) == (700, "public", 1, 3)
        assert "nextCursor" not in result


async def test_the_time_to_list_is_for_all_pages_together(tmp_path: Path) -> None:
    server = full("a", 1)

    async def page(connection: FakeConnection, params: Json) -> Json:
        await asyncio.sleep(0.15)
        number = int(params.get("cursor", "0"))
        return {"tools": [{"name": f"x{number}"}], "nextCursor": str(number + 1)}

    server.methods["tools/list"] = page
    it = World(tmp_path, {"a": server})
    it.server_options["a"] = {"list_timeout": 0.4}
    async with started(it):
        assert await it.gateway.settled(1.0)
        assert len(server.calls("tools/list")) <= 4


# -- how long lists last


def lasting(ttl: object, scope: object) -> FakeServer:
    server = FakeServer("modern", tools=[{"name": f"t{ttl}"}])
    extra = {name: value for name, value in (("ttlMs", ttl), ("cacheScope", scope)) if value is not None}
    server.methods["tools/list"] = lambda connection, params: {"tools": server.lists["tools"], **extra}
    return server


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((5000, "public"), (300, "public"), (300, "public")),
        ((5000, "public"), (300, "private"), (300, "private")),
        ((5000, "public"), (None, "public"), (0, "public")),
        ((5000, "public"), (300, None), (300, "private")),
        ((5000, "public"), (-1, "public"), (0, "public")),
        ((5000, "public"), ("long", "shared"), (0, "private")),
        ((1.5, "public"), (300, "public"), (1.5, "public")),
    ],
)
async def test_a_merged_list_lasts_as_long_as_the_first_part_to_change(
    tmp_path: Path, first: Any, second: Any, expected: Any
) -> None:
    without = FakeServer("modern")
    without.capabilities = {"prompts": {}}
    async with world(tmp_path, a=lasting(*first), b=lasting(*second), c=without) as it:
        await it.gateway.settled(2)
        result = await it.http().modern_result("tools/list")
        assert (result["ttlMs"], result["cacheScope"]) == expected


async def test_a_list_that_a_server_is_missing_from_is_stale_at_once(tmp_path: Path) -> None:
    down = lasting(5000, "public")
    down.refuse_connections = True
    async with world(tmp_path, a=lasting(5000, "public"), b=down) as it:
        await it.gateway.settled(2)
        assert (await it.http().modern_result("tools/list"))["ttlMs"] == 0


async def test_lists_of_legacy_servers_are_stale_at_once_and_private(tmp_path: Path) -> None:
    async with world(
        tmp_path, a=lasting(5000, "public"), b=FakeServer("legacy", tools=[{"name": "x"}])
    ) as it:
        await it.gateway.settled(2)
        result = await it.http().modern_result("tools/list")
        assert (result["ttlMs"], result["cacheScope"]) == (0, "private")
        client = it.http()
        await client.initialize()
        assert not {"ttlMs", "cacheScope", "resultType"} & set(await client.legacy_result("tools/list"))


async def test_the_only_server_keeps_what_stands_beside_its_entries(tmp_path: Path) -> None:
    server = full("a", 2)
    beside = {"ttlMs": 12345, "cacheScope": "public", "vendor": {"x": [1]}, "_meta": {"x/y": "é"}}

    def answering(member: str) -> Callable[[FakeConnection, Json], Json]:
        return lambda connection, params: {"future": None, member: server.lists[member], **beside}

    for method, member in MEMBERS.items():
        server.methods[method] = answering(member)
    async with world(tmp_path, a=server) as it:
        await it.gateway.settled(2)
        client = it.http()
        await client.initialize()
        for method, member in MEMBERS.items():
            expected = {
                member: server.lists[member],
                "future": None,
                "vendor": {"x": [1]},
                "_meta": {"x/y": "é"},
            }
            assert await client.legacy_result(method) == expected
            modern = {"ttlMs": 12345, "cacheScope": "public", "resultType": "complete"}
            assert await it.http().modern_result(method) == {**expected, **modern}


# -- servers that do not tell of changes


async def test_a_server_that_tells_of_no_changes_is_listed_again_when_somebody_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "REVISIT_SECONDS", 0.0)
    server, talking = full("a", 1, "legacy"), full("b", 1, "legacy")
    everything: Json = {"listChanged": True}
    talking.capabilities = {"tools": everything, "prompts": everything, "resources": everything}
    async with world(tmp_path, a=server, b=talking) as it:
        await it.gateway.settled(2)
        client = it.http()
        await client.initialize()
        stream, _ = client.stream()
        server.lists["tools"] = talking.lists["tools"] = [{"name": "new"}]
        await client.legacy_result("tools/list")
        await stream.until_sent("notifications/tools/list_changed")
        assert [each["name"] for each in (await client.legacy_result("tools/list"))["tools"]] == ["new", "b0"]
        assert len(talking.calls("tools/list")) == 1
        before = len(stream.sent)
        await client.legacy_result("tools/list")
        await asyncio.sleep(0.4)
        assert len(stream.sent) == before  # nothing new, nothing announced


async def test_the_variants_that_are_kept_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listings, "MAX_FETCHED", 3)
    server = full("a", 1, "modern")
    async with world(tmp_path, a=server) as it:
        await it.gateway.settled(2)
        for number in range(6):
            client = it.http(capabilities={"experimental": {str(number): {}}})
            assert [each["name"] for each in (await client.modern_result("tools/list"))["tools"]] == ["a0"]
        kept = it.gateway._in_force().servers["a"].listings
        assert len(kept.fetched) == 3
        before = len(server.calls("tools/list"))
        await it.http(capabilities={"experimental": {"5": {}}}).modern_result("tools/list")
        assert len(server.calls("tools/list")) == before
        await it.http(capabilities={"experimental": {"0": {}}}).modern_result("tools/list")
        assert len(server.calls("tools/list")) == before + 1
