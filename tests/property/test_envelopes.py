"""Reading messages: whatever comes in, the decoder refuses it or understands what a strict reference does."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from only1mcp_kernel.wire import envelope, plain
from only1mcp_kernel.wire.envelope import MAX_BATCH, BadMessage, Envelope
from only1mcp_sdk import DuplicateMember
from only1mcp_sdk.members import array, items, join, split
from tests.property.json_bytes import (
    RIGHT,
    WRONG,
    JsonObject,
    Refused,
    bodies,
    damaged,
    members,
    reference,
    same,
    values,
)

CODES = {-32700, -32600, -32602}


_spaces = st.sampled_from([b"", b"", b" ", b"\n", b"   ", b"       "])
_names = st.sampled_from(
    [
        b'"jsonrpc"',
        b'"id"',
        b'"method"',
        b'"params"',
        b'"result"',
        b'"error"',
        b'"\\u0069d"',
        b'"i d"',
        b'"abcde"',
    ]
)
_values = st.sampled_from(
    [
        b'"2.0"',
        b"1",
        b'"a b"',
        b'"m"',
        b'"     "',
        b'"t\\/c"',
        b"{}",
        b'{"a": 1}',
        b'{"a":[1, 2]}',
        b"[]",
        b"null",
    ]
)
_member = st.tuples(_spaces, _names, _spaces, _values, _spaces).map(
    lambda part: part[0] + part[1] + part[2] + b":" + part[2] + part[3] + part[4]
)
_usual = st.sampled_from(
    [
        [b'"jsonrpc":"2.0"', b'"id":1', b'"method":"m"', b'"params":{"a": 1}'],
        [b'"jsonrpc":"2.0"', b'"id":1', b'"method":"m"', b'"params":{"name":"a b", "_meta":{"b":1}}'],
        [
            b'"jsonrpc":"2.0"',
            b'"id":"1"',
            b'"method":"a b"',
            b'"params":{"arguments":{"a": 1},"arguments":{}}',
        ],
        [b'"jsonrpc":"2.0"', b'"id":1', b'"result":{"a":1}'],
        [b'"result":{"a":1}', b'"jsonrpc":"2.0"', b'"id":"a b"'],
    ]
)
alike = st.tuples(_usual, st.lists(_member, max_size=3), st.randoms(use_true_random=False)).map(
    lambda drawn: b"{" + b",".join(_shuffled(drawn[0] + drawn[1], drawn[2])) + b"}"
)
"""Objects that are messages, or nearly."""


def _shuffled(parts: list[bytes], random: Any) -> list[bytes]:
    if random.random() < 0.5:
        random.shuffle(parts)
    return parts


# -- properties


@settings(max_examples=2000)
@given(alike)
@example(b'{"jsonrpc":"2.0","id":1,"abcde":1}')
@example(b'{"jsonrpc":"2.0","id":1,   "result":{"a":1}}')
@example(b'{"jsonrpc":"2.0","id":"       ","id":2,"result":{}}')
@example(b'{"jsonrpc":"2.0","id":2,"result":{} , "id":2}')
@example(b'{"jsonrpc":"2.0","id":2,"method":"m","params":{"name":"a", "name":"a"}}')
def test_the_quick_way_to_read_takes_nothing_that_the_thorough_one_refuses(body: bytes) -> None:
    request = plain.read_request(body)
    if request is not None:
        read = envelope.read(body)
        assert isinstance(read, Envelope)
        params = split(read.params) if read.params else {}
        assert request == (Envelope(read.id, read.method), params)
    result = plain.read_result(body)
    if result is not None:
        assert envelope.read(body) == Envelope(id=b"%d" % result[0], result=result[1])


@settings(max_examples=2000)
@given(alike)
@example(b'{"a":"      ","b":1,"b":1,"c":2}')
@example(b"{ }")
def test_a_member_that_is_there_twice_is_never_overlooked(body: bytes) -> None:
    names: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        names[:] = [name for name, _ in pairs]

    json.loads(body, object_pairs_hook=note)
    if len(set(names)) != len(names):
        with pytest.raises(DuplicateMember):
            split(body)
    else:
        assert list(split(body)) == names


@settings(max_examples=700)
@given(bodies)
@example(b"")
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":' + b"[" * 511 + b"]" * 511 + b"}}")
@example(b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"m"}')
@example('{"jsonrpc":"2.0","id":1,"method":"m"}'.encode("utf-16"))
@example(b'{"jsonrpc":"2.0","id":1,"method":"m"}\0')
@example(b'{"jsonrpc":"2.0","id":' + b"1" * 10_000 + b',"method":"m"}')
def test_what_is_taken_is_what_a_strict_reader_sees(body: bytes) -> None:
    read = taken(body)
    if read is None:
        return
    seen = reference(body)
    if isinstance(read, list):
        assert isinstance(seen, list)
        assert not isinstance(seen, JsonObject)
        assert 0 < len(read) == len(seen) <= MAX_BATCH
        for one, value in zip(read, seen, strict=True):
            if isinstance(one, BadMessage):
                check_refusal(one)
            else:
                check(one, members(value))
    else:
        check(read, members(seen))


def taken(body: bytes) -> Envelope | list[Envelope | BadMessage] | None:
    """What was read; None where it was refused as it should be."""
    try:
        return envelope.read(body)
    except BadMessage as bad:
        refused = bad
    check_refusal(refused)
    return None


def check_refusal(refused: BadMessage) -> None:
    assert refused.code in CODES
    assert refused.message
    reference(refused.id)  # it goes into the error as it is


def check(read: Envelope, seen: dict[str, Any]) -> None:
    """It is JSON-RPC, and says what the reference reads."""
    assert seen["jsonrpc"] == "2.0"
    if read.method:
        assert same(read.method, seen["method"])
        assert ("id" in seen) == bool(read.id)
        assert ("params" in seen) == bool(read.params)
        if read.id:
            assert isinstance(seen["id"], str | float)
        if read.params:
            assert isinstance(seen["params"], JsonObject)
    else:
        assert "method" not in seen
        assert ("result" in seen) != ("error" in seen)
        assert isinstance(seen["id"], str | float) or (seen["id"] is None and "error" in seen)
    for name in ("id", "params", "result", "error"):
        raw = getattr(read, name)
        if raw:
            assert same(reference(raw), seen[name]), name


@settings(max_examples=500)
@given(RIGHT.objects(values) | values | damaged())
@example(b'{"a":1,"\\u0061":2}')
@example(b'{"a":{"b":1,"b":2}}')
@example(b'{"a":1}{"b":2}')
@example(b'{"a":' + b"9" * 5000 + b',"b":1e999}')
def test_members_are_those_of_the_reference(raw: bytes) -> None:
    envelope_takes_it = True
    try:
        envelope._check_text(raw)  # what comes in has always passed this
    except BadMessage:
        envelope_takes_it = False
    try:
        found = split(raw)
    except DuplicateMember:
        with pytest.raises(Refused):
            members(reference(raw))
        return
    except msgspec.DecodeError:
        return
    except (ValueError, RecursionError):
        assert not envelope_takes_it
        return
    if envelope_takes_it:
        seen = members(reference(raw))
        assert list(found) == list(seen)
        assert all(same(reference(found[name]), seen[name]) for name in seen)


@settings(max_examples=500)
@given(RIGHT.arrays(values) | WRONG.arrays(values))
def test_items_are_those_of_the_reference(raw: bytes) -> None:
    try:
        envelope._check_text(raw)
        found = items(raw)
    except (BadMessage, msgspec.DecodeError):
        return
    seen = reference(raw)
    assert not isinstance(seen, JsonObject)
    assert len(found) == len(seen)
    assert all(same(reference(one), value) for one, value in zip(found, seen, strict=True))


good_text = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12)
good_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | good_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(good_text, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def written(draw: st.DrawFn, value: st.SearchStrategy[Any]) -> bytes:
    """A value as somebody may write it: with or without spaces, with or without escapes."""
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :\t")]))
    return json.dumps(draw(value), ensure_ascii=draw(st.booleans()), separators=separators).encode()


@given(
    st.dictionaries(good_text, written(good_values), max_size=5), st.lists(written(good_values), max_size=5)
)
def test_what_is_put_together_comes_apart_again_byte_for_byte(
    object: dict[str, bytes], list: list[bytes]
) -> None:
    assert split(join(object)) == object
    assert items(array(list)) == list


@given(
    written(st.integers() | good_text),
    good_text.filter(bool),
    written(st.dictionaries(good_text, good_values)),
)
def test_what_is_written_is_read_back(id: bytes, method: str, object: bytes) -> None:
    assert envelope.read(envelope.request(id, method, object)) == Envelope(
        id=id, method=method, params=object
    )
    assert envelope.read(envelope.request(id, method, b"")) == Envelope(id=id, method=method)
    assert envelope.read(envelope.notification(method, object)) == Envelope(method=method, params=object)
    assert envelope.read(envelope.response(id, object)) == Envelope(id=id, result=object)
    assert envelope.read(envelope.error(id, object)) == Envelope(id=id, error=object)


@pytest.mark.parametrize("open", ["[", '{"a":', '[{"a":'])
def test_what_is_nested_too_deeply_is_refused(open: str) -> None:
    close = "".join({"[": "]", "{": "}"}[each] for each in reversed(open) if each in "[{")

    def body(levels: int) -> bytes:
        inner = open * levels + "1" + close * levels
        return b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"name":' + inner.encode() + b"}}"

    few = envelope.read(body(200))
    assert isinstance(few, Envelope)
    assert plain.read_request(body(200)) == (Envelope(few.id, few.method), split(few.params))
    assert plain.read_request(body(100_000)) is None
    with pytest.raises(BadMessage, match="nested too deeply"):
        envelope.read(body(100_000))


def test_a_batch_is_bounded_and_never_empty() -> None:
    one = b'{"jsonrpc":"2.0","method":"m"}'
    assert len(envelope.read(array([one] * MAX_BATCH))) == MAX_BATCH  # type: ignore[arg-type]
    for many in ([one] * (MAX_BATCH + 1), []):
        with pytest.raises(BadMessage):
            envelope.read(array(many))
