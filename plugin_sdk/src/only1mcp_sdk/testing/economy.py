"""What every economy keeps to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from only1mcp_sdk.kinds import Economy, Entry, Toolbox, Vendor, View
from only1mcp_sdk.messages import Caller, Outcome
from only1mcp_sdk.offer import Offer
from only1mcp_sdk.testing.fakes import make_caller, make_exchange
from only1mcp_sdk.testing.filter import check_outcome
from only1mcp_sdk.testing.lifecycle import check_lifecycle, checked, quick
from only1mcp_sdk.testing.samples import OUTCOMES
from only1mcp_sdk.testing.transform import CATALOGUE, odd_entries

LIMIT = 2.0
"""Seconds for a view of `CATALOGUE` tools."""
PATIENCE = 5.0
"""Seconds for one of its own tools to answer."""
_ODD_ARGUMENTS = (
    b"{}",
    b'{"name":7}',
    b"[]",
    b"null",
    b'"text"',
    b'{"a":1,"a":2}',
    b'{"name":"no such tool"}',
)


async def check_economy(
    offer: Offer[Economy], options: Mapping[str, Any], tools: Sequence[Entry] = ()
) -> None:
    """Assert that the economy's views are functions of the tools, the options and the variant alone; that native tools
    keep their names and stay callable as they are, own tools take nobody's name and answer whatever they are called
    with, and outcomes stay sound. `tools` are tried besides."""
    await check_lifecycle(offer, options)
    odd = [entry for entry in odd_entries() if entry.kind == "tool"]
    many = [_tool(f"tool_{index}") for index in range(CATALOGUE)]
    toolboxes = [toolbox(each) for each in ([], list(tools), [*odd, *tools], many)]
    caller = make_caller()
    async with checked(offer, options) as economy:
        variant = economy.variant(caller)
        assert economy.variant(caller) == variant, "asked twice, it picks two variants for one caller"
        _check_refusal(economy)
        listed = []
        for each in toolboxes:
            view = economy.view(variant, each)
            listed.append(_check_list(view, each))
            await _check_calls(view, each, caller)
        quick(
            f"{offer.name}: a view of {CATALOGUE} tools", lambda: economy.view(variant, toolboxes[-1]), LIMIT
        )
        json.dumps([economy.compare(each) for each in toolboxes])
        json.dumps(economy.figures())
    async with checked(offer, options) as again:
        for each, before in zip(toolboxes, listed, strict=True):
            assert _check_list(again.view(again.variant(caller), each), each) == before, (
                "opened again with the same options, it shows something else; lists must be the same after a restart"
            )


def toolbox(tools: Sequence[Entry], *, trusted: bool = False) -> Toolbox:
    """Tools, each name once, and the servers they come from."""
    by_name = {entry.shown: entry for entry in reversed(tools)}
    kept = [entry for entry in tools if by_name[entry.shown] is entry]
    servers = dict.fromkeys(entry.server for entry in kept)
    return Toolbox(kept, {name: Vendor(name, name.title(), "", trusted) for name in servers}, set(by_name))


def _check_refusal(economy: Economy) -> None:
    odd = msgspec.structs.replace(make_caller(), context="no such context")
    try:
        economy.variant(odd)
    except ValueError as error:
        assert str(error), "it refuses a context it does not have without saying why"
    else:
        raise AssertionError("it takes any ?context=; refuse those that there are not with a ValueError")


def _check_list(view: View, box: Toolbox) -> list[Entry]:
    shown = list(view.tools)
    assert list(view.tools) == shown, "asked twice, a view shows two different lists"
    native = {entry.shown: entry for entry in box.tools}
    names = [entry.shown for entry in shown]
    assert len(set(names)) == len(names), "two of its tools have one name"
    for entry in shown:
        if entry.server:
            found = native.get(entry.shown)
            assert found is not None, (
                f"{entry.shown!r} was not in the toolbox; a call would have nowhere to go"
            )
            assert (found.server, found.name) == (entry.server, entry.name), (
                f"{entry.shown!r} is another tool now"
            )
        else:
            assert entry.shown in view.own, f"{entry.shown!r} has no server and is not among its own tools"
            assert entry.shown not in box.taken, f"its own tool {entry.shown!r} has a name that is taken"
        for value in entry.members.values():
            json.loads(value)
    return shown


async def _check_calls(view: View, box: Toolbox, caller: Caller) -> None:
    view.listed(caller)
    for entry in box.tools[:50]:
        call = make_exchange("tools/call", {"name": entry.shown, "arguments": {"q": 1}}, caller=caller)
        outcome = view.before(call)
        if outcome is None or callable(outcome):
            assert call.name == entry.shown, f"a call of {entry.shown!r} became one of {call.name!r}"
            for each in OUTCOMES:
                check_outcome(view.after(call, each), "the economy")
        else:
            check_outcome(outcome, "the economy")
    own = [entry.shown for entry in view.tools if not entry.server]
    for name in own:
        for arguments in _ODD_ARGUMENTS:
            call = make_exchange("tools/call", {"name": name, "arguments": arguments}, caller=caller)
            outcome = view.before(call)
            if outcome is None and call.name in view.own:
                answered: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
                view.serve(call, answered.set_result)
                async with asyncio.timeout(PATIENCE):
                    outcome = await answered
                check_outcome(view.after(call, outcome), "the economy")
            if outcome is not None:
                check_outcome(outcome, f"the economy's {name}")


def _tool(name: str) -> Entry:
    schema = b'{"type":"object","properties":{"path":{"type":"string","description":"Where it is."}}}'
    members = {
        "name": json.dumps(name).encode(),
        "description": b'"Does one thing. And more."',
        "inputSchema": schema,
    }
    return Entry("tool", "files", name, name, members)
