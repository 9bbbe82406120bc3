"""Whatever servers list: in every mode each tool can be found and called, and lists are sound.

    CATALOGUES=10000 pytest tests/plugins/context/test_catalogues.py

tries that many in place of the usual number.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from only1mcp_context import plugin
from only1mcp_context.definitions.normalise import normalise, normalised
from only1mcp_context.definitions.slim import slim
from only1mcp_sdk import Economy, Entry, Exchange, Outcome, Result, View
from only1mcp_sdk.members import encode
from only1mcp_sdk.testing import Harness, make_caller, make_exchange
from tests.plugins.context.catalogues import Catalogue, Tool, catalogues, schemas

MODES = ("native", "normalise", "slim", "signatures", "search", "auto", "within limits")
ECONOMIES = {offer.name: offer for offer in plugin.only1mcp_register_economy()}
PINNED = {"pinned": ["pin*"]}
LIMITS = {"tools": 6, "name": 64, "description": 1000}
OPTIONS: dict[str, dict[str, Any]] = {
    "auto": {**PINNED, "thresholds": {"slim": 20, "signatures": 100, "search": 400}},
    "within limits": {"thresholds": {"search": 100_000}, "limits": LIMITS},
}
COUNT = int(os.environ.get("CATALOGUES", "0"))
SOUND_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
MOST_OWN = 5
LONGEST, LONGEST_LINE = 500, 200
"""Bytes of the description of an own tool, and of what it says about each server."""
VALUES = st.recursive(
    st.sampled_from([None, True, 1, 0.5, "text", "it", "a"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["path", "type", "x1", "shared", "", "items"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def trying(usual: int) -> settings:
    return settings(
        max_examples=COUNT or usual,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )


async def test_in_every_mode() -> None:
    async with AsyncExitStack() as stack:
        harness = stack.enter_context(Harness())
        economies = {
            mode: await stack.enter_async_context(
                harness.open(ECONOMIES.get(mode, ECONOMIES["auto"]), OPTIONS.get(mode, PINNED))
            )
            for mode in MODES
        }

        @trying(40)
        @given(catalogues())
        def check(catalogue: Catalogue) -> None:
            for mode, economy in economies.items():
                note(mode)
                view = _view(economy, catalogue)
                _check_list(view, catalogue)
                if mode == "within limits":
                    _check_limits(view)
                for tool in catalogue.tools:
                    _check_reachable(view, tool)

        check()


def _view(economy: Economy, catalogue: Catalogue) -> View:
    return economy.view(economy.variant(make_caller()), catalogue.toolbox)


def _check_list(view: View, catalogue: Catalogue) -> None:
    names = [entry.shown for entry in view.tools]
    assert len(set(names)) == len(names)
    own = [entry for entry in view.tools if not entry.server]
    assert all(entry.shown in view.own for entry in own)
    assert len(own) <= MOST_OWN
    assert len(view.tools) - len(own) <= len(catalogue.tools)
    for entry in own:
        assert entry.shown not in catalogue.toolbox.taken
        assert SOUND_NAME.match(entry.shown)
        if _own(view, "tool_search"):
            assert len(entry.members["description"]) < LONGEST + LONGEST_LINE * len(catalogue.toolbox.vendors)
    for entry in view.tools:
        members = {name: json.loads(value) for name, value in entry.members.items()}
        assert members["name"] == entry.shown
        jsonschema_rs.meta.validate(members["inputSchema"])
        assert members["inputSchema"]["type"] == "object"


def _check_limits(view: View) -> None:
    """But for tools that have to be listed, since they are called as tasks only."""
    listed = [entry for entry in view.tools if "execution" not in entry.members]
    assert len(listed) <= LIMITS["tools"]
    for entry in listed:
        assert len(entry.shown) <= LIMITS["name"]
        assert len(json.loads(entry.members.get("description", b'""'))) <= LIMITS["description"]


def _check_reachable(view: View, tool: Tool) -> None:
    name = tool.entry.shown
    listed = name in {entry.shown for entry in view.tools}
    if not listed:
        _check_found(view, name, tool.entry.server)
        call = _call(view, "tool_call", {"name": name, "arguments": tool.fitting})
        assert view.before(call) is None
        assert call.name == name
        assert call.params is not None
        assert json.loads(call.params["name"]) == name
        assert json.loads(call.params["arguments"]) == tool.fitting
    if _own(view, "tool_describe"):
        told = _ask(view, "tool_describe", {"names": [name]})
        described = json.loads(told[told.index('{"name":') :])
        assert described["name"] == name
        fits = jsonschema_rs.validator_for(described["inputSchema"])
        assert fits.is_valid(tool.fitting)


def _check_found(view: View, name: str, server: str) -> None:
    if _own(view, "tool_search"):
        told = _ask(view, "tool_search", {"queries": [name], "server": server, "limit": 20})
        if name not in _names(told):
            told = _ask(view, "tool_search", {"server": server})
    else:
        called = _own(view, "tool_call")
        told = json.loads(next(each for each in view.tools if each.shown == called).members["description"])
    assert _names(told).count(name) == 1, told


_NAME = r'(?:"(?:[^"\\]|\\.)*"|[\w.:/@$-]+)'
_LINE = re.compile(rf"(?m)^[*!]?({_NAME})\(")
_TWINS = re.compile(rf"(?m) \(also: ({_NAME}(?:, {_NAME})*)\)$")


def _names(said: str) -> list[str]:
    """What a model reads as names of tools."""
    found = _LINE.findall(said)
    for twins in _TWINS.findall(said):
        found += re.findall(_NAME, twins)
    return [json.loads(each) if each.startswith('"') else each for each in found]


def _own(view: View, name: str) -> str:
    return next((each.shown for each in view.tools if not each.server and each.shown.endswith(name)), "")


def _call(view: View, tool: str, arguments: Any) -> Exchange:
    name = _own(view, tool)
    call = make_exchange("tools/call", {"name": name, "arguments": encode(arguments)})
    call.name = name
    return call


def _ask(view: View, tool: str, arguments: Any) -> str:
    answers: list[Outcome] = []
    view.serve(_call(view, tool, arguments), answers.append)
    (outcome,) = answers
    assert isinstance(outcome, Result)
    told = json.loads(outcome.raw)
    assert not told.get("isError"), told
    return "\n".join(block["text"] for block in told["content"])


@pytest.mark.parametrize("change", [normalise, slim, lambda entry: slim(normalise(entry))])
def test_the_same_arguments_are_valid(change: Callable[[Entry], Entry]) -> None:
    @trying(80)
    @given(schemas(), st.lists(VALUES, max_size=5))
    def check(pair: tuple[dict[str, Any], Any], others: list[Any]) -> None:
        schema, fitting = pair
        changed = json.loads(
            change(Entry("tool", "s", "t", "t", {"inputSchema": json.dumps(schema).encode()})).members[
                "inputSchema"
            ]
        )
        jsonschema_rs.meta.validate(changed)
        before, after = jsonschema_rs.validator_for(schema), jsonschema_rs.validator_for(changed)
        assert before.is_valid(fitting)
        for value in [fitting, *others]:
            assert before.is_valid(value) == after.is_valid(value)

    check()


@trying(40)
@given(catalogues(), st.randoms(use_true_random=False))
def test_the_order_of_servers_does_not_matter(catalogue: Catalogue, random: Any) -> None:
    """Within one server: the order of the servers is the configuration's."""
    entries = [tool.entry for tool in catalogue.tools if tool.entry.server == "one"]
    shuffled = [Entry("tool", e.server, e.name, e.shown, _shuffled(e.members, random)) for e in entries]
    random.shuffle(shuffled)
    assert [_written(e) for e in normalised(entries)] == [_written(e) for e in normalised(shuffled)]


def _written(entry: Entry) -> tuple[str, list[tuple[str, bytes]]]:
    return entry.shown, list(entry.members.items())


def _shuffled(members: dict[str, bytes], random: Any) -> dict[str, bytes]:
    return {
        name: json.dumps(_reordered(json.loads(members[name]), random), indent=1).encode()
        if name == "inputSchema"
        else members[name]
        for name in random.sample(sorted(members), len(members))
    }


def _reordered(value: Any, random: Any) -> Any:
    if isinstance(value, dict):
        return {name: _reordered(value[name], random) for name in random.sample(sorted(value), len(value))}
    return [_reordered(each, random) for each in value] if isinstance(value, list) else value
