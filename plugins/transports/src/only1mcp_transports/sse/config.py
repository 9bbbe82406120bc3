"""Options of the `sse` connector. Light: read whenever a configuration is, long before anything is opened."""

from __future__ import annotations

from pydantic import Field, field_validator

from only1mcp_sdk import PluginConfig
from only1mcp_transports.http.fields import check_headers, check_url

_OURS = frozenset(
    {
        "accept",
        "connection",
        "content-length",
        "content-type",
        "last-event-id",
        "transfer-encoding",
        "upgrade",
    }
)


class ConnectorConfig(PluginConfig):
    """A server that is reached by HTTP+SSE, the transport of revision 2024-11-05."""

    url: str = Field(description="Its event stream, often ending with /sse: an http:// or https:// URL.")
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
        return check_url(url, "http", "https")

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, str]) -> dict[str, str]:
        check_headers(headers, _OURS)
        return headers
