"""What the distribution offers, as configurations see it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from only1mcp_kernel.config.load import loads
from only1mcp_kernel.config.problems import ConfigError
from only1mcp_kernel.discovery import discover
from only1mcp_kernel.offers import Offers


@pytest.fixture(scope="module")
def offers() -> Offers:
    return discover(["only1mcp-transports"])


def connector(server: str, offers: Offers) -> str:
    config = loads(f"servers: {{x: {server}}}", Path("only1mcp.yaml"), offers, secrets={})
    return config.servers["x"].replicas[0].component.use


@pytest.mark.parametrize(
    ("server", "use"),
    [
        ("{command: uvx}", "stdio"),
        ("{type: stdio, command: uvx}", "stdio"),
        ("{url: 'http://h/mcp'}", "http"),
        ("{url: 'HTTPS://h/mcp'}", "http"),
        ("{type: http, url: 'https://h/mcp'}", "http"),
        ("{type: streamable-http, url: 'https://h/mcp'}", "http"),
        ("{type: streamableHttp, url: 'https://h/mcp'}", "http"),
        ("{type: sse, url: 'https://h/sse'}", "sse"),
        ("{url: 'ws://h/mcp'}", "websocket"),
        ("{url: 'wss://h/mcp'}", "websocket"),
        ("{type: ws, url: 'wss://h/mcp'}", "websocket"),
        ("{type: websocket, url: 'wss://h/mcp'}", "websocket"),
        ("{object: 'a.b:c'}", "python"),
        ("{use: python, object: 'a:b'}", "python"),
    ],
)
def test_how_servers_are_told_apart(server: str, use: str, offers: Offers) -> None:
    assert connector(server, offers) == use


@pytest.mark.parametrize(
    ("server", "problem"),
    [
        ("{url: 'h/mcp'}", "1:20: servers.x.url: should start with http://, https://, ws://, wss://"),
        (
            "{url: 'wws://h/mcp'}",
            "1:20: servers.x.url: should start with http://, https://, ws://, wss://; did you mean",
        ),
        ("{type: ws, url: 'https://h/mcp'}", "write a URL that starts with ws:// or wss://"),
        ("{type: http, url: 'ws://h/mcp'}", "write a URL that starts with http:// or https://"),
        ("{type: webscket, url: 'ws://h'}", 'did you mean "websocket"?'),
        ("{url: 'ws://h', header: {}}", 'servers.x.header: unknown key; did you mean "headers"?'),
        ("{objct: 'a:b'}", 'servers.x.objct: unknown key; did you mean "object"?'),
        ("{object: 'a.b'}", "servers.x.object: should look like package.module:name"),
        ("{url: 'ws://h', object: 'a:b'}", "fits several connectors: "),
        ("{}", "url (websocket)"),
    ],
)
def test_what_is_wrong_is_said(server: str, problem: str, offers: Offers) -> None:
    with pytest.raises(ConfigError) as caught:
        connector(server, offers)
    assert problem in str(caught.value)


@pytest.mark.parametrize("use", ["http", "websocket", "stdio"])
def test_listeners(use: str, offers: Offers) -> None:
    text = f"listen: [{{use: {use}}}]"
    [listener] = loads(text, Path("only1mcp.yaml"), offers, secrets={}).listen
    assert listener.use == ("stdio" if use == "stdio" else "http")


def test_offers_are_light() -> None:
    code = "import sys, only1mcp_transports.plugin; sys.exit(bool({'aiohttp', 'mcp', 'anyio'} & set(sys.modules)))"
    done: Any = subprocess.run([sys.executable, "-c", code], check=False, timeout=30)
    assert done.returncode == 0
