"""Options of the `http` connector. Light: read whenever a configuration is, long before anything is opened."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from only1mcp_transports.http.remote import RemoteConfig


class ConnectorConfig(RemoteConfig):
    """A server that is reached by Streamable HTTP."""

    SCHEMES: ClassVar[tuple[str, ...]] = ("http", "https")
    OURS: ClassVar[frozenset[str]] = frozenset(
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

    url: str = Field(description="Its MCP endpoint: an http:// or https:// URL.")
    fast_lane: bool = Field(
        default=True,
        description="Speak HTTP with connections of the gateway's own, at a fraction of the cost. `false` has aiohttp "
        "speak it; nothing else changes.",
    )
