"""Ranges, words and paths over texts that were kept."""

import json
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from only1mcp_context.results.read import Answer, BadRequest, Wish, read

ROOM = 1000


def walk(text: bytes, begin: str, room: int = ROOM) -> list[Answer]:
    """All answers, by the ranges they name."""
    answers = [read(text, Wish(range=begin), room)]
    while answers[-1].next:
        answers.append(read(text, Wish(range=answers[-1].next), room))
    return answers


ALPHABET = st.sampled_from(
    ["a", "\n", "\n\n", " ", "\r\n", "é", "語", "🎈", "\u2028", "\0", "word " * 9, "x" * 99]
)
TEXTS = st.lists(ALPHABET | st.text(max_size=5), max_size=60).map("".join)


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.sampled_from(["lines 1-", "bytes 1-"]), st.integers(8, 300))
@example("x" * 5000, "lines 1-", 100)
@example("🎈" * 100, "bytes 1-", 8)
@example("", "lines 1-", 100)
@example("\n" * 500, "lines 1-", 100)
def test_walking_the_ranges_gives_the_very_bytes(text: str, begin: str, room: int) -> None:
    raw = text.encode()
    answers = walk(raw, begin, room)
    assert b"".join(answer.text for answer in answers) == raw
    assert all(len(answer.text) <= room for answer in answers)


@pytest.mark.parametrize("whole", [b"x" * 5_000_000, b"word " * 1_000_000, "語".encode() * 1_700_000])
def test_one_line_of_five_megabytes_is_walked(whole: bytes) -> None:
    answers = walk(whole, "lines 1-", 400_000)
    assert b"".join(answer.text for answer in answers) == whole
    assert len(answers) < 15


@settings(max_examples=100, deadline=None)
@given(TEXTS, st.integers(1, 50), st.integers(0, 50))
def test_a_range_of_lines_gives_these_lines(text: str, first: int, more: int) -> None:
    lines = re.findall(r"[^\n]*\n|[^\n]+\Z", text)
    wish = Wish(range=f"lines {first}-{first + more}")
    if first > len(lines) and lines:
        with pytest.raises(BadRequest, match=f"there are {len(lines)} lines"):
            read(text.encode(), wish, 100_000)
    else:
        assert read(text.encode(), wish, 100_000).text.decode() == "".join(lines[first - 1 : first + more])


def test_a_range_that_ends_is_walked_to_its_end_and_no_further() -> None:
    text = b"".join(b"line %d\n" % n for n in range(1, 1001))
    got = read(text, Wish(range="lines 11-500"), ROOM)
    parts = [got.text]
    while got.next:
        assert got.next.endswith("-500")
        got = read(text, Wish(range=got.next), ROOM)
        parts.append(got.text)
    assert b"".join(parts).splitlines() == [b"line %d" % n for n in range(11, 501)]
    long = b"a\n" + b"x" * 3000 + b"\nb\n"
    got = read(long, Wish(range="lines 2-2"), ROOM)
    parts = [got.text]
    while got.next:
        got = read(long, Wish(range=got.next), ROOM)
        parts.append(got.text)
    assert b"".join(parts) == b"x" * 3000 + b"\n"


def test_the_forms_of_a_range() -> None:
    text = b"".join(b"line %d\n" % n for n in range(1, 11))
    assert read(text, Wish(range="lines 3"), ROOM).text == b"line 3\n"
    assert read(text, Wish(range="line 3 - 4"), ROOM).text == b"line 3\nline 4\n"
    assert read(text, Wish(range="9-"), ROOM).text == b"line 9\nline 10\n"
    assert read(text, Wish(range="LINES -2"), ROOM).text == b"line 9\nline 10\n"
    assert read(text, Wish(range="bytes 1-4"), ROOM).text == b"line"
    assert read(text, Wish(range="bytes -3"), ROOM).text == b"10\n"
    assert read(text, Wish(range="lines 0-99"), ROOM).text == text
    assert read(text, Wish(), ROOM) == Answer(text, "lines 1-10 of 10")
    for place in (2, 3):
        assert read("aé語".encode(), Wish(range=f"bytes {place}-{place}"), ROOM).text == "é".encode()
    for bad in ("lines 12-", "lines 4-3", "pages 1-2", "1-2-3", "lines x", "items 1-", "9" * 500):
        with pytest.raises(BadRequest):
            read(text, Wish(range=bad), ROOM)


