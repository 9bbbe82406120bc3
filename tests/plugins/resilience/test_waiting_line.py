"""Calls that wait for one another."""

import asyncio

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
