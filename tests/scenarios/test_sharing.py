"""Who shares a server process: one person's windows do, unless they gave it roots."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.scenarios import processes
from tests.scenarios.farm import Server
from tests.scenarios.gateway import Gateway, tiny
from tests.scenarios.names import Tools
from tests.scenarios.raw import Answer, Era, Peer, opened
from tests.scenarios.raw_http import HttpPeer


def roots(*uris: str) -> dict[str, Answer]:
    return {"roots/list": lambda _: {"roots": [{"uri": uri, "name": uri.rpartition("/")[2]} for uri in uris]}}


async def pid_behind(peer: Peer) -> str:
    tools = await Tools.of(peer, 6)
    pid: str = (await peer.call(tools.named("tiny", "pid")))["content"][0]["text"]
    return pid


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_windows_share_a_child(era: Era, folder: Path) -> None:
    with Gateway(folder, {"servers": {"tiny": tiny("tiny")}}) as gateway:
        gateway.start()
        async with opened(HttpPeer(gateway.url, era)) as one, opened(HttpPeer(gateway.url, era)) as two:
            pids = {await pid_behind(one), await pid_behind(two), await pid_behind(one)}
            assert len(pids) == 1
            assert len(gateway.servers_alive()) <= 2, "at most one child per era"


async def test_capabilities_part_them(folder: Path) -> None:
    able: dict[str, Answer] = {"elicitation/create": lambda _: {"action": "decline"}}
    with Gateway(folder, {"servers": {"tiny": tiny("tiny")}}) as gateway:
        gateway.start()
        async with (
            opened(HttpPeer(gateway.url, "legacy")) as bare,
            opened(HttpPeer(gateway.url, "legacy", able)) as apt,
        ):
            assert await pid_behind(bare) != await pid_behind(apt)


async def test_ids_and_tokens_of_windows_do_not_mix(folder: Path) -> None:
    """Ten windows on one child, with the same ids and progress tokens at the same time."""
    with Gateway(folder, {"servers": {"tiny": tiny("tiny")}}) as gateway:
        gateway.start()
        peers = [HttpPeer(gateway.url, "legacy") for _ in range(10)]

        async def window(number: int, peer: HttpPeer) -> None:
            async with opened(peer):
                tools = await Tools.of(peer, 6)
                steps = number + 1
                result = await peer.call(tools.named("tiny", "count"), {"steps": steps}, progressToken=1)
                assert result["content"][0]["text"] == f"counted to {steps}"
                progress = [
                    m["params"] for m in peer.notifications if m["method"] == "notifications/progress"
                ]
                assert [p["progress"] for p in progress] == list(range(1, steps + 1))
                assert all(p["total"] == steps and p["progressToken"] == 1 for p in progress)
                text = await peer.call(tools.named("tiny", "echo"), {"text": f"window {number}"})
                assert text["content"][0]["text"] == f"window {number}"

        await asyncio.gather(*(window(number, peer) for number, peer in enumerate(peers)))


@pytest.mark.parametrize("era", ["legacy", "modern"])
async def test_questions_beside_a_busy_window(era: Era, folder: Path) -> None:
    """Whichever of one person's windows is asked, no question is lost while another window keeps the child busy."""

    def able(who: str) -> dict[str, Answer]:
        return {"elicitation/create": lambda _: {"action": "accept", "content": {"name": who}}}

    with Gateway(folder, {"servers": {"tiny": tiny("tiny")}}) as gateway:
        gateway.start()
        asking, busy = HttpPeer(gateway.url, era, able("asking")), HttpPeer(gateway.url, era, able("busy"))
        async with opened(asking), opened(busy):
            tools = await Tools.of(asking, 6)
            await Tools.of(busy, 6)
            done = asyncio.Event()

            async def hammer() -> None:
                while not done.is_set():
                    await busy.call(tools.named("tiny", "echo"), {"text": "x" * 200})

            async with asyncio.TaskGroup() as group:
                for _ in range(3):
                    group.create_task(hammer())
                try:
                    for number in range(150):
                        question = asking.call(tools.named("tiny", "ask"), {"message": f"question {number}"})
                        async with asyncio.timeout(5):
                            assert "accept" in str(await question)
                finally:
                    done.set()


async def test_roots_part_windows(servers: dict[str, Server], folder: Path, tmp_path: Path) -> None:
    """The filesystem server replaces its directories by the roots it is given; shared, it would serve wrong ones."""
    homes = [tmp_path / "one", tmp_path / "two"]
    for home in homes:
        home.mkdir()
        (home / "here.txt").write_text(f"in {home.name}\n")
    config = {"servers": {"files": servers["files"].entry(), "everything": servers["everything"].entry()}}
    with Gateway(folder, config) as gateway:
        gateway.start()
        one, two = (HttpPeer(gateway.url, "legacy", roots(f"file://{home}")) for home in homes)
        async with opened(one), opened(two):
            tools = await Tools.of(one, 28)
            await Tools.of(two, 28)
            for _ in range(2):
                for peer, home, other in ((one, homes[0], homes[1]), (two, homes[1], homes[0])):
                    read = tools.named("files", "read_text_file")
                    mine = await peer.call(read, {"path": str(home / "here.txt")})
                    assert f"in {home.name}" in str(mine), mine
                    foreign = await peer.call(read, {"path": str(other / "here.txt")})
                    assert foreign.get("isError"), "the other window's root is not this one's"
                    told = str(await peer.call(tools.named("everything", "get-roots-list")))
                    assert str(home) in told
                    assert str(other) not in told
            files = [pid for pid in gateway.servers_alive() if "server-filesystem" in processes.command(pid)]
            assert len(files) >= 2
