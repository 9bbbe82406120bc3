"""What a call of a wrapper stands for."""

from __future__ import annotations

import json

import pytest

from only1mcp_context.arguments import Fault, WrappedCall, repaired_call
from only1mcp_context.arguments.calls import unwrapped


@pytest.mark.parametrize(
    ("raw", "arguments"),
    [
        (b'{"name":"t","arguments":{"a":1}}', b'{"a":1}'),
        (b'{"name":"t","arguments":{ "a" : 1.50 }}', b'{ "a" : 1.50 }'),
        (b'{"name":"t"}', b"{}"),
        (b'{"name":"t","arguments":null}', b"{}"),
        (b'{"name":"t","arguments":""}', b"{}"),
        (b'{"name":"t","arguments":"{\\"a\\": 1}"}', b'{"a": 1}'),
        (b'"{\\"name\\": \\"t\\", \\"arguments\\": {\\"a\\": 1}}"', b'{"a": 1}'),
        (b'{"name":"t","a":1,"b":[2]}', b'{"a":1,"b":[2]}'),
    ],
)
def test_is_read_as_it_is_meant(raw: bytes, arguments: bytes) -> None:
    assert repaired_call(raw) == WrappedCall("t", arguments)


def test_has_what_is_wanted_of_the_result() -> None:
    assert repaired_call(b'{"name":"t","select":"a.b"}') == WrappedCall("t", b"{}", "a.b")
    assert repaired_call(b'{"name":"t","a":1,"select":null}') == WrappedCall("t", b'{"a":1}')


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"[]", "write {"),
        (b'"hello"', "write {"),
        (b"{}", "`name` is missing"),
        (b'{"name":5,"arguments":{}}', "`name` is missing"),
        (b'{"name":"t","arguments":[1]}', "`arguments` should be an object, not [1]"),
        (b'{"name":"t","arguments":"{\\"a\\": "}', "`arguments` should be an object"),
        (b'{"name":"t","arguments":{},"path":"x"}', "'path'"),
        (b'{"name":"t","path":"x","path":"y"}', "duplicate member 'path'"),
        (b'{"name":"t","a":1,"select":5}', "`select` should be text"),
    ],
)
def test_says_what_is_wrong(raw: bytes, said: str) -> None:
    found = repaired_call(raw)
    assert isinstance(found, Fault)
    assert said in found.message


def test_does_not_repeat_what_is_large() -> None:
    found = repaired_call(json.dumps({"name": "t", "arguments": ["x" * 10_000]}).encode())
    assert isinstance(found, Fault)
    assert len(found.message) < 200


def test_bears_what_is_nested_deeply() -> None:
    assert isinstance(repaired_call(b'{"name":"t","arguments":' + b"[" * 100_000), Fault)


def test_a_call_within_a_call() -> None:
    assert unwrapped(b'{"name":"t","arguments":{"a":1.50}}', "t") == b'{"a":1.50}'
    assert unwrapped(b'{"name":"t","arguments":"{\\"a\\":1}"}', "server_t") == b'{"a":1}'
    assert unwrapped(b'{"arguments":{"a":1}}', "t") == b'{"a":1}'


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1}',
        b'{"name":"other","arguments":{}}',
        b'{"name":"t","arguments":{},"more":1}',
        b'{"name":5,"arguments":{}}',
        b'{"name":"","arguments":{}}',
        b'{"name":"t","arguments":[1]}',
        b'["arguments"]',
        b'{"arguments":{},"arguments":{}}',
    ],
)
def test_no_call_within_a_call(raw: bytes) -> None:
    assert unwrapped(raw, "t") is None
