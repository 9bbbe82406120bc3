"""Options of the HTTP listener. Light: read whenever a configuration is."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from only1mcp_sdk import PluginConfig

_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+|/")
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


def _path(value: str) -> str:
    if not _PATH.fullmatch(value):
        raise ValueError("should look like /mcp: start with a slash, not end with one, no spaces, ? or %")
    return value


def _path_or_none(value: str) -> str:
    if value == "/":
        raise ValueError("should not be /, where it would hide other paths")
    return _path(value) if value else ""


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError("should look like gateway.example or gateway.example:8443")
    return value.lower()


def _origin(value: str) -> str:
    if not _ORIGIN.fullmatch(value):
        raise ValueError(
            "should look like https://app.example or http://localhost:3000, with nothing after it"
        )
    return value.lower()


class ListenerConfig(PluginConfig):
    """Clients over Streamable HTTP, WebSocket and HTTP+SSE."""

    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="The address to listen at: an IP address or a name of this machine. 0.0.0.0 is every IPv4 address.",
    )
    port: int = Field(default=8080, ge=0, le=65535, description="The TCP port. 0 takes any that is free.")
    path: Annotated[str, AfterValidator(_path)] = Field(
        default="/mcp",
        description="Where the profile `default` is served; profile <name> is at <path>/<name>.",
    )
    sse_path: Annotated[str, AfterValidator(_path_or_none)] | None = Field(
        default=None,
        description="Where clients of HTTP+SSE, the transport of revision 2024-11-05, are served, with profiles as at"
        " `path`. Empty: nowhere. By default /sse where `path` is /mcp, and nowhere else.",
    )
    allowed_hosts: list[Annotated[str, AfterValidator(_host)]] = Field(
        default=[],
        description="Values of the Host header to serve: a name, for any port, or name:port. At a loopback address"
        " they come on top of localhost, elsewhere none means that every Host is served; `host` itself always is.",
    )
    allowed_origins: list[Annotated[str, AfterValidator(_origin)]] = Field(
        default=[],
        description="Web sites whose pages may use the gateway from a browser, as scheme://host[:port].",
    )
    keepalive: float = Field(
        default=15.0,
        gt=0,
        description="Seconds of silence after which a waiting client gets a sign of life.",
    )
    buffer_bytes: int = Field(
        default=8 << 20,
        gt=0,
        description="Bytes of an event stream kept for a client that reads too slowly; beyond, it is disconnected.",
    )

    head_timeout: float = Field(
        default=10.0, gt=0, description="Seconds a client may take to send the head of a request."
    )
    body_timeout: float = Field(
        default=60.0, gt=0, description="Seconds a client may take to send the body of a request."
    )
    send_timeout: float = Field(
        default=60.0,
        gt=0,
        description="Seconds a client may take nothing of what waits for it; beyond, it is disconnected.",
    )
    tls_certificate: str = Field(
        default="",
        description="A PEM file with the certificate and its chain; relative to the configuration file. With it, the "
        "listener speaks HTTPS.",
    )
    tls_key: str = Field(
        default="", description="A PEM file with its private key, where that is not in the same file."
    )
    fast_lane: bool = Field(
        default=True,
        description="Serve plain requests of MCP on the connection itself, at a fraction of the cost. `false` has "
        "aiohttp serve all of them; nothing else changes.",
    )

    @property
    def sse_at(self) -> str:
        """The path for HTTP+SSE; empty where it is not served."""
        if self.sse_path is None:
            return "/sse" if self.path == "/mcp" else ""
        return self.sse_path

    @model_validator(mode="after")
    def _apart(self) -> ListenerConfig:
        if self.sse_path and self.sse_path == self.path:
            raise ValueError("sse_path and path should not be the same")
        if self.tls_key and not self.tls_certificate:
            raise ValueError("tls_key needs a tls_certificate")
        return self
