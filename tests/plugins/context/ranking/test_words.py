import pytest
from hypothesis import given
from hypothesis import strategies as st

from only1mcp_context.ranking.words import LONGEST_WORD, stem, stems, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("getUserById", ["get", "user", "id"]),
        ("read_multiple_files", ["read", "multiple", "files"]),
        ("API-post-search", ["api", "post", "search"]),
        ("parseHTMLPage", ["parse", "html", "page"]),
        ("merge the PRs", ["merge", "pr"]),
        ("list k8s pods", ["list", "k", "8", "pods", "k8s"]),
        ("on GitHub", ["git", "hub", "github"]),
        ("Überblick café", ["uberblick", "cafe"]),
        ("天气预报", ["天气", "气预", "预报"]),
        ("", []),
        ("?!  \x00", []),
    ],
)
def test_text_is_split_into_words(text: str, found: list[str]) -> None:
    assert words(text) == found


def test_stop_words_are_kept_when_there_is_nothing_else() -> None:
    assert words("who_am_i") == ["who", "am", "i"]
    assert words("who is the user") == ["user"]


def test_data_among_words_is_not_searched() -> None:
    assert words("key " + "a" * (LONGEST_WORD + 1)) == ["key"]


@pytest.mark.parametrize(
    "forms",
    [
        "search searches searched searching",
        "directory directories",
        "message messages messaging",
        "convert converts converter converting",
        "stop stopped stopping",
        "translate translation translates translated translator",
    ],
)
def test_forms_of_a_word_meet(forms: str) -> None:
    assert len({stem(form) for form in forms.split()}) == 1


@pytest.mark.parametrize("pair", ["status state", "class clause", "news new", "file fill", "issue is"])
def test_other_words_stay_apart(pair: str) -> None:
    left, right = pair.split()
    assert stem(left) != stem(right)


@given(st.text(max_size=200))
def test_any_text_gives_short_words_without_capitals(text: str) -> None:
    for word in stems(text, {}):
        assert 0 < len(word) <= LONGEST_WORD
        assert word == word.lower()


@given(st.text(alphabet="abcdefghij ABC_-", max_size=80))
def test_words_do_not_depend_on_how_a_name_joins_them(text: str) -> None:
    assert stems(text.replace("_", "-"), {}) == stems(text.replace("-", "_"), {})
