"""White space between JSON values goes; nothing else does."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from only1mcp_context.results.compact import compact, compact_text


def test_values_stay_byte_for_byte() -> None:
    text = (
        b' {\n "a" : [ 1.10 , 1e5,\t-0.0, 123456789012345678901234567890 ],'
        b'\r\n "a": "x  \\u00e9 \\/ y", "\xc3\xa9":{ } }\n'
    )
    want = b'{"a":[1.10,1e5,-0.0,123456789012345678901234567890],"a":"x  \\u00e9 \\/ y","\xc3\xa9":{}}'
    assert compact_text(text) == want


@pytest.mark.parametrize(
    "text", [b"", b"words", b"[1] and more", b'{"a":NaN}', b"[1,]", b'"a  b"', b" 12 ", b"[" * 5000, b"{}{}"]
)
def test_what_is_not_json_as_a_whole_is_left_alone(text: bytes) -> None:
    assert compact_text(text) is None


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=20,
    ).filter(lambda value: isinstance(value, list | dict)),
    st.sampled_from([None, 0, 4, "\t"]),
    st.booleans(),
)
def test_it_reads_the_same(value: object, indent: int | str | None, escaped: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=escaped).encode()
    want = json.dumps(value, separators=(",", ":"), ensure_ascii=escaped).encode()
    assert compact_text(text) == want


def test_of_a_result_only_texts_change() -> None:
    pretty = json.dumps({"rows": [1, 2]}, indent=2)
    structured = {"rows": [1, 2]}
    content: list[dict[str, Any]] = [
        {"type": "text", "text": pretty, "annotations": {"priority": 0.5}},
        {"type": "text", "text": "{ words }"},
        {"type": "image", "data": "AAAA", "mimeType": "image/png"},
        {"type": "resource", "resource": {"uri": "a:b", "text": pretty}},
    ]
    raw = json.dumps({"content": content, "structuredContent": structured}).encode()
    got = json.loads(compact(raw))
    content[0]["text"] = '{"rows":[1,2]}'
    content[3]["resource"]["text"] = '{"rows":[1,2]}'
    assert got == {"content": content, "structuredContent": structured}
    assert b'"structuredContent":{"rows": [1, 2]}' in compact(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b'{ "content":[{"type":"text","text":"plain"}]}',
        b'{ "content":[{"type":"text","text":"{\\"a\\":1}"}]}',
        b'{ "content":[{"type":"text","text":"[ words ]"}]}',
        b"no JSON",
        b'{"x":"{","content":3}',
    ],
)
def test_where_there_is_nothing_to_gain_the_very_bytes_go_out(raw: bytes) -> None:
    assert compact(raw) is raw
