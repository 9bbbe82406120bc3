"""The `_meta` of requests: what is understood of it is what a strict reader finds there."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from only1mcp_kernel.protocol.meta import CAPABILITIES, LOG_LEVEL, NOTHING, VERSION, Said, read_meta
from only1mcp_sdk.members import split

TRACE = {"traceparent", "tracestate", "baggage"}
_names = st.sampled_from(
    [VERSION, CAPABILITIES, LOG_LEVEL, "progressToken", "traceparent", "x/y", "progress\\u0054oken", "é"]
)
_values = st.sampled_from(['"2026-07-28"', "{}", '{"a": 1}', "7", '""', '"a b"', "null"])
_spaces = st.sampled_from(["", "", "", " ", "\n"])
_member = st.tuples(_spaces, _names, _spaces, _values).map(
    lambda part: f'{part[0]}"{part[1]}"{part[2]}:{part[3]}'
)
metas = st.lists(_member, max_size=5).map(lambda members: "{" + ",".join(members) + "}")


@settings(max_examples=1000)
@given(metas)
@example('{"progressToken":1,"progressToken":2}')
@example('{"progressToken":1,"progress\\u0054oken":2}')
@example('{"x/y":1,"x/y":2}')
@example('{"traceparent":"2026-07-28"}')
@example('{"traceparent":"a","progressToken":1}')
@example('{"traceparent":"a","traceparent":"b"}')
def test_what_it_says_is_what_is_there_once(text: str) -> None:
    names = [name for name, _ in json.loads(text, object_pairs_hook=lambda pairs: pairs)]
    raw = text.encode()
    if len(set(names)) != len(names):
        with pytest.raises(ValueError, match="duplicate"):
            read_meta(raw)
        return
    said, members = read_meta(raw), split(raw)
    if said is NOTHING:
        assert TRACE.issuperset(names), "nothing but a trace, which nobody asks for"
        return
    for field in msgspec.structs.fields(Said):
        assert bytes(getattr(said, field.name)) == members.get(field.encode_name, b"")


@pytest.mark.parametrize("raw", [b"[]", b"7", b"{", b'{"a":}', b'{"a":' * 100_000])
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_meta(raw)
