"""Whatever a server lists, definitions are written: in good time, as JSON, and unchanged where they make no sense."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from only1mcp_context.definitions import normalise, signatures, slim
from only1mcp_context.definitions.tokens import ESTIMATE
from only1mcp_context.modes.catalogue import Catalogue
from only1mcp_context.ranking import load
from only1mcp_sdk import Entry, Toolbox, Vendor

RELATED = load()


def _nested(depth: int) -> bytes:
    return b'{"items":' * depth + b"{}" + b"}" * depth


def _raw(value: Any) -> bytes:
    return json.dumps(value).encode()


REFERRING = {
    "properties": {"a": {"$ref": "#/$defs/x"}},
    "$defs": {"x": {"anyOf": [{"$ref": "#/$defs/x"}] * 300}},
}
CHAIN = {str(level): {"anyOf": [{"$ref": f"#/$defs/{level + 1}"}] * 40} for level in range(60)}
ODD: dict[str, dict[str, bytes]] = {
    "half a character in a description": {"description": b'"\\ud800"'},
    "half a character in a title": {"title": b'"\\ud800"'},
    "half a character in a schema": {"inputSchema": b'{"properties":{"\\ud800":{"enum":["\\udfff"]}}}'},
    "half a character in execution": {"execution": b'{"taskSupport":"\\ud800"}'},
    "a number beyond measure": {"inputSchema": b'{"properties":{"a":{"default":1e999}}}'},
    "a large number": {"inputSchema": b'{"properties":{"a":{"maximum":123456789012345678901234567890}}}'},
    "no text": {"description": b"5", "title": b"[]"},
    "no schema": {"inputSchema": b"[]"},
    "odd parts": {
        "inputSchema": b'{"required":[{},[],null,5],"properties":{"a":5,"b":{"anyOf":[null,{"type":{}}]},'
        b'"c":{"type":[{}]},"d":{"enum":{}},"e":{"$ref":[]},"f":{"anyOf":{}},"g":{"default":[]}}}'
    },
    "odd annotations": {"annotations": b"[]", "execution": b"5"},
    "annotations twice": {"annotations": b'{"readOnlyHint":true,"readOnlyHint":false}'},
    "a deep schema": {"inputSchema": _nested(300)},
    "a deeper schema": {"inputSchema": _nested(900)},
    "the deepest schema": {"inputSchema": _nested(5000)},
    "references to itself": {"inputSchema": _raw(REFERRING)},
    "more references to itself": {
        "inputSchema": _raw({"properties": {f"p{n}": {"$ref": "#"} for n in range(100)}})
    },
    "a chain of references": {
        "inputSchema": _raw({"properties": {"a": {"$ref": "#/$defs/0"}}, "$defs": CHAIN})
    },
    "much space": {"description": _raw("x" + " " * 200_000 + "y")},
    "much space before lines": {"description": _raw("x\n" + "\t" * 200_000 + "y")},
    "many lines": {"description": _raw("x\n" + "\n \n" * 100_000 + "y")},
    "many points": {"description": _raw("e.g. " * 50_000)},
    "many digits": {"description": _raw("1," * 200_000)},
    "a long name": {"inputSchema": _raw({"properties": {"x" * 100_000: {"type": "string"}}})},
}


@pytest.mark.parametrize("kind", ODD)
def test_what_servers_list(kind: str) -> None:
    entry = Entry("tool", "s", "t", "t", {"name": b'"t"', **ODD[kind]})
    began = time.process_time()
    for changed in (normalise.normalise(entry), slim.slim(entry), slim.slim(normalise.normalise(entry))):
        assert changed.members.keys() == entry.members.keys()
        for name, value in changed.members.items():
            assert value == entry.members[name] or json.loads(value) is not None
    assert signatures.signature(entry).startswith("t(")
    assert len(signatures.signature(entry)) < 10_000
    catalogue = Catalogue(Toolbox([entry], {"s": Vendor("s")}, {"t"}), RELATED, ESTIMATE)
    assert catalogue.tokens > 0
    assert not catalogue.reading
    assert not catalogue.needing_tasks
    assert catalogue.search(["t"], None, 5)
    assert catalogue.checker("t").check(b"{}") is not None
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "kind",
    [
        "half a character in a description",
        "half a character in a schema",
        "a number beyond measure",
        "no schema",
        "a deep schema",
    ],
)
def test_what_can_not_be_understood_stays(kind: str) -> None:
    entry = Entry("tool", "s", "t", "t", ODD[kind])
    assert normalise.normalise(entry) == slim.slim(entry) == entry
