"""Options of the `sse` connector. Light: read whenever a configuration is, long before anything is opened."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from only1mcp_transports.http.remote import RemoteConfig


class ConnectorConfig(RemoteConfig):
    """A server that is reached by HTTP+SSE, the transport of revision 2024-11-05."""

    SCHEMES: ClassVar[tuple[str, ...]] = ("http", "https")
    OURS: ClassVar[frozenset[str]] = frozenset(
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

    url: str = Field(description="Its event stream, often ending with /sse: an http:// or https:// URL.")
