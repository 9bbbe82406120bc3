"""Options of the `http` connector. Light: read whenever a configuration is, long before anything is opened."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from only1mcp_sdk import PluginConfig

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_VALUES = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_OURS = frozenset(
    {
        "accept",
        "connection",
        "content-length",
        "content-type",
        "last-event-id",
        "mcp-session-id",
        "transfer-encoding",
        "upgrade",
    }
)


class ConnectorConfig(PluginConfig):
    """A server that is reached by Streamable HTTP."""

    url: str = Field(description="Its MCP endpoint: an http:// or https:// URL.")
    headers: dict[str, str] = Field(
        default={}, description="Header fields to send with every request, an Authorization for example."
    )
    open_timeout: float = Field(
        default=10.0,
        gt=0,
        allow_inf_nan=False,
        description="Seconds a TCP connection to it may take to open, name look-up and TLS included.",
    )
    max_message_bytes: int = Field(
        default=64 << 20, gt=0, description="The longest message taken from it, in bytes."
    )

    @field_validator("url")
    @classmethod
    def _reachable(cls, url: str) -> str:
        # What is wrong is said without quoting the URL: it may contain a key.
        if re.search(r"[\x00-\x20\x7f]", url):
            raise ValueError("a URL contains no spaces and no control characters")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            raise ValueError("write a URL that starts with http:// or https://")
        if not parts.hostname:
            raise ValueError("the URL names no host")
        if parts.port == 0:
            raise ValueError("the URL's port is 0")
        return url

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, str]) -> dict[str, str]:
        seen = set()
        for name, value in headers.items():
            if not _TOKEN.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a header field")
            if name.lower() in _OURS:
                raise ValueError(f"{name} is set by the transport itself; remove it")
            if name.lower() in seen:
                raise ValueError(f"{name} is given twice")
            if _NOT_IN_VALUES.search(value):
                raise ValueError(f"the value of {name} contains a line break or control character")
            seen.add(name.lower())
        return headers
