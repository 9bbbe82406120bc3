"""Sealed tokens: a token opens as it was made, for whom and what it was made, while its key is kept, and never else."""

from __future__ import annotations

import string

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from only1mcp_kernel.wire.seal import PREFIX, BadSeal, KeyRing

SPELLING = string.ascii_letters + string.digits + "-_"
KEYS = KeyRing()
names = st.text(max_size=8)
contents = st.lists(st.text(max_size=20), max_size=4)
odd = st.sampled_from(["=", "==", "!", " ", "\n", "\0", "\u00e9", "+", "/", "-", "_", "A", "\u2028", "%"])


def opens(token: str, purpose: str = "p", principal: str = "alice", keys: KeyRing = KEYS) -> bool:
    try:
        keys.open(purpose, principal, token)
    except BadSeal:
        return False
    return True


@given(names, names, contents)
def test_a_token_opens_as_it_was_made_and_says_nothing(
    purpose: str, principal: str, content: list[str]
) -> None:
    token = KEYS.seal(purpose, principal, content)
    assert KEYS.open(purpose, principal, token) == content
    assert set(token) <= set(SPELLING)
    assert token != KEYS.seal(purpose, principal, content)


@given(names, names, names, names)
@example("a", "b\0c", "a\0b", "c")
def test_purpose_and_principal_are_part_of_it(purpose: str, principal: str, other: str, another: str) -> None:
    assume((purpose, principal) != (other, another))
    assume("\0" not in purpose + other)  # purposes are words of the kernel's own
    assert not opens(KEYS.seal(purpose, principal, ["x"]), other, another)


@settings(max_examples=300)
@given(st.data(), contents)
def test_no_changed_token_opens(data: st.DataObject, content: list[str]) -> None:
    token = KEYS.seal("p", "alice", content)
    at = data.draw(st.integers(0, len(token)))
    length = data.draw(st.integers(0, 3))
    put_in = data.draw(odd | st.text(alphabet=SPELLING, max_size=3) | st.text(max_size=3))
    changed = token[:at] + put_in + token[at + length :]
    assert changed == token or not opens(changed)


def test_not_even_where_the_last_letter_has_bits_to_spare() -> None:
    for content in (["a"], ["aa"], ["aaa"]):
        token = KEYS.seal("p", "alice", content)
        others = [token[:-1] + letter for letter in SPELLING if letter != token[-1]]
        assert not any(map(opens, others))


@given(st.text(max_size=80), st.binary(max_size=60))
@example("", b"")
def test_what_is_no_token_never_opens(text: str, blob: bytes) -> None:
    import base64

    spelled = base64.urlsafe_b64encode(blob).rstrip(b"=").decode()
    for token in (text, PREFIX, PREFIX + text, PREFIX + spelled):
        assert not opens(token)


@given(st.data())
def test_parts_of_two_tokens_are_none(data: st.DataObject) -> None:
    one, other = (KEYS.seal("p", "alice", [each]) for each in ("one", "two"))
    at = data.draw(st.integers(len(PREFIX) + 1, len(one) - 1))
    mixed = one[:at] + other[at:]
    assert mixed in (one, other) or not opens(mixed)  # they may begin, or end, with the same characters


class Rotation(RuleBasedStateMachine):
    """Tokens of different ages, under a ring that keeps some keys."""

    @initialize(keep=st.integers(1, 4))
    def start(self, keep: int) -> None:
        self.keep = keep
        self.keys = KeyRing(keep)
        self.stranger = KeyRing(keep)
        self.age = 0
        self.made: list[tuple[str, int, list[str]]] = []

    @rule(content=contents)
    def seal(self, content: list[str]) -> None:
        self.made.append((self.keys.seal("p", "alice", content), self.age, content))

    @rule()
    def rotate(self) -> None:
        self.keys.rotate()
        self.age += 1

    @invariant()
    def those_of_kept_keys_open(self) -> None:
        for token, age, content in self.made:
            assert opens(token, keys=self.keys) == (self.age - age < self.keep)
            assert not opens(token, keys=self.stranger)
            if self.age - age < self.keep:
                assert self.keys.open("p", "alice", token) == content


TestRotation = Rotation.TestCase
TestRotation.settings = settings(max_examples=25, stateful_step_count=15)


def test_a_sealed_thing_of_another_form_is_no_crash() -> None:
    with pytest.raises(BadSeal):
        KEYS.open("p", "alice", PREFIX + "A" * 38)
