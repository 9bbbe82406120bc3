"""A reload under load loses nothing, and starts again only what changed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.gateway import Gateway, tiny
from tests.scenarios.names import Tools
from tests.scenarios.raw import Era, opened
from tests.scenarios.raw_http import HttpPeer


async def in_thread(gateway: Gateway, config: dict[str, Any] | None) -> None:
    await asyncio.to_thread(gateway.reload, config)


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_reload_under_load(era: Era, folder: Path) -> None:
    """Calls to kept servers go on over ten reloads, each of which adds or removes a server."""
    kept = {name: tiny(name) for name in ("one", "two")}
    with Gateway(folder, {"servers": {**kept, "extra": tiny("extra")}}) as gateway:
        gateway.start()
        done = asyncio.Event()
        answered = [0] * 8

        async def window(number: int) -> None:
            async with opened(HttpPeer(gateway.url, era)) as peer:
                tools = await Tools.of(peer, 18)
                names = {server: tools.named(server, "echo") for server in kept}
                slow = tools.named("one", "wait")
                while not done.is_set():
                    for server, name in names.items():
                        text = f"{server} {number} {answered[number]}"
                        result = await peer.call(name, {"text": text})
                        assert result["content"][0]["text"] == text
                        answered[number] += 1
                    if answered[number] % 50 == 0:
                        assert "waited in one" in str(await peer.call(slow, {"seconds": 0.3}))
                    await asyncio.sleep(0.005)

        async with asyncio.TaskGroup() as group:
            for number in range(len(answered)):
                group.create_task(window(number))
            await asyncio.sleep(1)
            for turn in range(10):
                more = {f"more{turn}": tiny("more")} if turn % 2 else {"extra": tiny("extra")}
                await in_thread(gateway, {"servers": {**kept, **more}})
                await asyncio.sleep(0.3)
            await asyncio.sleep(0.5)
            done.set()
        assert min(answered) > 100, answered


async def test_only_what_changed_starts_again(folder: Path) -> None:
    config = {"servers": {"kept": tiny("kept"), "changed": tiny("changed")}}
    with Gateway(folder, config) as gateway:
        gateway.start()
        async with opened(HttpPeer(gateway.url, "legacy")) as peer:
            await peer.settled("tools", 12)
            tools = await Tools.of(peer, 12)

            async def pids() -> dict[str, str]:
                return {
                    name: (await peer.call(tools.named(name, "pid")))["content"][0]["text"]
                    for name in config["servers"]
                }

            before = await pids()
            await in_thread(
                gateway, {"servers": {**config["servers"], "changed": tiny("changed", "tools=1")}}
            )
            await peer.settled("tools", 13)
            after = await pids()
            assert before["kept"] == after["kept"]
            assert before["changed"] != after["changed"]


async def test_client_is_told(folder: Path) -> None:
    """A session outlives the reload, and hears that its lists changed."""
    with Gateway(folder, {"servers": {"one": tiny("one")}}) as gateway:
        gateway.start()
        peer = HttpPeer(gateway.url, "legacy")
        async with opened(peer):
            await Tools.of(peer, 6)
            await peer.listen()
            await in_thread(gateway, {"servers": {"one": tiny("one"), "two": tiny("two")}})
            assert len(await peer.settled("tools", 12, 10)) == 12
            await asyncio.sleep(1)
            assert "notifications/tools/list_changed" in [m["method"] for m in peer.notifications]


async def test_bad_file_changes_nothing(folder: Path) -> None:
    config = {"servers": {"one": tiny("one")}}
    with Gateway(folder, config) as gateway:
        gateway.start()
        async with opened(HttpPeer(gateway.url, "legacy")) as peer:
            tools = await Tools.of(peer, 6)
            before = await peer.call(tools.named("one", "pid"))
            with pytest.raises(AssertionError) as refusal:
                await in_thread(gateway, {"servers": {"one": {**tiny("one"), "comand": "x"}}})
            assert "comand" in str(refusal.value)
            assert await peer.call(tools.named("one", "pid")) == before
