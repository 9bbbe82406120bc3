"""Reading YAML, JSON and TOML: the same tree out of each, and hostile files refused at their place."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from only1mcp_kernel.config.document import MAX_VALUES, Node, dotted, plain, walk
from only1mcp_kernel.config.problems import ConfigError
from only1mcp_kernel.config.read_json import read_json
from only1mcp_kernel.config.read_toml import read_toml
from only1mcp_kernel.config.read_yaml import read_yaml

Read = Callable[[str, str], Node]


def refusal(read: Read, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text, "f")
    return str(caught.value)


def spots(node: Node) -> dict[str, tuple[int, int, int, int]]:
    return {
        dotted(path): (each.line, each.column, each.key_line, each.key_column) for path, each in walk(node)
    }


def test_yaml_keeps_places() -> None:
    node = read_yaml("a: 1\nb:\n  - c: x\n    d:\n      e: 2\n  - [3, 4]\n", "f")
    assert plain(node) == {"a": 1, "b": [{"c": "x", "d": {"e": 2}}, [3, 4]]}
    found = spots(node)
    assert found["a"] == (1, 4, 1, 1)
    assert found["b[0].d.e"] == (5, 10, 5, 7)
    assert found["b[1][1]"] == (6, 9, 6, 9)


def test_json_keeps_places() -> None:
    node = read_json('{\n\t"a": [1, {"b": null}],\n\t"c": "x\\n\\/\\ud83d\\ude00"\n}', "f")
    assert plain(node) == {"a": [1, {"b": None}], "c": "x\n/\U0001f600"}
    assert spots(node)["a[1].b"] == (2, 17, 2, 12)
    assert spots(node)["c"] == (3, 7, 3, 2)


def test_toml_keeps_places_of_keys() -> None:
    text = '[servers."my files"]\ncommand = "x"\n[[listen]]\nuse = "a"\n[[listen]]\nuse = "b"\n'
    text += "x.y = 1\nd = 2020-01-01\n"
    node = read_toml(text, "f")
    listen = [{"use": "a"}, {"use": "b", "x": {"y": 1}, "d": "2020-01-01"}]
    assert plain(node) == {"servers": {"my files": {"command": "x"}}, "listen": listen}
    assert spots(node)["servers.my files.command"][:2] == (2, 1)
    assert spots(node)["listen[1].use"][:2] == (6, 1)
    assert spots(node)["listen[1].x.y"][:2] == (7, 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("no", "no"),
        ("True", True),
        ("false", False),
        ("~", None),
        ("", None),
        ("012", 12),
        ("0o12", 10),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("1.5e3", 1500.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("2020-01-01", "2020-01-01"),
        ("'12'", "12"),
        ('"true"', "true"),
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ("=", "="),
    ],
)
def test_yaml_scalars_are_those_of_the_core_schema(text: str, value: object) -> None:
    found = plain(read_yaml(f"a: {text}", "f"))["a"]
    assert found == value
    assert type(found) is type(value)


def test_an_alias_stands_for_what_it_names() -> None:
    assert plain(read_yaml("a: &x {b: [1]}\nc: *x\nd: [*x]", "f")) == {
        "a": {"b": [1]},
        "c": {"b": [1]},
        "d": [{"b": [1]}],
    }


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10))
DEEP_BY_ALIAS = "a0: &a0 [x]\n" + "".join(
    f"a{i}: &a{i} {'[' * 30}*a{i - 1}{']' * 30}\n" for i in range(1, 100)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\na: 2", "f:2:1: a: given twice; first on line 1"),
        ("a: {b: 1,\n b: 2}", "f:2:2: a.b: given twice"),
        ("a: !!str 1", "f:1:4: tags"),
        ("a: !!python/object:os.system {}", "f:1:4: tags"),
        ("!x {}", "tags"),
        ("1: 2", "f:1:1: a key has to be text, not 1"),
        ("? [a]\n: b", "a key has to be text"),
        ("a: &x 1\n*x : 2", "f:2:1: a key can't be an alias"),
        ("a: *nowhere", "f:1:4: nothing before this is anchored as &nowhere"),
        ("a: &x [*x]", "nothing before this is anchored"),
        ("a: .inf", "finite"),
        ("a: .NaN", "finite"),
        ("a: 1e999", "too large"),
        ("a: " + "9" * 5000, "too long"),
        ("a: [1", "f:1:"),
        ("a: 1\n---\nb: 2", "f:2:1: a second document"),
        ("<<: {a: 1}", "merge keys"),
        ("a: {b: ${env:X}}", "a ${...} needs quotes"),
        ("a: '\x07'", "not YAML"),
        ('a: "\\ud83d"', "half a surrogate pair"),
        ("[" * 100, "nested deeper"),
        (BOMB, f"more than {MAX_VALUES} values"),
        (DEEP_BY_ALIAS, "nested deeper"),
        ("\ta: 1", "not YAML"),
        ("a: b: c", "not YAML"),
    ],
)
def test_hostile_yaml_is_refused(text: str, words: str) -> None:
    assert words in refusal(read_yaml, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "f:1:1: not JSON: expected a value, found the end of the file"),
        ("{", "f:1:2: not JSON: expected a key"),
        ('{"a": 1,\n"a": 2}', "f:2:1: a: given twice; first on line 1"),
        ('{"a": 1,}', "f:1:9: not JSON: expected a key"),
        ("[1,]", "f:1:4: not JSON: expected a value"),
        ("[1 2]", "f:1:4: not JSON: expected a comma or ]"),
        ("{a: 1}", "not JSON"),
        ('{"a" 1}', "expected a colon"),
        ('{"a": 1} x', "not JSON"),
        ("[1]]", "expected the end of the file"),
        ('"a\nb"', "not JSON"),
        ('"\\x"', "bad escape"),
        ('"\\ud800"', "half a surrogate pair"),
        ('{"\\ud800": 1}', "half a surrogate pair"),
        ("01", "not JSON"),
        ("1e999", "too large"),
        ("9" * 5000, "too long"),
        ("NaN", "not JSON"),
        ("// x\n{}", "not JSON"),
        ("[" * 100_000, "nested deeper"),
        ("[" + "1," * (MAX_VALUES + 1) + "1]", f"more than {MAX_VALUES} values"),
    ],
)
def test_hostile_json_is_refused(text: str, words: str) -> None:
    assert words in refusal(read_json, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = 1\na = 2", "f:2:1: not TOML: Cannot overwrite a value"),
        ("a = 1\na = 2\n", "f:2:6: not TOML: Cannot overwrite a value"),
        ("a =", "not TOML"),
        ("a = inf", "f:1:1: numbers have to be finite"),
        ("d = 2020-13-01", "not TOML"),
        ("a = " + "[" * 5000, "not TOML"),
        ("a = " + "[" * 80 + "]" * 80, "nested deeper"),
        ("a = " + "9" * 5000, "not TOML"),
    ],
)
def test_hostile_toml_is_refused(text: str, words: str) -> None:
    assert words in refusal(read_toml, text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


@given(JSON)
def test_our_json_reads_as_the_standard_library_s(value: Any) -> None:
    import json

    for text in (json.dumps(value), json.dumps(value, indent=1, ensure_ascii=False)):
        assert plain(read_json(text, "f")) == json.loads(text)


@given(st.text(alphabet='{}[]",: \n\\u1e-x', max_size=40))
def test_json_is_accepted_exactly_when_the_standard_library_accepts_it(text: str) -> None:
    import json

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("twice")
        return dict(pairs)

    try:
        expected = json.loads(text, object_pairs_hook=once)
        json.dumps(expected, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        refusal(read_json, text)
    else:
        assert plain(read_json(text, "f")) == expected


@given(st.text(alphabet="ab:-?&*!|>'\"{}[],#% \n\t", max_size=60))
def test_any_text_is_yaml_or_is_refused_in_order(text: str) -> None:
    with contextlib.suppress(ConfigError):
        read_yaml(text, "f")