def test_items_of_an_array_are_whole_and_each_is_reached() -> None:
    rows = [{"id": n, "text": "word " * (n % 9)} for n in range(200)]
    text = json.dumps(rows, indent=1).encode()
    answers = walk(text, "")
    assert [row for answer in answers for row in json.loads(answer.text)] == rows
    assert all(len(answer.text) <= ROOM for answer in answers)
    assert answers[0].what.startswith("items 1-")
    assert answers[0].what.endswith(" of 200")
    assert json.loads(read(text, Wish(range="items 5-6"), ROOM).text) == rows[4:6]


def test_items_of_an_object_are_its_members() -> None:
    value = {f"name {n}": [n] * 20 for n in range(100)}
    answers = walk(json.dumps(value).encode(), "items 1-")
    merged: dict[str, object] = {}
    for answer in answers:
        merged |= json.loads(answer.text)
    assert merged == value
    assert len(answers) > 3


def test_an_item_too_large_is_cut_and_its_paths_lead_to_all_of_it() -> None:
    rows = [[1], {"log": "word " * 2000, "rows": list(range(3000))}, [2]]
    text = json.dumps(rows).encode()
    got = read(text, Wish(range="items 2-"), ROOM)
    assert len(got.text) <= ROOM
    assert got.next == "items 3-"
    log, more = re.findall(rb"path (\S+) \*/", got.text)
    assert log == b"[1].log"
    parts, begin = [], "bytes 1-"
    while begin:
        answer = read(text, Wish(path=log.decode(), range=begin), ROOM)
        parts.append(answer.text)
        begin = answer.next
    assert b"".join(parts).decode() == "word " * 2000
    numbers = re.findall(rb"\d+", got.text.split(b'"rows":[')[1].split(b" /*")[0])
    assert more == b"[1].rows[%d:]" % len(numbers)
    begin = "items 1-"
    while begin:
        answer = read(text, Wish(path=more.decode(), range=begin), ROOM)
        numbers += re.findall(rb"\d+", answer.text)
        begin = answer.next
    assert [int(number) for number in numbers] == list(range(3000))


def test_paths_in_what_a_path_selected_lead_on() -> None:
    text = json.dumps({"a b": [{"log": "word " * 2000}]}).encode()
    got = read(text, Wish(path='"a b"'), ROOM)
    (path,) = re.findall(rb"path (.*?) \*/", got.text)
    assert path == b'"a b" | [0].log'
    assert read(text, Wish(path=path.decode(), range="bytes 1-9"), ROOM).text == b"word word"


def test_a_path_selects_and_says_when_it_can_not() -> None:
    text = b'{"rows": [{"n": 1.10, "s": "a\\nb"}, {"n": 123456789012345678901234567890}]}'
    assert read(text, Wish(path="rows[*].n"), ROOM).text == b"[1.10,123456789012345678901234567890]"
    assert read(text, Wish(path="rows[0].s", range="lines 2"), ROOM).text == b"b"
    assert read(text, Wish(path="absent"), ROOM) == Answer(b"null", "path selects nothing")
    for path in ("rows[", "nope(@)", "a" * 501, "[@,@]" + "|[@,@]" * 30):
        with pytest.raises(BadRequest, match="path"):
            read(text, Wish(path=path), ROOM)
    with pytest.raises(BadRequest, match="not JSON"):
        read(b"words", Wish(path="a"), ROOM)


def test_grep_shows_lines_with_numbers_and_context() -> None:
    text = b"".join(b"line %d\n" % n for n in range(1, 31))
    got = read(text, Wish(grep="LINE 5$|line 20", context=1), ROOM)
    assert got.text.decode().split("\n") == ["19-line 19", "20:line 20", "21-line 21"]
    got = read(text, Wish(grep="line 5$|line 7$|line 20", context=1), ROOM)
    want = "4-line 4,5:line 5,6-line 6,7:line 7,8-line 8,--,19-line 19,20:line 20,21-line 21"
    assert got.text.decode().split("\n") == want.split(",")
    assert (got.what, got.next) == ("3 of 3 lines found", "")
    assert read(text, Wish(grep="line 5$", context=0), ROOM).text == b"5:line 5"
    assert read(text, Wish(grep="line 30", context=1), ROOM).text == b"29-line 29\n30:line 30"
    assert read(text, Wish(grep="absent"), ROOM).what == "nothing found"
    assert read(text, Wish(grep="line 5$", range="lines 6-", context=0), ROOM).text == b""


