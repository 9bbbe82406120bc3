"""Where requests to a URL go: whoever cuts it into pieces, the pieces are the same."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from only1mcp_transports.http import target
from only1mcp_transports.http.target import Target, target_of

SCHEMES = st.sampled_from(["http://", "https://"])
HOSTS = st.text("ab01.-", min_size=1, max_size=8)
PORTS = st.sampled_from(["", ":", ":0", ":80", ":443", ":8080", ":65535", ":080"])
PATHS = st.text("/a.~-_%2e+:@é ;", max_size=12)
QUERIES = st.text("?a=&.~%2+/#é", max_size=8)


@given(SCHEMES, HOSTS, PORTS, PATHS, QUERIES)
def test_as_yarl_has_it(scheme: str, host: str, port: str, path: str, query: str) -> None:
    url = f"{scheme}{host}{port}{'/' if path else ''}{path}{query}"
    try:
        whole = URL(url)
        expected = Target(
            whole.raw_host or "", whole.port or 80, whole.host_port_subcomponent or "", whole.raw_path_qs
        )
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011  (each says it in its own words)
            target_of(url)
    else:
        assert target_of(url) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    {
        "http://127.0.0.1:54321/mcp": Target("127.0.0.1", 54321, "127.0.0.1:54321", "/mcp"),
        "https://mcp.example": Target("mcp.example", 443, "mcp.example", "/"),
        "https://mcp.example:443/a/b.c/?key=1&x=y": Target(
            "mcp.example", 443, "mcp.example", "/a/b.c/?key=1&x=y"
        ),
        "http://mcp.example:443": Target("mcp.example", 443, "mcp.example:443", "/"),
    }.items(),
)
def test_a_plain_one_takes_no_more(url: str, expected: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(target, "_any_target")
    assert target_of(url) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    {
        "http://[::1]:8080/mcp": Target("::1", 8080, "[::1]:8080", "/mcp"),
        "https://user:pass@MCP.example/x#y": Target("mcp.example", 443, "mcp.example", "/x"),
        "https://bücher.example/ä?ö": Target(
            "xn--bcher-kva.example", 443, "xn--bcher-kva.example", "/%C3%A4?%C3%B6"
        ),
        "http://host/a/../b": Target("host", 80, "host", "/b"),
    }.items(),
)
def test_others(url: str, expected: Target) -> None:
    assert target_of(url) == expected


def test_whoever_needs_no_aiohttp_does_not_import_it() -> None:
    code = (
        "import sys, only1mcp_transports.http.listener, only1mcp_transports.http.connector\n"
        "sys.exit(', '.join({'aiohttp', 'yarl', 'multidict', 'urllib.request'} & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
