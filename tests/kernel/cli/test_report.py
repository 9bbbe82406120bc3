"""`report`, with and without a running gateway."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel.daemon.installation import Installation


@pytest.fixture
def economical(user: Installation) -> Installation:
    """A user who has the economies, too."""
    user.env["ONLY1MCP_PLUGINS"] += ",only1mcp-context"
    return user


@pytest.fixture(params=["running", "private"])
def served(request: pytest.FixtureRequest, economical: Installation) -> Iterator[Installation]:
    user = economical
    user.configure(
        servers={"a": {"use": "canned", "tools": ["echo", "fail"]}},
        profiles={"none": {"servers": []}, "short": {"context": {"use": "search"}}},
    )
    if request.param == "private":
        yield user
    else:
        with user.started():
            yield user


def test_every_mode_of_every_profile(served: Installation) -> None:
    report = served.json("report")
    assert set(report["profiles"]) == {"default", "none", "short"}
    found = report["profiles"]["default"]
    assert found["tools"] == 2
    assert found["tokenizer"] == "estimate"
    assert found["auto"] == "normalise"
    assert list(found["modes"]) == ["native", "normalise", "slim", "signatures", "search"]
    assert found["modes"]["search"]["tools"] == 4
    assert found["modes"]["normalise"]["step"] == 0 < found["modes"]["search"]["step"]
    assert report["profiles"]["none"]["tokens"] == 0

    said = served.run("report", "--profile", "short").stdout
    assert said.startswith("profile short: 2 tools, ")
    assert "(estimated)" in said
    assert "normalise" in said
    assert "default" not in said
    assert "no profile 'nix'" in served.run("report", "--profile", "nix", code=1).stderr


def test_nothing_to_compare_with(user: Installation) -> None:
    user.configure(servers={"a": {"use": "canned", "tools": ["echo"]}})
    assert "install only1mcp-context" in user.run("report", code=1).stderr


def test_what_was_spared(economical: Installation) -> None:
    user = economical
    user.configure(
        servers={"a": {"use": "canned", "tools": ["echo"]}},
        profiles={"default": {"context": {"use": "slim"}}},
    )
    with user.started():
        assert user.json("report")["spared"]["default"]["total"]["lists"] == 0
        user.run("tools", "list")
        user.run("tools", "call", "echo")
        spared = user.json("report")["spared"]["default"]
        assert spared["total"]["lists"] == spared["total"]["results"] == 1
        assert set(spared["clients"]) == {"only1mcp-cli"}
        assert "so far: 1 lists, 0 searches, 1 results" in user.run("report").stdout
