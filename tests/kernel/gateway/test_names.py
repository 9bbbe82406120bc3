"""Names and URIs: pure functions."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from only1mcp_kernel.config.model import NameStyle
from only1mcp_kernel.gateway.routing import names

LEGAL = re.compile(r"[a-zA-Z0-9_-]{1,64}")
servers = st.sampled_from(["a", "b", "a_b", "long-server-name-of-thirty-two-x"])
tools = st.text(alphabet="ab_.é/", min_size=1, max_size=80)
catalogues = st.dictionaries(servers, st.lists(tools, max_size=5, unique=True), max_size=4)
STYLES: list[NameStyle] = ["auto", "always"]


@given(catalogues, st.sampled_from(STYLES), st.booleans())
def test_no_two_things_are_shown_alike_and_what_we_make_is_legal(
    known: Mapping[str, list[str]], style: NameStyle, safe: bool
) -> None:
    shown = names.show(known, style, safe)
    assert len(set(shown.values())) == len(shown)
    for (_, own), name in shown.items():
        assert name == own or LEGAL.fullmatch(name)
        assert not safe or LEGAL.fullmatch(name)


@given(catalogues)
def test_the_order_of_servers_does_not_matter(known: Mapping[str, list[str]]) -> None:
    backwards = dict(reversed(list(known.items())))
    assert names.show(known, "auto", False) == names.show(backwards, "auto", False)


def test_secondary_collisions_are_told_apart() -> None:
    shown = names.show({"a": ["b_c", "same"], "a_b": ["c", "same"], "x": ["a_same"]}, "auto", False)
    assert shown["x", "a_same"] == "a_same"
    assert shown["a", "same"].startswith("a_same_")
    assert len(set(shown.values())) == 5


@given(st.sampled_from(["", "b"]), st.text(min_size=1))
def test_aliased_uris_are_found_again(server: str, uri: str) -> None:
    if "{" not in uri and "}" not in uri:
        assert names.own_uri(names.alias_uri(server, uri)) == (server, uri)


def test_an_aliased_template_can_still_be_expanded() -> None:
    alias = names.alias_uri("b", "file:///{path}")
    assert alias == "only1mcp://b/file%3A%2F%2F%2F{path}"
    assert names.own_uri(alias.replace("{path}", "x.txt")) == ("b", "file:///x.txt")


def test_template_patterns() -> None:
    literals = names.template_literals("db://{table}/row/{id}{?x}")
    assert names.expands_to(literals, "db://users/row/7?x=1")
    assert not names.expands_to(literals, "db://users/7")
    assert not names.expands_to(literals, "other://users/row/7")
    assert names.expands_to(["plain"], "plain")
    assert not names.expands_to(["plain"], "plain and more")
    assert not names.expands_to(["ab", "ba"], "aba")  # its ends may not overlap


def test_templates_are_matched_in_linear_time() -> None:
    literals = names.template_literals("repo://{owner}/{repo}/contents")
    began = time.monotonic()
    assert not names.expands_to(literals, "repo://" + "/" * 20_000)
    assert time.monotonic() - began < 0.2
