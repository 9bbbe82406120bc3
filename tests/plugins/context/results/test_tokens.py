"""Estimates of tokens: by kind of text, and quick for large ones."""

import pytest

from only1mcp_context.results.tokens import SAMPLE, density, estimate, room_for

# Counted with o200k_base.
COUNTED = {
    "The quick brown fox jumps over the lazy dog while nobody is looking at it. " * 20: 321,
    '{"id":1234,"name":"Ada","tags":["one","two"],"ratio":0.25},' * 20: 441,
    "2026-11-23T10:15:42Z 10.0.0.7 GET /index.html 200 5312\n" * 20: 620,
}


@pytest.mark.parametrize("text", COUNTED)
def test_it_is_near_the_count(text: str) -> None:
    assert estimate(text.encode()) == pytest.approx(COUNTED[text], rel=0.25)


def test_room_and_estimate_agree() -> None:
    text = b"words and 12 numbers, " * 1000
    room = room_for(500, text)
    assert estimate(text[:room]) == pytest.approx(500, rel=0.02)
    assert room_for(500, b"\n" * 100) == 3125


def test_large_texts_are_judged_by_their_beginning() -> None:
    assert density(b"a" * SAMPLE + b"1" * SAMPLE) == density(b"a" * SAMPLE)
    assert estimate(b"") == 0
