"""Options of the WebSocket connector. Light: read whenever a configuration is, long before anything is opened."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from only1mcp_transports.http.remote import RemoteConfig


class ConnectorConfig(RemoteConfig):
    """A server that is reached by WebSocket."""

    SCHEMES: ClassVar[tuple[str, ...]] = ("ws", "wss")
    OURS: ClassVar[frozenset[str]] = frozenset(
        {
            "connection",
            "content-length",
            "sec-websocket-extensions",
            "sec-websocket-key",
            "sec-websocket-protocol",
            "sec-websocket-version",
            "transfer-encoding",
            "upgrade",
        }
    )

    url: str = Field(description="Its MCP endpoint: a ws:// or wss:// URL.")
    headers: dict[str, str] = Field(
        default={},
        description="Header fields to send when the connection is opened, an Authorization for example.",
    )
    keepalive: float = Field(
        default=30.0,
        gt=0,
        allow_inf_nan=False,
        description="Seconds of silence after which it is pinged; it counts as gone when it says nothing for half of"
        " that again.",
    )
