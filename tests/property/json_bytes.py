"""JSON as bytes: a strict reference that reads it, and strategies for what looks like it."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from hypothesis import strategies as st

from only1mcp_sdk.members import array


class Refused(Exception):
    """The reference does not take these bytes."""


class Twice(Refused):
    """An object names a member twice."""


# -- the reference: the json module, made strict


class JsonObject(list[tuple[str, Any]]):
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
        return json.loads(text, object_pairs_hook=JsonObject, parse_constant=refuse, parse_int=float)
    except (json.JSONDecodeError, RecursionError) as error:
        raise Refused(str(error)) from None


def members(value: Any) -> dict[str, Any]:
    """The outermost members of an object; none may be there twice."""
    if not isinstance(value, JsonObject):
        raise Refused("no object")
    if len(dict(value)) != len(value):
        raise Twice
    return dict(value)


def whole(text: str) -> str:
    """The text with halves of surrogate pairs replaced, as the kernel does: it could not be encoded."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one == whole(other)
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
