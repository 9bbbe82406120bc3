"""What a request must look like before the gate hears of it. Pure functions over methods and header fields: no
sockets, no aiohttp. Each raises `Refused`.

The checks of Host and Origin keep web pages from reaching a gateway on this machine through the user's browser (DNS
rebinding); those of Content-Type and Accept are the specification's (2025-11-25, basic/transports, Streamable HTTP).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

METHODS = "GET, POST, DELETE"
JSON = "application/json"
EVENTS = "text/event-stream"

_LOCAL_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")
_LOCAL_ORIGIN = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")
_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,4096}")
_SINGLE = frozenset({"host", "origin", "content-type", "content-length", "authorization"})


class Refused(Exception):
    """The HTTP answer to a request that goes no further. The message reaches the client."""

    def __init__(
        self, status: int, message: str = "", headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body = body or error_body(message)


def error_body(message: str, code: int = -32600) -> bytes:
    """A JSON-RPC error that answers no request in particular."""
    return json.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}).encode()


@dataclass(frozen=True)
class Rules:
    """Who may ask."""

    loopback: bool
    """The listener can be reached from this machine only."""
    hosts: frozenset[str] = field(default=frozenset())
    origins: frozenset[str] = field(default=frozenset())


def fold(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Header fields by lower-case name. Repeated ones are joined (RFC 9110, section 5.3), except where two values
    would leave it open which one counts."""
    headers: dict[str, str] = {}
    for name, value in pairs:
        name = name.lower()
        if not value.isascii():  # bytes that are no UTF-8 arrive as lone surrogates, which nothing can encode
            value = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        if name in headers:
            if name in _SINGLE or name.startswith("mcp-"):
                raise Refused(400, f"Bad Request: the header {name} occurs more than once")
            value = f"{headers[name]}, {value}"
        headers[name] = value
    return headers


def check_host(headers: Mapping[str, str], rules: Rules) -> None:
    host = headers.get("host")
    if host is None:
        raise Refused(400, "Bad Request: the header Host is missing")
    host = host.lower()
    if rules.loopback:
        if _LOCAL_HOST.fullmatch(host):
            return
    elif not rules.hosts:
        return
    if host not in rules.hosts and re.sub(r":[0-9]{1,5}\Z", "", host) not in rules.hosts:
        raise Refused(403, "Forbidden: this Host is not served here; see the listener's allowed_hosts")


def check_origin(headers: Mapping[str, str], rules: Rules) -> None:
    origin = headers.get("origin")
    if origin is None or origin.lower() in rules.origins:
        return
    if not (rules.loopback and _LOCAL_ORIGIN.fullmatch(origin.lower())):
        raise Refused(
            403, "Forbidden: this Origin may not use the gateway; see the listener's allowed_origins"
        )


def check_request(method: str, headers: Mapping[str, str]) -> None:
    """Method, Content-Type and Accept."""
    accept = headers.get("accept", "*/*")
    if method == "POST":
        check_content(headers)
        if not (admits(accept, JSON) and admits(accept, EVENTS)):
            raise Refused(406, f"Not Acceptable: Accept must admit both {JSON} and {EVENTS}")
    elif method == "GET":
        if not admits(accept, EVENTS):
            raise Refused(406, f"Not Acceptable: Accept must admit {EVENTS}")
    elif method != "DELETE":
        raise Refused(405, f"Method Not Allowed: this is for {METHODS}", {"Allow": METHODS})


def check_content(headers: Mapping[str, str]) -> None:
    """Content-Type of a message."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise Refused(415, f"Unsupported Media Type: Content-Type must be {JSON}")


def wants_websocket(method: str, headers: Mapping[str, str]) -> bool:
    """Whether it is the opening handshake of a WebSocket (RFC 6455, section 4.1)."""
    return (
        method == "GET"
        and "websocket" in _words(headers, "upgrade")
        and "upgrade" in _words(headers, "connection")
    )


def _words(headers: Mapping[str, str], name: str) -> list[str]:
    return [word.strip() for word in headers.get(name, "").lower().split(",")]


def cors_headers(headers: Mapping[str, str], rules: Rules) -> dict[str, str]:
    """What lets the pages of a configured origin read the answer. For everybody else: nothing."""
    origin = headers.get("origin")
    if origin is None or origin.lower() not in rules.origins:
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": "Mcp-Session-Id, WWW-Authenticate",
        "Vary": "Origin",
    }


def preflight_headers(headers: Mapping[str, str], rules: Rules) -> dict[str, str]:
    """The answer to a browser that asks whether it may (Fetch standard, CORS-preflight request)."""
    allowed = cors_headers(headers, rules)
    if not allowed or "access-control-request-method" not in headers:
        raise Refused(405, f"Method Not Allowed: this is for {METHODS}", {"Allow": METHODS})
    allowed["Access-Control-Allow-Methods"] = METHODS
    allowed["Access-Control-Max-Age"] = "600"
    wanted = headers.get("access-control-request-headers", "")
    if _NAMES.fullmatch(wanted):  # Mcp-Param-* are any number of names, so there is no list to compare with
        allowed["Access-Control-Allow-Headers"] = wanted
    return allowed


@lru_cache(maxsize=64)
def admits(accept: str, media_type: str) -> bool:
    """Whether an Accept header admits a media type (RFC 9110, section 12.5.1): the most specific range decides."""
    wildcard = media_type.partition("/")[0] + "/*"
    ranks = {"*/*": 1, wildcard: 2, media_type: 3}
    best, admitted = 0, False
    for element in accept.lower().split(","):
        name, *parameters = (part.strip() for part in element.split(";"))
        rank = ranks.get(name, 0)
        if rank >= best and rank:
            best, admitted = rank, all(map(_wanted, parameters))
    return admitted


def _wanted(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    try:
        return name.strip() != "q" or float(value) > 0
    except ValueError:
        return False
