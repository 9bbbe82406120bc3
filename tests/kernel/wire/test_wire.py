"""Envelopes, members and seals."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from only1mcp_kernel.wire import envelope
from only1mcp_kernel.wire.envelope import BadMessage
from only1mcp_kernel.wire.seal import BadSeal, KeyRing
from only1mcp_sdk import DuplicateMember
from only1mcp_sdk.members import join, split

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), values, max_size=6), st.sampled_from([None, 1]), st.booleans())
def test_splitting_and_joining_changes_nothing(
    value: dict[str, Any], indent: int | None, ascii_only: bool
) -> None:
    raw = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        members = split(raw)
    except ValueError:
        assert any(0xD800 <= ord(char) < 0xE000 for char in json.dumps(value, ensure_ascii=False))
        return
    assert {name: json.loads(member) for name, member in members.items()} == value
    assert json.loads(join(members)) == value


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.sampled_from(["", " ", "\n"]))
def test_a_member_named_twice_is_always_seen(name: str, space: str) -> None:
    key = json.dumps(name)
    raw = f'{{{space}{key}:1,{space}"between":{{{key}:2}},{key}:3}}'.encode()
    with pytest.raises(DuplicateMember):
        split(raw)


@given(st.binary(max_size=200))
def test_reading_never_fails_otherwise_than_by_refusing(body: bytes) -> None:
    codes = []
    try:
        envelope.read(body)
    except BadMessage as bad:
        codes.append(bad.code)
    assert set(codes) <= {-32700, -32600, -32602}


@given(values)
def test_every_json_value_is_read_or_refused(value: Any) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "m", "params": value}).encode()
    try:
        read = envelope.read(body)
    except BadMessage:
        assert not isinstance(value, dict) or "\\ud" in json.dumps(value)
    else:
        assert not isinstance(read, list)
        assert json.loads(read.params) == value


def test_seals_are_bound_to_purpose_and_principal_and_expire_with_their_key() -> None:
    keys = KeyRing(keep=2)
    token = keys.seal("session", "alice", ["a", "b"])
    assert keys.open("session", "alice", token) == ["a", "b"]
    for purpose, principal, shown in [
        ("cursor", "alice", token),
        ("session", "bob", token),
        ("session", "alice", token[:-2]),
        ("session", "alice", "o1-" + "A" * 60),
        ("session", "alice", "o1-\u00e9"),
        ("session", "alice", ""),
    ]:
        with pytest.raises(BadSeal):
            keys.open(purpose, principal, shown)
    keys.rotate()
    assert keys.open("session", "alice", token) == ["a", "b"]
    keys.rotate()
    with pytest.raises(BadSeal):
        keys.open("session", "alice", token)
