import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from only1mcp_transports.http.connector_config import ConnectorConfig

URL = "https://mcp.example/mcp"


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "http://127.0.0.1:8000/",
        "http://[::1]:8000/mcp?key=a%20b#c",
        "http://user:pass@host",
        "HTTPS://ä.example/",
    ],
)
def test_takes_http_urls(url: str) -> None:
    assert ConnectorConfig(url=url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/mcp",
        "localhost:8000",
        "ftp://host/",
        "file:///etc/passwd",
        "ws://host/",
        "http://",
        "http:///mcp",
        "http://host:0/",
        "http://host:99999/",
        "http://host:x/",
        "http://ho st/",
        "http://host/\r\nX: y",
        "http://[::1/",
    ],
)
def test_refuses_other_urls(url: str) -> None:
    with pytest.raises(ValidationError):
        ConnectorConfig(url=url)


@pytest.mark.parametrize(
    "headers",
    [
        {"": "a"},
        {"a b": "c"},
        {"a:": "b"},
        {"a\r\nb": "c"},
        {"ä": "a"},
        {"a": "b\r\nc: d"},
        {"a": "b\x00"},
        {"Authorization": "a", "authorization": "b"},
        {"Content-Length": "5"},
        {"transfer-encoding": "chunked"},
        {"Mcp-Session-Id": "1"},
        {"Accept": "*/*"},
        {"a": 1},
    ],
)
def test_refuses_headers_that_cannot_be_sent(headers: Any) -> None:
    with pytest.raises(ValidationError):
        ConnectorConfig(url=URL, headers=headers)


def test_says_nothing_of_values() -> None:
    with pytest.raises(ValidationError) as caught:
        ConnectorConfig(url=URL, headers={"X-Key": "secret\n"})
    assert "secret" not in caught.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    "options", [{"open_timeout": 0.0}, {"open_timeout": float("inf")}, {"max_message_bytes": 0}]
)
def test_refuses_limits_without_sense(options: Any) -> None:
    with pytest.raises(ValidationError):
        ConnectorConfig(url=URL, **options)


def test_is_light() -> None:
    code = "import sys, only1mcp_transports.http.connector_config; sys.exit('aiohttp' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
