"""Figures of the hot path."""

from __future__ import annotations

from pathlib import Path

from only1mcp_kernel.gateway.metrics import BUCKETS, CallFigures, summed
from tests.kernel.gateway.servers import FakeConnection, FakeServer, Json, RpcError
from tests.kernel.gateway.world import world


def test_a_histogram_counts_each_time_once() -> None:
    figures = CallFigures()
    for seconds in (0.0005, 0.001, 0.0011, 61.0):
        figures.ended(seconds, failed=False)
    histogram = figures.seconds
    assert (histogram.counts[0], histogram.counts[1], histogram.counts[-1]) == (2, 1, 1)
    assert histogram.count == 4
    assert histogram.within(0.5) == BUCKETS[0]
    assert histogram.within(0.75) == BUCKETS[1]
    assert histogram.within(1) is None  # one took longer than any bound


def test_endpoints_are_summed() -> None:
    one, two = CallFigures(), CallFigures()
    one.ended(0.002, failed=False)
    two.ended(0.3, failed=True)
    figures = summed([one, two])
    assert (figures["ended"], figures["failed"]) == (2, 1)
    assert figures["seconds"]["buckets"]["0.0025"] == figures["seconds"]["buckets"]["0.5"] == 1
    assert figures["seconds"]["most_within"] == 0.5
    assert summed([])["seconds"]["half_within"] is None


async def test_calls_and_requests_are_counted(tmp_path: Path) -> None:
    server = FakeServer(tools=[{"name": "work"}])

    def work(connection: FakeConnection, params: Json) -> Json:
        if params["arguments"]:
            raise RpcError(-32000, "no")
        return {"content": []}

    server.methods["tools/call"] = work
    async with world(tmp_path, one=server) as it:
        client = it.http()
        await client.initialize()
        for arguments in ({}, {}, {"fail": True}):
            await client.legacy("tools/call", {"name": "work", "arguments": arguments}).done()
        status = it.gateway.status()
        calls = status["servers"]["one"]["calls"]
        assert (calls["ended"], calls["failed"], calls["in_flight"]) == (3, 1, 0)
        assert sum(calls["seconds"]["buckets"].values()) == 3
        assert status["requests"] == {"taken": 3, "in_flight": 0, "refused": 0}
