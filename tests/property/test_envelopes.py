"""Reading messages: whatever comes in, the decoder refuses it or understands what a strict reference does."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from only1mcp_kernel.wire import envelope
from only1mcp_kernel.wire.envelope import MAX_BATCH, MAX_DEPTH, BadMessage, Envelope
from only1mcp_sdk import DuplicateMember
from only1mcp_sdk.members import array, items, join, split

CODES = {-32700, -32600, -32602}


class Refused(Exception):
    """The reference does not take these bytes."""


class Twice(Refused):
    """An object names a member twice."""


# -- the reference: the json module, made strict


class _Object(list[tuple[str, Any]]):
    """An object as it was written, with every member."""


def reference(body: bytes) -> Any:
    """The JSON value, with objects as lists of their members."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("invalid UTF-8") from None
    if text.startswith("\ufeff"):
        raise Refused("a byte order mark")

    def refuse(constant: str) -> Any:
        raise Refused(constant)

    try:
        return json.loads(text, object_pairs_hook=_Object, parse_constant=refuse, parse_int=float)
    except (json.JSONDecodeError, RecursionError) as error:
        raise Refused(str(error)) from None


def members(value: Any) -> dict[str, Any]:
    """The outermost members of an object; none may be there twice."""
    if not isinstance(value, _Object):
        raise Refused("no object")
    if len(dict(value)) != len(value):
        raise Twice
    return dict(value)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(type(one) is type(other) and one == other)


# -- bytes that look like messages

SPACES = [b"", b"", b" ", b"\n", b"\t\r\n "]
ATOMS = (
    rb"""0 -0 1 -1 1.5 1e5 1E+400 -1e999 null true false [] {} "" "a" "2.0" "\u0061" "\ud800" "\ud83d\ude00" """
    rb""""\udc00\ud800" "\u0000" "[[[{{{" "jsonrpc" "\"" "\\" "\/" """
).split()
LONG = [
    b"9" * 400,
    b"9" * 5000,
    b"0." + b"1" * 400,
    b'"\xf0\x9f\x98\x80"',
    b'"\xe2\x80\xa8"',
    b'"' + b"a" * 999 + b'"',
]
NAMES = rb""""jsonrpc" "id" "method" "params" "result" "error" "a" "b" "" "\u0069d" "m\u0065thod" """.split()

NO_SPACES = [b"\0", b"\xef\xbb\xbf", b"\xc2\xa0", b"/**/", b"\x0b"]
NO_ATOMS = (
    rb"""01 +1 1. .5 1e --1 NaN Infinity -Infinity 0x10 1_0 nul True undefined "\x41" " 'a' "\" "\u00" "\q" {]"""
).split()
RAW = [
    b'"\n"',
    b'"\0"',
    b'"\xed\xa0\x80"',
    b'"\xff"',
    b'"\xc0\x80"',
    b'"\xf4\x90\x80\x80"',
    b"",
    b'"\xe2\x80"',
]
NO_NAMES = [b"id", b'"\\ud800"', b"1", b"", b"null", b'"\xff"']


