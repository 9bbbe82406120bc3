"""What all connectors to a URL have in common: their options. Light: read whenever a configuration is."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from only1mcp_sdk import PluginConfig
from only1mcp_transports.http.fields import check_headers, check_url


class RemoteConfig(PluginConfig):
    """A server that is reached at a URL."""

    SCHEMES: ClassVar[tuple[str, ...]]
    OURS: ClassVar[frozenset[str]]
    """Header fields that are the connector's own to send, in lower case."""

    url: str = Field(description="Where it is.")
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
        return check_url(url, *cls.SCHEMES)

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, str]) -> dict[str, str]:
        check_headers(headers, cls.OURS)
        return headers
