"""Results as text alone: what is structured is said by the text, or added to it."""

import json
from typing import Any

import pytest

from only1mcp_context.results.structured import as_text


def result(content: list[Any], structured: Any, **more: Any) -> bytes:
    return json.dumps({"content": content, "structuredContent": structured, **more}).encode()


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


IMAGE = {"type": "image", "data": "AAAA", "mimeType": "image/png"}


@pytest.mark.parametrize(
    ("content", "structured"),
    [
        ([text('{"a": [1, 2.50]}')], {"a": [1, 2.50]}),
        ([text('{\n "b": 1, "a": 2}')], {"a": 2, "b": 1}),
        ([text("the whole file\n")], {"content": "the whole file\n"}),
        ([text("[1,2]")], {"result": [1, 2]}),
        ([text("said before"), text('{"a":1}')], {"a": 1}),
        ([IMAGE], {"content": [IMAGE]}),
    ],
)
def test_what_the_text_says_goes(content: list[Any], structured: Any) -> None:
    assert json.loads(as_text(result(content, structured, _meta={"a": 1}))) == {
        "content": content,
        "_meta": {"a": 1},
    }


@pytest.mark.parametrize(
    ("content", "structured"),
    [
        ([text("3 rows found")], {"rows": [1, 2.5, 3]}),
        ([text('{"a":1}')], {"a": 2}),
        ([text('{"a":1}')], {"a": "1"}),
        ([text('{"a":1.5}')], {"a": "1.5"}),
        ([text("[")], {"a": None}),
        ([], {"a": []}),
        ([IMAGE], {"content": [IMAGE, IMAGE]}),
    ],
)
def test_what_it_does_not_say_is_added(content: list[Any], structured: Any) -> None:
    *before, added = json.loads(as_text(result(content, structured)))["content"]
    assert before == content
    assert json.loads(added["text"]) == structured
    assert " " not in added["text"]


@pytest.mark.parametrize(
    "raw",
    [
        b'{"content":[]}',
        b'{"content":[{"type":"text","text":"\\"structuredContent\\""}]}',
        b'{"structuredContent":{}}',
        b"not JSON, no structuredContent",
    ],
)
def test_where_there_is_nothing_to_leave_out_the_very_bytes_go_out(raw: bytes) -> None:
    assert as_text(raw) is raw


@pytest.mark.parametrize("number", [b"1e99999999999999999999", b"1" * 5000, b"[" * 300 + b"]" * 300])
def test_hostile_values_are_said_as_they_are(number: bytes) -> None:
    got = json.loads(
        as_text(b'{"content":[{"type":"text","text":"%b"}],"structuredContent":{"a":%b}}' % (number, number))
    )
    assert "structuredContent" not in got
    assert got["content"][-1]["text"].endswith(number.decode() + "}" * (len(got["content"]) - 1))
