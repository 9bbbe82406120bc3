"""Calls that wait for one another."""

import asyncio
import random

from only1mcp_resilience.plugin import only1mcp_register_middleware
from only1mcp_resilience.waiting_line import BUSY, WaitingLine
from only1mcp_sdk import Exchange, Outcome, Result
from only1mcp_sdk.testing import check_middleware, make_exchange

[OFFER] = only1mcp_register_middleware()


def call(server: str = "one") -> Exchange:
    return make_exchange("tools/call", {"name": "work"}, server=server)


class Server:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.most = self.under_way = 0
        self.go_on = asyncio.Event()

    async def serve(self, exchange: Exchange) -> Outcome:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self.go_on.wait()
        self.under_way -= 1
        return Result(b"{}", "modern")


async def test_keeps_the_contract() -> None:
    await check_middleware(OFFER, {"places": 2, "patience": 1})


async def test_so_many_are_under_way_and_the_others_come_later() -> None:
    line, server = WaitingLine(2, 5), Server()
    calls = [asyncio.ensure_future(line.serve(call(), server.serve)) for _ in range(6)]
    await asyncio.sleep(0.01)
    assert server.under_way == 2
    server.go_on.set()
    assert await asyncio.gather(*calls) == [Result(b"{}", "modern")] * 6
    assert server.most == 2


async def test_servers_have_lines_of_their_own_and_lists_wait_in_none() -> None:
    line, server = WaitingLine(1, 5), Server()
    listing = make_exchange("tools/list", None, server="one")
    waiting = [
        asyncio.ensure_future(line.serve(each, server.serve)) for each in (call(), call("two"), listing)
    ]
    await asyncio.sleep(0.01)
    assert server.under_way == 3
    server.go_on.set()
    await asyncio.gather(*waiting)


async def test_who_waits_too_long_is_refused_and_who_leaves_holds_up_nobody() -> None:
    line, server = WaitingLine(1, 0.05), Server()
    first = asyncio.ensure_future(line.serve(call(), server.serve))
    await asyncio.sleep(0)
    refused = await line.serve(call(), server.serve)
    assert not isinstance(refused, Result)
    assert b"%d" % BUSY in refused.raw
    first.cancel()
    server.go_on.set()
    assert isinstance(await line.serve(call(), server.serve), Result)


async def test_places_come_back_whoever_gives_up_when() -> None:
    line, chance = WaitingLine(3, 0.01), random.Random(1)
    under_way = most = served = 0

    async def serve(exchange: Exchange) -> Outcome:
        nonlocal under_way, most, served
        under_way += 1
        most = max(most, under_way)
        try:
            await asyncio.sleep(chance.random() * 0.004)
        finally:
            under_way -= 1
        served += 1
        return Result(b"{}", "modern")

    async def client() -> None:
        for _ in range(20):
            task = asyncio.ensure_future(line.serve(call(), serve))
            for _ in range(chance.choice([0, 1, 2, 3, 50])):
                await asyncio.sleep(0)
            if chance.random() < 0.5:
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    await asyncio.gather(*[client() for _ in range(10)])
    places = line._places["one"]
    assert (places.free, len(places.waiting), most) == (3, 0, 3)
    assert served > 50


async def test_a_place_that_comes_too_late_goes_to_the_next() -> None:
    line, server = WaitingLine(1, 5), Server()
    first, second, third = (asyncio.ensure_future(line.serve(call(), server.serve)) for _ in range(3))
    await asyncio.sleep(0.01)
    line._places["one"].waiting[0].set_result(None)  # as `leave` does
    line._places["one"].waiting.popleft()
    second.cancel()
    await asyncio.sleep(0.01)
    assert server.under_way == 2, "the third one has it"
    server.go_on.set()
    await asyncio.gather(first, third)