class Bytes:
    """Strategies for JSON as bytes: what is right, or what is right and what is wrong."""

    def __init__(self, wrong: bool) -> None:
        self.spaces = st.sampled_from(SPACES * 8 + NO_SPACES if wrong else SPACES)
        self.atoms = st.sampled_from((ATOMS + LONG) * 8 + NO_ATOMS + RAW if wrong else ATOMS + LONG)
        self.names = st.sampled_from(NAMES * 8 + NO_NAMES if wrong else NAMES)
        self.values = st.recursive(
            self.atoms, lambda inner: self.objects(inner) | self.arrays(inner), max_leaves=8
        )

    def objects(self, inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
        spaces = self.spaces
        member = st.tuples(spaces, self.names, spaces, st.just(b":"), spaces, inner, spaces).map(b"".join)
        return st.lists(member, max_size=4).map(lambda parts: b"{" + b",".join(parts) + b"}")

    def arrays(self, inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
        item = st.tuples(self.spaces, inner, self.spaces).map(b"".join)
        return st.lists(item, max_size=4).map(array)

    def messages(self) -> st.SearchStrategy[bytes]:
        """A message, or almost one."""

        @st.composite
        def message(draw: st.DrawFn) -> bytes:
            values = {
                b'"jsonrpc"': st.sampled_from([b'"2.0"'] * 9 + [b'"1.0"', b"2.0", b'"2\\u002e0"']),
                b'"id"': st.sampled_from([b"1", b'"x"', b"-7", b"1.5", b'""', b"9" * 50]) | self.atoms,
                b'"method"': st.sampled_from([b'"tools/call"', b'"\\u0061"', b'"\xc3\xa9"', b'""', b"7"]),
                b'"params"': self.objects(self.values) | self.atoms,
                b'"result"': self.values,
                b'"error"': self.values,
            }
            kind = draw(
                st.sampled_from(
                    [*["ji mp", "ji m", "jmp", "jir", "jie"] * 3, "jierm", "mp", "", "jii m", "jimmp"]
                )
            )
            chosen = [name for letter in kind for name in values if name[1:2].decode() == letter]
            members = [name + b":" + draw(self.spaces) + draw(values[name]) for name in chosen]
            if draw(st.integers(0, 3)) == 0:
                members.append(draw(self.names) + b":" + draw(self.values))
            body = b",".join(draw(st.permutations(members)))
            return draw(self.spaces) + b"{" + body + b"}" + draw(self.spaces)

        return message()


RIGHT, WRONG = Bytes(wrong=False), Bytes(wrong=True)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A message with some of its bytes changed, lost or put in."""
    body = bytearray(draw(RIGHT.messages()))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=3))
    return bytes(body)


values = RIGHT.values | WRONG.values
bodies = st.one_of(
    RIGHT.messages(),
    WRONG.messages(),
    damaged(),
    values,
    RIGHT.arrays(RIGHT.messages()),
    WRONG.arrays(RIGHT.messages() | WRONG.messages()),
    st.binary(max_size=60),
    st.text(alphabet='{}[]",:\\0123eE+-. \n', max_size=40).map(str.encode),
)


# -- properties


@settings(max_examples=1000)
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
        assert not isinstance(seen, _Object)
        assert 0 < len(read) == len(seen) <= MAX_BATCH
        for one, value in zip(read, seen, strict=True):
            check(one, members(value))
    else:
        check(read, members(seen))


def taken(body: bytes) -> Envelope | list[Envelope] | None:
    """What was read; None where it was refused as it should be."""
    try:
        return envelope.read(body)
    except BadMessage as bad:
        refused = bad
    assert refused.code in CODES
    assert refused.message
    reference(refused.id)  # it goes into the error as it is
    return None


def check(read: Envelope, seen: dict[str, Any]) -> None:
    """It is JSON-RPC, and says what the reference reads."""
    assert seen["jsonrpc"] == "2.0"
    if read.method:
        assert seen["method"] == read.method
        assert ("id" in seen) == bool(read.id)
        assert ("params" in seen) == bool(read.params)
        if read.id:
            assert isinstance(seen["id"], str | float)
        if read.params:
            assert isinstance(seen["params"], _Object)
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
    assert not isinstance(seen, _Object)
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


@given(st.text(alphabet="[]{}", max_size=30), st.integers(MAX_DEPTH - 5, MAX_DEPTH + 200))
def test_depth_is_never_underestimated(prefix: str, levels: int) -> None:
    nested = b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"' + prefix.encode() + b'":'
    body = nested + b"[" * levels + b"]" * levels + b"}}"
    if levels + 2 > MAX_DEPTH:
        with pytest.raises(BadMessage, match="nested deeper"):
            envelope.read(body)
    else:
        assert isinstance(envelope.read(body), Envelope)


def test_a_batch_is_bounded_and_never_empty() -> None:
    one = b'{"jsonrpc":"2.0","method":"m"}'
    assert len(envelope.read(array([one] * MAX_BATCH))) == MAX_BATCH  # type: ignore[arg-type]
    for many in ([one] * (MAX_BATCH + 1), []):
        with pytest.raises(BadMessage):
            envelope.read(array(many))
