"""Where tasks stand in messages, and who declares them."""

from __future__ import annotations

import json
from math import inf
from typing import Any

import msgspec
import pytest

from only1mcp_kernel.protocol import tasks
from only1mcp_kernel.protocol.capabilities import read_client
from only1mcp_kernel.protocol.errors import Refused
from only1mcp_sdk.members import encode

RELATED = {tasks.RELATED: {"taskId": "a", "x": 1}, "y": 2}


def shown(own: str, seconds: float) -> str:
    return f"{own}/{seconds:g}"


def read(raw: bytes) -> Any:
    return json.loads(raw)


def test_who_declares_the_extension() -> None:
    odds: list[Any] = [{}, {"extensions": {}}, {"x": tasks.EXTENSION}, {"extensions": {tasks.EXTENSION: 1}}]
    for odd in odds:
        assert not tasks.declared_by(read_client(encode(odd)))
    with pytest.raises(Refused, match=tasks.EXTENSION):
        tasks.check_declared(read_client(b"{}"))
    able = read_client(encode({"extensions": {tasks.EXTENSION: {"more": 1}}}))
    assert tasks.declared_by(able)
    tasks.check_declared(able)


def test_what_stays_behind_in_the_other_era() -> None:
    plain = read_client(b'{"sampling":{"x": 1}}')
    assert tasks.without(plain) is plain
    odd = read_client(encode({"tasks": 1, "extensions": tasks.EXTENSION}))
    assert read(tasks.without(odd).raw) == {"extensions": tasks.EXTENSION}
    both: dict[str, Any] = {"tasks": {}, "sampling": {}, "extensions": {"a/b": {}, tasks.EXTENSION: {}}}
    left = tasks.without(read_client(encode(both)))
    assert read(left.raw) == {"sampling": {}, "extensions": {"a/b": {}}}
    assert left.asks == {"sampling"}
    assert left.group == read_client(left.raw).group


def test_what_servers_declare() -> None:
    legacy: dict[str, Any] = {"tasks": {"list": {}}}
    modern: dict[str, Any] = {"extensions": {tasks.EXTENSION: {"a": 1}}}
    assert tasks.offered(legacy, "legacy") == {"list": {}}
    assert tasks.offered(modern, "modern") == {"a": 1}
    assert tasks.offered(modern, "legacy") is tasks.offered(legacy, "modern") is None
    assert tasks.offered({"tasks": 1, "extensions": []}, "legacy") is None
    assert tasks.lists(legacy)
    assert not tasks.lists({"tasks": {"list": True}})


@pytest.mark.parametrize(("ttl", "seconds"), [(1500, 1.5), (0, 0), (None, inf), ("x", inf), (True, inf)])
def test_how_long_a_task_is_kept(ttl: Any, seconds: float) -> None:
    for name in ("ttl", "ttlMs"):
        raw = tasks.task(encode({"taskId": "a", name: ttl}), shown)
        assert read(raw) == {"taskId": f"a/{seconds:g}", name: ttl}
    assert read(tasks.task(b'{"taskId":"a"}', shown)) == {"taskId": "a/inf"}
    for huge in (b"1e999", b"9" * 500):
        raw = b'{"taskId":"a","ttl":' + huge + b"}"
        assert tasks.task(raw, shown) == raw.replace(b'"a"', b'"a/inf"')


def test_a_created_task() -> None:
    made = {"task": {"taskId": "a", "ttl": 1000, "x": [1.0]}, "y": {"taskId": "b"}, "_meta": RELATED}
    assert read(tasks.created(encode(made), "legacy", shown)) == {
        **made, "task": {"taskId": "a/1", "ttl": 1000, "x": [1.0]},
        "_meta": {tasks.RELATED: {"taskId": "a/0", "x": 1}, "y": 2},
    }  # fmt: skip
    flat = {"resultType": "task", "taskId": "a", "ttlMs": 1000}
    assert read(tasks.created(encode(flat), "modern", shown)) == {**flat, "taskId": "a/1"}


@pytest.mark.parametrize(
    "raw",
    [
        b'{"content":[]}',
        b'{"task" : "a"}',
        b'{"resultType":"complete","taskId":"a"}',
        b'{"content":["\\"task"]}',
    ],
)
def test_a_result_that_made_none_keeps_its_bytes(raw: bytes) -> None:
    assert tasks.created(raw, "modern", shown) == raw
    assert tasks.created(raw, "legacy", shown) == raw


def test_answers_about_tasks() -> None:
    got = {"taskId": "a", "ttl": 2000, "result": {"taskId": "b"}}
    assert read(tasks.answered("tasks/get", encode(got), shown)) == {**got, "taskId": "a/2"}
    result = {"taskId": "of the tool", "_meta": RELATED}
    meta = {tasks.RELATED: {"taskId": "a/0", "x": 1}, "y": 2}
    assert read(tasks.answered("tasks/result", encode(result), shown)) == {**result, "_meta": meta}
    assert tasks.answered("tasks/cancel", b"{ }", shown) == b"{}"


def test_lists_keep_what_is_wanted() -> None:
    listed = encode([{"taskId": "a", "ttl": 1000}, {"taskId": "b"}, {"taskId": 1}, {}])
    assert [read(each) for each in tasks.listed(listed, {"b"}.__contains__, shown)] == [{"taskId": "b/inf"}]


def test_what_belongs_to_a_task() -> None:
    raw = encode({"message": "m", "_meta": RELATED})
    assert tasks.related_to(raw) == "a"
    for odd in (b"", b"{}", b'{"x":"' + tasks.RELATED_BYTES + b'"}', encode({"_meta": {tasks.RELATED: {}}})):
        assert tasks.related_to(odd) is None
        assert tasks.related(odd, shown) == odd
    for bad in (encode({"_meta": {tasks.RELATED: 1}}), encode({"_meta": tasks.RELATED})):
        with pytest.raises(msgspec.ValidationError):
            tasks.related(bad, shown)


def test_questions_that_ask_for_a_task() -> None:
    assert tasks.asks_for_task(b'{"task":{}}')
    assert not tasks.asks_for_task(b'{"messages":["task"]}')
    assert not tasks.asks_for_task(b'{"x":{"task":1}}')
