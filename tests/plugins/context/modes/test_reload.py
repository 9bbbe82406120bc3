"""What outlives a reload: what was cut can still be read, and is still counted."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import Any

from only1mcp_context import plugin
from only1mcp_sdk import Result, View
from only1mcp_sdk.testing import Harness, make_caller, make_exchange
from only1mcp_sdk.testing.economy import toolbox
from tests.plugins.context.modes.test_search_model import ask, tool

OFFERS = {offer.name: offer for offer in plugin.only1mcp_register_economy()}
BOX = toolbox([tool("read", "Reads a file.")])
LONG = Result(json.dumps({"content": [{"type": "text", "text": "word " * 9000}]}).encode(), "legacy")


def cut(view: View) -> str:
    """The handle of what was cut."""
    shown = view.after(make_exchange("tools/call", {"name": "read"}), LONG)
    assert isinstance(shown, Result)
    text: str = json.loads(shown.raw)["content"][0]["text"]
    return text.partition('handle="')[2].partition('"')[0]


async def test_handles_and_figures_pass_from_one_to_the_next() -> None:
    options: dict[str, Any] = {"results": {"tokens": 600}}
    with Harness() as harness:
        async with AsyncExitStack() as stack:
            async with harness.open(OFFERS["slim"], options) as old:
                view = old.view("slim", BOX)
                handle = cut(view)
                view.listed(make_caller())
                new = await stack.enter_async_context(harness.open(OFFERS["search"], options))
            again = new.view("search", BOX)
            assert "word word" in await ask(again, "result_read", handle=handle)
            assert new.figures()["total"]["lists"] == 1
            assert new.figures()["total"]["results"] == 1


async def test_nothing_of_another_principal_is_found() -> None:
    with Harness() as harness:
        async with harness.open(OFFERS["slim"], {"results": {"tokens": 600}}) as economy:
            view = economy.view("slim", BOX)
            handle = cut(view)
            assert "word word" in await ask(view, "result_read", handle=handle)
            assert "no result is kept" in await ask(view, "result_read", principal="eve", handle=handle)
