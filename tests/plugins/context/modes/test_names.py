"""The economy's own tools give way to those of servers."""

from __future__ import annotations

import json

from only1mcp_context import plugin
from only1mcp_sdk import Result
from only1mcp_sdk.testing import Harness, make_exchange
from only1mcp_sdk.testing.economy import toolbox
from tests.plugins.context.modes.test_search_model import ask, tool

OFFER = {offer.name: offer for offer in plugin.only1mcp_register_economy()}["search"]
OWN = ("tool_search", "tool_describe", "tool_call", "result_read")


async def test_a_taken_name_is_not_taken_twice() -> None:
    box = toolbox([tool(name, "A server's own.") for name in (*OWN, "gateway_tool_call")])
    with Harness() as harness:
        async with harness.open(OFFER, {"results": {"tokens": 600}}) as economy:
            view = economy.view("search", box)
            assert [entry.shown for entry in view.tools] == [
                "gateway_tool_search",
                "gateway_tool_describe",
                "gateway2_tool_call",
                "gateway_result_read",
            ]
            description = json.loads(view.tools[0].members["description"])
            assert "gateway2_tool_call" in description
            assert "gateway_tool_describe" in description
            call = make_exchange("tools/call", {"name": "tool_call", "arguments": {}})
            assert view.before(call) is None, "it is the server's"
            long = Result(
                json.dumps({"content": [{"type": "text", "text": "word " * 9000}]}).encode(), "legacy"
            )
            cut = view.after(call, long)
            assert isinstance(cut, Result)
            text = json.loads(cut.raw)["content"][0]["text"]
            assert "gateway_result_read(handle=" in text
            handle = text.partition('handle="')[2].partition('"')[0]
            assert "word word" in await ask(view, "gateway_result_read", handle=handle)