def test_lines_may_end_as_on_windows() -> None:
    text = b"one\r\ntwo\r\n"
    assert read(text, Wish(grep="^one$", context=1), ROOM).text == b"1:one\n2-two"
    assert read(text, Wish(range="lines 1"), ROOM).text == b"one\r\n"


def test_grep_goes_on_until_every_line_is_found() -> None:
    text = "".join(
        f"{n} {'hit' if n % 3 == 0 else 'miss'} {'x' * (n % 50)}\n" for n in range(1, 2001)
    ).encode()
    found: list[int] = []
    wish = Wish(grep="hit", context=0)
    while True:
        got = read(text, wish, ROOM)
        assert len(got.text) <= ROOM
        found += [int(row.split(b":")[0]) for row in got.text.split(b"\n")]
        if not got.next:
            break
        wish = Wish(grep="hit", context=0, range=got.next)
    assert found == list(range(3, 2001, 3))


def test_grep_in_one_long_line_shows_where() -> None:
    text = b"x" * 50_000 + b" needle " + b"y" * 50_000 + b"needle" + b"z" * 90_000
    got = read(text, Wish(grep="needle"), ROOM)
    rows = got.text.split(b"\n")
    assert len(rows) == 2
    for row, at in zip(rows, (50_001, 100_008), strict=True):
        match = re.match(rb"1:\(bytes (\d+)-(\d+)\) (.*)", row)
        assert match is not None
        begin, end = int(match[1]), int(match[2])
        assert text[begin - 1 : end] == match[3]
        assert begin <= at < at + 6 <= end
    many = b"needle" + b"x" * 500
    text, wish, count = many * 50, Wish(grep="needle"), 0
    while True:
        got = read(text, wish, ROOM)
        count += got.text.count(b"needle")
        if not got.next:
            break
        wish = Wish(grep="needle", range=got.next)
    assert count == 50


def test_the_answer_to_a_context_larger_than_the_room_is_the_line() -> None:
    text = (b"y" * 300 + b"\n") * 20 + b"needle\n" + (b"y" * 300 + b"\n") * 20
    got = read(text, Wish(grep="needle", context=20), ROOM)
    assert b"21:needle" in got.text
    assert len(got.text) <= ROOM


LINES = st.lists(st.text(st.sampled_from("ab c.^$|é\r"), max_size=12), max_size=12)
SOME_WORDS = st.lists(st.text(st.sampled_from("abé c"), min_size=1, max_size=3), min_size=1, max_size=3)
FORMS = st.sampled_from(["{}", "^{}", "{}$", "^{}$", "{}.*a"])


@settings(max_examples=200, deadline=None)
@given(LINES, SOME_WORDS, FORMS, st.integers(0, 3))
def test_grep_finds_what_a_regular_expression_finds(
    lines: list[str], words: list[str], form: str, context: int
) -> None:
    text = "\n".join(lines)
    got = read(
        text.encode(), Wish(grep="|".join(form.format(word) for word in words), context=context), 100_000
    )
    pattern = re.compile("|".join(form.format(re.escape(word)).replace("$", "\r?$") for word in words))
    want = [n for n, line in enumerate(text.split("\n"), 1) if pattern.search(line)]
    rows = got.text.decode().split("\n") if got.text else []
    assert [int(row.split(":")[0]) for row in rows if re.match(r"\d+:", row)] == want
    shown = sorted({n for hit in want for n in range(max(hit - context, 1), hit + context + 1)})
    count = len(re.findall(r"[^\n]*\n|[^\n]+\Z", text))
    assert [int(m[1]) for row in rows if (m := re.match(r"(\d+)[:-]", row))] == [
        n for n in shown if n <= count
    ]


def test_patterns_that_are_regular_expressions_are_refused_and_escapes_are_signs() -> None:
    text = rb"a|b a.b f(x) \d" + b"\n"
    for bad in (r"\d+", r"\bword\b", "", "|", "^$", ".*", "a" * 201):
        with pytest.raises(BadRequest, match="grep"):
            read(text, Wish(grep=bad), ROOM) if bad else read(text, Wish(grep="a|"), ROOM)
    for good in (r"a\|b", r"a\.b", "f(x)", r"f\(x\)", r"\\d", "(?i)A.B"):
        assert read(text, Wish(grep=good), ROOM).what == "1 of 1 lines found"
    assert read(text, Wish(grep="A.B"), ROOM).what == "nothing found"


def test_a_hostile_line_is_searched_in_one_pass() -> None:
    text = b"a" * 2_000_000
    assert read(text, Wish(grep=".*".join("a" * 60) + "b"), ROOM).what == "nothing found"
