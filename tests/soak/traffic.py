"""The traffic of a soak run: windows of both eras that call, list and ask, and a count of what came of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp

from tests.scenarios.names import Tools
from tests.scenarios.raw import Answer, Era, Peer, Refused, opened
from tests.scenarios.raw_http import HttpPeer, HttpStatus

STEADY = ("alpha", "beta")
MORTAL = "mortal"
ANSWERS: dict[str, Answer] = {
    "elicitation/create": lambda _: {"action": "accept", "content": {"name": "soak"}}
}


@dataclass
class Tally:
    """What happened. A failure is forgiven when it was a call to the server that gets killed."""

    answered: Counter[str] = field(default_factory=Counter)
    forgiven: int = 0
    failures: list[str] = field(default_factory=list)
    sessions: int = 0


async def window(url: str, era: Era, tally: Tally, done: asyncio.Event, tools_at_least: int) -> None:
    """One client after the other, each with a few hundred requests."""
    while not done.is_set():
        try:
            async with opened(HttpPeer(url, era, ANSWERS)) as peer:
                tally.sessions += 1
                tools = await Tools.at_least(peer, tools_at_least)
                for turn in range(300):
                    if done.is_set():
                        return
                    await step(peer, tools, tally, turn)
        except (Refused, HttpStatus, aiohttp.ClientError, OSError, AssertionError) as error:
            tally.failures.append(f"{era} session: {error!r}")
            await asyncio.sleep(0.2)


async def step(peer: Peer, tools: Tools, tally: Tally, turn: int) -> None:
    """One request, checked."""
    server = MORTAL if turn % 10 == 9 else STEADY[turn % 2]
    what = {3: "count", 6: "ask", 8: "list"}.get(turn % 10, "echo") if server != MORTAL else "echo"
    try:
        if what == "list":
            assert len(await peer.entries("tools")) >= 12
        else:
            text = f"{turn} " * (turn % 50 + 1)
            arguments: Mapping[str, object] = {"text": text, "steps": 2, "pause": 0.001}
            meta = {"progressToken": turn} if what == "count" else {}
            result = await peer.call(tools.named(server, what), arguments, **meta)
            said = result["content"][0]["text"]
            expected = {"echo": text, "count": "counted to 2"}.get(what)
            assert not result.get("isError"), result
            assert said == expected or (what == "ask" and "soak" in said), (
                f"{what} of {server} gave {said[:200]}"
            )
        tally.answered[what] += 1
    except (Refused, HttpStatus, aiohttp.ClientError, OSError, AssertionError) as error:
        if server == MORTAL:
            tally.forgiven += 1
        else:
            tally.failures.append(f"{what} of {server} in the {peer.era} era: {error!r}")
        if isinstance(error, HttpStatus) and error.status == 404:
            raise  # the session is gone: that is never forgiven
        await asyncio.sleep(0.01)
    peer.notifications.clear()
    peer.questions.clear()
