"""Paths: what they select, what they cost at most, and what becomes of a result."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from only1mcp_context.results.budget import reading
from only1mcp_context.results.project import BadPath, project, read_path
from only1mcp_sdk import members

DATA = json.dumps(
    {"rows": [{"n": n, "name": f"name {n}", "size": n * 1.5} for n in range(100)], "total": 100}
).encode()


def select(expression: str, text: bytes = DATA) -> Any:
    return json.loads(read_path(expression).of(text))


def test_it_is_jmespath() -> None:
    assert select("rows[1:3].name") == ["name 1", "name 2"]
    assert select("rows[?size > `100` && n < `69`].{number: n, big: size}") == [
        {"number": n, "big": n * 1.5} for n in (67, 68)
    ]
    assert select("length(rows)") == 100
    assert select("rows[*].n | sum(@)") == 4950
    assert select("max_by(rows, &size).name") == "name 99"
    assert select("rows[0] | keys(@)") == ["n", "name", "size"]
    assert select("total == `100`") is True
    assert select("absent") is None


@pytest.mark.parametrize(
    "number",
    ["1.10", "-0", "-0.0", "1e5", "1E+400", "123456789012345678901234567890", "9" * 5000, "0.1" + "0" * 40],
)
def test_numbers_stay_as_written(number: str) -> None:
    text = b'{"a":[%b,"x"]}' % number.encode()
    assert read_path("a").of(text) == b'[%b,"x"]' % number.encode()
    assert read_path("{b: a[0]}").of(text) == b'{"b":%b}' % number.encode()


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
    )
)
def test_what_is_passed_on_is_the_same_value(value: object) -> None:
    assert select("@", json.dumps(value).encode()) == value
    assert select('[0]."a b"', json.dumps([{"a b": value}]).encode()) == value


@pytest.mark.parametrize(
    "bad",
    [
        "rows[",
        "",
        "a" * 501,
        "nope(@)",
        "length(total)",
        "sum(rows)",
        "&rows",
        "abs(rows[0].name)",
        "[" * 400,
    ],
)
def test_bad_expressions_are_told(bad: str) -> None:
    with pytest.raises(BadPath, match="path"):
        select(bad)


@pytest.mark.filterwarnings("ignore:deprecated string literal")
def test_words_between_backticks_are_strings_as_models_write_them() -> None:
    assert select("rows[?name==`name 7`].n") == [7]


@pytest.mark.parametrize("text", [b"", b"words", b"[1", b"[NaN]", b'{"a":1,"a":2}', b"[" * 100_000, b"\xff"])
def test_what_is_no_json_is_told(text: bytes) -> None:
    with pytest.raises(BadPath, match="path can't be applied"):
        read_path("a").of(text)


HOSTILE = [
    "|".join(["[@,@]"] * 80),
    "|".join(["[@,@][]"] * 60),
    "|".join(["join('',[@,@])"] * 30),
    "|".join(["to_string([@])"] * 30),
    "[" + ",".join(["@"] * 40) + "]|[]|[" + ",".join(["@"] * 40) + "]",
    "[*]." + "|".join(["[@,@]"] * 60),
    "map(&[@,@,@,@,@], @)|[]|map(&[@,@,@,@,@], @)|[]|map(&[@,@,@,@,@], @)",
    "{a:@,b:@}|values(@)|{a:@,b:@}|values(@)|{a:@,b:@}|values(@)|{a:@,b:@}|values(@)|{a:@,b:@}",
    "[?" + "||".join(["a"] * 100) + "]",
    "[].[?@][?@][?@][?@]" * 20,
    "sort_by(@,&a)|" * 30 + "@",
]


@pytest.mark.parametrize("expression", HOSTILE)
@pytest.mark.parametrize(
    "text", [b'"' + b"x" * 500_000 + b'"', b"[" + b"{}," * 100_000 + b"{}]", b"[[1,[2,[3]]]]"]
)
def test_hostile_expressions_end_soon_and_return_no_more_than_allowed(expression: str, text: bytes) -> None:
    begin = time.process_time()
    try:
        got = read_path(expression).of(text)
        assert len(got) < 40 * len(text)
    except BadPath:
        pass
    assert time.process_time() - begin < 4


class Shelf(list[bytes]):
    def keep(self, text: bytes) -> str | None:
        self.append(text)
        return reading("handle")


def test_the_result_of_a_call_is_what_was_selected() -> None:
    image = {"type": "image", "data": "AAAA", "mimeType": "image/png"}
    words = [{"type": "text", "text": "in words"}, image]
    for raw in (
        {"content": [{"type": "text", "text": DATA.decode()}, image], "_meta": {"a": 1}},
        {"content": words, "structuredContent": json.loads(DATA), "_meta": {"a": 1}},
    ):
        shelf = Shelf()
        got = json.loads(project(json.dumps(raw).encode(), read_path("rows[:2].n"), shelf.keep))
        assert got["content"][0] == {"type": "text", "text": "[0,1]"}
        assert 'result_read(handle="handle") has the whole' in got["content"][1]["text"]
        assert got["content"][2] == image
        assert "structuredContent" not in got
        assert got["_meta"] == {"a": 1}
        assert json.loads(shelf[0]) == json.loads(DATA)


def test_a_call_whose_result_has_no_such_thing_gives_the_whole() -> None:
    for content in ([{"type": "text", "text": "words"}], [{"type": "text", "text": "{}"}] * 2, []):
        raw = json.dumps({"content": content}).encode()
        got = json.loads(project(raw, read_path("a"), Shelf().keep))
        assert got["content"][:-1] == content
        assert "path can't be applied" in got["content"][-1]["text"]
    failed = b'{"isError":true,"content":[{"type":"text","text":"{}"}]}'
    assert project(failed, read_path("a"), Shelf().keep) is failed
    assert members.split(
        project(b'{"content":[{"type":"text","text":"{}"}]}', read_path("a"), lambda text: None)
    )
