"""Results in pieces: however a response is cut, its result is found whole, and nothing else is taken for one."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from only1mcp_kernel.wire.splice import HELD, Malformed, Splice

_texts = st.text(alphabet='ab"\\{}[],: \n\u00e4\U0001f600', max_size=30)
_values = st.recursive(
    st.one_of(st.none(), st.integers(0, 99), _texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_texts, inner, max_size=3)),
    max_leaves=8,
)
_results = st.dictionaries(_texts, _values, max_size=4)
_ORDERS = [("jsonrpc", "id", "result"), ("result", "jsonrpc", "id"), ("id", "result", "jsonrpc")]


def spliced(body: bytes, cuts: list[int], id: int = 7) -> bytes | None:
    """The result, fed in pieces; None where the gateway would read the message whole. Raises `Malformed`."""
    splice = Splice(id)
    begin = splice.begin(body + b" " * 40 * body.count(b'"'))
    if begin is None:
        return None
    result, held = b"", body[begin:]
    edge = max(0, len(held) - HELD)
    points = sorted({min(cut, edge) for cut in cuts} | {0, edge})
    for start, end in itertools.pairwise(points):
        splice.advance(held[start : end + 7], end - start)
        result += held[start:end]
    last = held[edge:]
    return result + last[: splice.finish(last)]


@settings(max_examples=1000, deadline=None)
@given(
    _results,
    st.sampled_from(_ORDERS),
    st.booleans(),
    st.integers(0, 3000),
    st.lists(st.integers(0, 4000), max_size=6),
)
def test_a_result_is_what_a_decoder_reads(
    result: dict[str, Any], order: tuple[str, ...], compact: bool, padding: int, cuts: list[int]
) -> None:
    result = {"padding": 'x\\"]}' * (padding // 5), **result}
    message = {"jsonrpc": "2.0", "id": 7, "result": result}
    separators = (",", ":") if compact else (" , ", " : ")
    body = json.dumps({name: message[name] for name in order}, separators=separators, ensure_ascii=False)
    found = spliced(body.encode(), cuts)
    assert found is not None
    assert json.loads(found) == result


@settings(max_examples=1000, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                *(b'{"jsonrpc":"2.0","id":7,"result":{', b'"id":8', b'"method":"m"', b'"result":{}'),
                *(b'"jsonrpc":"2.0"', b'"a":', b'"b\\"', b"{", b"}", b"[", b"]", b",", b"1", b'"', b"\\"),
                b"x" * 1500,
            ]
        ),
        max_size=14,
    ),
    st.lists(st.integers(0, 4000), max_size=4),
)
@example([b'{"jsonrpc":"2.0","id":7,"result":{', b"}", b",", b'"method":"m"', b"}"], [])
def test_whatever_is_taken_is_a_response_and_nothing_besides(parts: list[bytes], cuts: list[int]) -> None:
    body = b'{"jsonrpc":"2.0","id":7,"result":{' + b"".join(parts)
    try:
        found = spliced(body, cuts)
    except Malformed:
        return
    try:
        seen = json.loads(body, object_pairs_hook=list)
    except ValueError:
        return  # no client takes it for anything
    assert sorted(name for name, _ in seen) == ["id", "jsonrpc", "result"]
    assert found is not None
    assert json.loads(found, object_pairs_hook=list) == dict(seen)["result"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":8,"result":{"a":1}}',
        b'{"jsonrpc":"2.0","result":{"a":1}}',
        b'{"jsonrpc":"2.0","id":7,"result":{"a":1},"id":7}',
        b'{"jsonrpc":"2.0","id":7,"result":{"a":1},"error":{}}',
        b'{"jsonrpc":"2.0","id":7,"result":{"a":1}',
        b'{"jsonrpc":"2.0","id":7,"result":{"a":"',
        b'{"jsonrpc":"2.0","id":7,"result":{"a":1}}{}',
        b'{"jsonrpc":"2.0","id":7,"result":{},"x":{"y":"' + b"z" * 5000 + b'"}}',
        b'{"jsonrpc":"2.0","id":7,"result":' + b'{"a":' * 600 + b"1" + b"}" * 601,
    ],
)
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        spliced(body, [])


@pytest.mark.parametrize(
    "body", [b'{"jsonrpc":"2.0","id":7,"error":{"a":1}}', b'{"jsonrpc":"2.0","id":7,"result":[]}', b"[]"]
)
def test_what_has_no_result_at_its_beginning_is_read_whole(body: bytes) -> None:
    assert spliced(body, []) is None
