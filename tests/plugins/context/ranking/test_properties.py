"""What holds for any catalogue and any query."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from only1mcp_context.ranking import ToolDocument, build, search
from only1mcp_context.ranking.related import parse

RELATED = parse("get read fetch\nfile document", "file: path | folder |\n")
WORDS = ["get", "read", "file", "folder", "path", "user", "the", "list", "Date", "of", "größe", "天気", "v2"]
TEXT = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)
DOCUMENTS = st.lists(
    st.builds(
        ToolDocument,
        server=st.sampled_from(["a", "b", "files"]),
        name=st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map("_".join),
        description=TEXT,
        parameters=st.lists(st.sampled_from(WORDS), max_size=2).map(tuple),
        parameter_text=TEXT,
    ),
    max_size=12,
)


@given(DOCUMENTS, st.lists(TEXT, max_size=3))
def test_the_same_question_gets_the_same_answer(documents: list[ToolDocument], queries: list[str]) -> None:
    assert search(build(documents), queries, RELATED) == search(build(list(documents)), queries, RELATED)


@given(DOCUMENTS, TEXT, st.integers(0, 5))
def test_scores_fall_and_no_tool_comes_twice(documents: list[ToolDocument], query: str, limit: int) -> None:
    hits = search(build(documents), [query], RELATED, limit=limit)
    assert len(hits) <= limit
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert all(hit.score > 0 for hit in hits)
    shown = [
        (one.name, one.description, one.parameters, one.parameter_text) for one in (h.document for h in hits)
    ]
    assert len(set(shown)) == len(shown)


@given(DOCUMENTS, TEXT, st.sets(st.sampled_from(["a", "b", "files"])))
def test_a_filter_takes_away_and_changes_nothing_else(
    documents: list[ToolDocument], query: str, servers: set[str]
) -> None:
    index = build(documents)
    every = search(index, [query], RELATED, limit=len(documents))
    some = search(index, [query], RELATED, servers=servers, limit=len(documents))
    scores = {id(hit.document): hit.score for hit in every}
    for hit in some:
        assert hit.document.server in servers
        assert scores.get(id(hit.document), hit.score) == hit.score
    found = [one for hit in every for one in (hit.document, *hit.twins)]
    left = {id(one) for one in found if one.server in servers}
    assert {id(one) for hit in some for one in (hit.document, *hit.twins)} == left


@settings(max_examples=200)
@given(DOCUMENTS.filter(bool), st.data())
def test_a_tool_is_found_by_its_name(documents: list[ToolDocument], data: st.DataObject) -> None:
    wanted = data.draw(st.sampled_from(documents))
    hits = search(build(documents), [wanted.name], RELATED, servers={wanted.server}, limit=len(documents))
    assert any(wanted in (hit.document, *hit.twins) for hit in hits)


@given(DOCUMENTS, TEXT, st.randoms(use_true_random=False))
def test_the_order_of_the_documents_changes_no_score(
    documents: list[ToolDocument], query: str, random: object
) -> None:
    index = build(documents)
    turned = build(documents[::-1])
    scores = sorted(hit.score for hit in search(index, [query], RELATED, limit=len(documents)))
    others = sorted(hit.score for hit in search(turned, [query], RELATED, limit=len(documents)))
    assert scores == pytest.approx(others, rel=1e-5)


@given(DOCUMENTS, st.text(max_size=300))
def test_no_query_is_refused(documents: list[ToolDocument], query: str) -> None:
    search(build(documents), [query, query[::-1]], RELATED)
