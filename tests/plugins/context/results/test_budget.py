"""What is cut of a result, what is said about it, and what is never touched."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from only1mcp_context.results.budget import reading, shorten
from only1mcp_context.results.compact import compact_text
from only1mcp_context.results.tokens import estimate, room_for
from only1mcp_sdk import members

TOKENS = 800
SHOWN = 400
ROOM = 5 * TOKENS
"""Bytes of plain words that have so many tokens."""


class Shelf:
    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def keep(self, text: bytes) -> str:
        handle = f"handle{len(self.kept)}"
        self.kept[handle] = text
        return reading(handle)


def text_result(*texts: str, **more: Any) -> bytes:
    content = [{"type": "text", "text": text} for text in texts]
    return json.dumps({"content": content, **more}, ensure_ascii=False).encode()


def shown(result: bytes) -> list[str]:
    return [block["text"] for block in json.loads(result)["content"] if block["type"] == "text"]


def cut(*texts: str, tokens: int = TOKENS, **more: Any) -> tuple[list[str], dict[str, bytes]]:
    shelf = Shelf()
    return shown(shorten(text_result(*texts, **more), tokens, shelf.keep)), shelf.kept


def test_within_the_budget_the_very_bytes_go_out() -> None:
    raw = b' {"content" : [ {"type":"text","text":"%b"} ]}' % (b"x" * (ROOM - 100))
    assert shorten(raw, TOKENS, Shelf().keep) is raw


def test_a_large_image_beside_a_small_text_is_no_reason_to_cut() -> None:
    image = {"type": "image", "data": "A" * 10 * ROOM, "mimeType": "image/png"}
    raw = json.dumps({"content": [image, {"type": "text", "text": "small"}]}).encode()
    assert shorten(raw, TOKENS, Shelf().keep) is raw


def test_lines_are_cut_whole_and_the_note_says_how_many() -> None:
    lines = [f"line {n} of the log" for n in range(1, 1001)]
    text = "\n".join(lines)
    (got,), kept = cut(text)
    *head, note = got.split("\n")
    head = [line for line in head if line]
    assert head == lines[: len(head)]
    assert estimate(got.encode()) <= SHOWN
    assert estimate(got.encode()) > SHOWN * 0.7
    assert f"lines 1-{len(head)} of 1,000" in note
    assert f'range="lines {len(head) + 1}-"' in note
    assert 'handle="handle0"' in note
    assert f"{len(text):,} bytes" in note
    assert kept == {"handle0": text.encode()}


def test_paragraphs_are_preferred_to_lines() -> None:
    text = "\n\n".join(f"{n} first\n{n} second\n{n} third" for n in range(300))
    (got,), _ = cut(text)
    assert re.search(r"\d third\n\n\[Cut", got)


def test_a_beginning_that_is_denser_than_the_rest_is_shorter() -> None:
    (got,), _ = cut("12345, 67890\n" * 400 + "words of a text\n" * 4000)
    assert SHOWN * 0.7 < estimate(got.encode()) <= SHOWN


def test_one_long_line_is_cut_at_a_word() -> None:
    (got,), _ = cut("longword " * 1000)
    assert "longword \n[Cut: bytes 1-" in got


@pytest.mark.parametrize("letter", ["x", "é", "語", "🎈"])
def test_never_within_a_character(letter: str) -> None:
    (got,), _ = cut(letter * 8000)
    head, note = got.split("\n")
    assert set(head) == {letter}
    assert f"bytes 1-{len(head.encode()):,}," in note


def test_arrays_are_cut_at_whole_elements() -> None:
    rows = [{"id": n, "name": f"name {n}"} for n in range(500)]
    for text in (json.dumps(rows), json.dumps(rows, indent=2)):
        (got,), kept = cut(text)
        body, note = got.split("\n")
        head = json.loads(body)
        assert head == rows[: len(head)]
        assert len(head) > 20
        assert f"items 1-{len(head)} of 500" in note
        assert f'range="items {len(head) + 1}-"' in note
        assert kept == {"handle0": text.encode()}


def test_objects_keep_their_small_members_and_say_what_their_large_ones_lack() -> None:
    value = {
        "total": 500,
        "rows": [{"n": n} for n in range(500)],
        "deep": {"a b": {"log": "line\n" * 1000}},
        "next": None,
    }
    (got,), _ = cut(json.dumps(value))
    body = got.split("\n[Cut")[0]
    assert '"total":500' in body
    assert '"next":null' in body
    remarks = re.findall(r"/\*(.*?)\*/", body)
    assert re.fullmatch(r" (\d+) more of 500: path rows\[\d+:\] ", remarks[0])
    assert re.fullmatch(r' 4,\d+ more of 5,000 bytes: path deep."a b".log ', remarks[1])
    rest = json.loads(re.sub(r" /\*.*?\*/", "", body))
    assert rest["rows"] == value["rows"][: len(rest["rows"])]  # type: ignore[index]
    assert len(rest["rows"]) > 10
    assert ("line\n" * 1000).startswith(rest["deep"]["a b"]["log"])
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(body)


def test_a_huge_element_is_cut_inside() -> None:
    rows = [{"id": 1, "body": "word " * 2000}, {"id": 2}]
    (got,), _ = cut(json.dumps(rows))
    assert got.startswith('[{"id":1,"body":"word word')
    assert "path [0].body" in got
    assert "/* 1 more of 2: path [1:] */" in got
    assert estimate(got.encode()) <= SHOWN


def test_more_names_than_room_keeps_the_first_members() -> None:
    value = {f"name{n}": n for n in range(1000)}
    (got,), _ = cut(json.dumps(value))
    body = got.split("\n")[0]
    assert body.startswith('{"name0":0,"name1":1,')
    assert re.search(r"/\* \d+ more of 1,000: path keys\(@\) \*/}$", body)


def test_pretty_json_that_fits_when_compact_is_not_cut() -> None:
    value = {"rows": [[n] for n in range(100)]}
    text = json.dumps(value, indent=8)
    assert len(text) > ROOM
    (got,), kept = cut(text)
    assert got == json.dumps(value, separators=(",", ":"))
    assert not kept


def test_repeated_members_are_cut_as_text() -> None:
    (got,), _ = cut('{"a":1,"a":2,"b":"' + "word " * 1000 + '"}')
    assert got.startswith('{"a":1,"a":2,"b":"word word')
    assert "[Cut: bytes 1-" in got


def test_several_texts_share_the_budget_and_small_ones_stay_whole() -> None:
    texts, kept = cut("small", "first\n" * 1000, "second\n" * 1000, "end")
    assert texts[0] == "small"
    assert texts[3] == "end"
    assert sum(estimate(text.encode()) for text in texts) <= SHOWN
    assert estimate(texts[1].encode()) == pytest.approx(estimate(texts[2].encode()), rel=0.1)
    assert list(kept.values()) == [b"first\n" * 1000, b"second\n" * 1000]


def test_a_block_that_stays_whole_stays_as_it_was_written() -> None:
    small = b'{ "text":"gr\\u00fc\\u00dfe \\/", "type":"text" }'
    raw = b'{"content":[%b,{"type":"text","text":"%b"}]}' % (small, b"word " * 2000)
    assert small in shorten(raw, TOKENS, Shelf().keep)


def test_of_very_many_texts_the_first_are_shown_and_the_rest_is_one_array() -> None:
    every = [f"text {n} " * 8 for n in range(300)]
    image = {"type": "image", "data": "AAAA", "mimeType": "image/png"}
    content = [{"type": "text", "text": text, "annotations": {"priority": 1}} for text in every]
    shelf = Shelf()
    raw = json.dumps({"content": [*content, image]}).encode()
    got = json.loads(shorten(raw, TOKENS, shelf.keep))["content"]
    *head, picture, note = got
    assert picture == image
    assert head == content[: len(head)]
    assert len(head) > 5
    assert f"{300 - len(head)} of 300 texts are left out" in note["text"]
    (whole,) = shelf.kept.values()
    assert json.loads(whole) == content[len(head) :]


def test_errors_keep_beginning_and_end() -> None:
    text = "Traceback of it\n" + "  frame\n" * 2000 + "ValueError: what happened"
    (got,), kept = cut(text, isError=True)
    assert got.startswith("Traceback of it\n")
    assert "\nValueError: what happened\n[Cut: beginning and end" in got
    assert estimate(got.encode()) <= SHOWN
    place = re.search(r'range="bytes (\d+)-(\d+)"', got)
    assert place is not None
    begin, end = int(place[1]), int(place[2])
    head, tail = got.split("\n[... ")[0], got.split("...]\n")[1].split("\n[Cut")[0]
    whole = kept["handle0"]
    assert head + "\n" + whole[begin - 1 : end].decode() + tail == text


def test_structured_content_and_everything_else_stay_byte_for_byte() -> None:
    rows = '{ "rows" : [ 1.0, 12345678901234567890, 1e5 ] , "x":"%s"}' % ("y" * 9000)
    form = (
        '{"_meta":{"a": 1.10},"content":[{"annotations":{"audience":["user"]},"type":"text","text":%s},'
        '{"type":"audio","data":"QUJD" ,"mimeType":"audio/wav"},{"type":"resource_link","uri":"a:b","name":"n"},'
        '{"type":"resource","resource":{"uri":"a:c","blob":"%s"}}],"structuredContent":%s,"resultType":"complete"}'
    )
    raw = form.replace("%s", json.dumps(rows), 1).replace("%s", "A" * 5000, 1).replace("%s", rows)
    before = members.split(raw.encode())
    after = members.split(shorten(raw.encode(), TOKENS, Shelf().keep))
    assert list(after) == list(before)
    assert {k: v for k, v in after.items() if k != "content"} == {
        k: v for k, v in before.items() if k != "content"
    }
    old, new = members.items(before["content"]), members.items(after["content"])
    assert new[1:] == old[1:]
    assert members.split(new[0])["annotations"] == b'{"audience":["user"]}'
    assert len(new[0]) < len(old[0])


def test_texts_of_embedded_resources_are_cut_but_not_what_a_client_renders() -> None:
    def result(uri: str) -> bytes:
        resource = {"uri": uri, "mimeType": "text/html", "text": "<p>word</p>\n" * 1000}
        return json.dumps({"content": [{"type": "resource", "resource": resource}]}).encode()

    got = json.loads(shorten(result("file:///page.html"), TOKENS, Shelf().keep))["content"][0]["resource"]
    assert got["mimeType"] == "text/html"
    assert "[Cut: lines" in got["text"]
    raw = result("ui://page")
    assert shorten(raw, TOKENS, Shelf().keep) == raw


def test_what_can_not_be_kept_is_not_cut() -> None:
    raw = text_result("line\n" * 5000)
    assert json.loads(shorten(raw, TOKENS, lambda text: None)) == json.loads(raw)
    many = text_result(*["text " * 10] * 500)
    assert json.loads(shorten(many, TOKENS, lambda text: None)) == json.loads(many)


@pytest.mark.parametrize(
    "raw",
    [
        b"not JSON" * 1000,
        b'{"content":"%b"}' % (b"x" * 5000),
        b'{"content":[{"type":"text","text":"%b"}' % (b"x" * 5000),
        b'{"content":[{"type":"text","text":"%b\\ud800 lone"}]}' % (b"x" * 5000),
        b'{"content":[{"type":"text","text":["%b"]}]}' % (b"x" * 5000),
        b'{"content":[{"type":"text","type":"text","text":"%b"}]}' % (b"x" * 5000),
        b'{"content":[%b]}' % b",".join([b"1"] * 5000),
        b'{"structuredContent":{"x":"%b"}}' % (b"x" * 5000),
        b"[" * 100_000,
    ],
)
def test_what_is_no_such_result_passes(raw: bytes) -> None:
    assert shorten(raw, TOKENS, Shelf().keep) == raw


def test_deep_and_hostile_json_is_cut_as_well() -> None:
    for text in (
        "[" * 900 + '"x"' + "]" * 900 + " " * 5000,
        "[" * 50_000,
        '{"a":' * 400 + "1" * 5000 + "}" * 400,
    ):
        (got,), _ = cut(text)
        assert estimate(got.encode()) <= TOKENS


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=9), inner, max_size=5),
    max_leaves=25,
)
TEXTS = st.text(max_size=200).map(lambda text: text * 20) | JSON_VALUES.map(
    lambda value: json.dumps([value] * 5)
)


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=4), st.booleans())
def test_whatever_it_is_it_is_within_the_budget_and_the_whole_is_kept(texts: list[str], failed: bool) -> None:
    got, kept = cut(*texts, isError=failed)
    if got == texts:
        return
    if not kept:
        assert sum(estimate(text.encode()) for text in got) <= TOKENS * 1.1
        return
    assert sum(len(text.encode()) for text in got) <= room_for(SHOWN, "".join(texts).encode()) * 1.2 + 200
    reachable = {text.encode() for text in got} | set(kept.values())
    for whole in kept.values():
        if whole.startswith(b'[{"type"'):
            reachable |= {block["text"].encode() for block in json.loads(whole)}
    assert all({text.encode(), compact_text(text.encode())} & reachable for text in texts)
