"""Heads of plain requests: found, parsed by llhttp, and remembered, since a client sends nearly the same one each time.

`read` is strict: whatever could be understood in two ways is not plain.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import httptools
from msgspec import Struct

from only1mcp_transports.http import checks
from only1mcp_transports.http.checks import Refused

if TYPE_CHECKING:
    from only1mcp_sdk import Arrival, Gate
    from only1mcp_transports.http.server import Route

END = b"\r\n\r\n"
MAX_HEAD = 8000
"""A longer head is not plain. (aiohttp takes no longer lines, either.)"""
_MAX_FIELDS = 128
"""More are not plain. (aiohttp refuses them.)"""
_MAX_KNOWN = 4096
_LENGTH = b"\r\nContent-Length: "
_LENGTH_LOWER = b"\r\ncontent-length: "
_METHODS = frozenset({"POST", "GET", "DELETE"})
# What asks for something special of the connection, or of how the body is sent.
_SPECIAL = frozenset(
    {"transfer-encoding", "expect", "upgrade", "trailer", "te", "content-encoding", "http2-settings"}
)


class Head:
    """A plain head. The body's length is not part of it."""

    __slots__ = ("headers", "method", "place", "posts", "target")

    def __init__(self, method: str, target: str, headers: dict[str, str]) -> None:
        self.method = method
        self.posts = method == "POST"
        self.target = target
        self.headers = headers
        """By lower-case name, without Content-Length."""
        self.place: Place | None = None
        """Where it led when it was looked up last."""


class Place(Struct, eq=False):
    """Where a head leads that passes every check there."""

    version: int
    """Of the routes; with others it has to be looked up again."""
    route: Route
    gate: Gate
    profile: str
    context: str
    """What the URL asks for beside."""
    cors: Mapping[str, str]
    """The header fields of CORS that answers carry."""
    plain: bool
    """There are none of those."""
    log: logging.Logger
    arrival: Arrival | None = None
    """How the last request came in. The next one mostly comes in alike."""


class Heads:
    """Reads heads. One per server."""

    def __init__(self) -> None:
        self._known: dict[bytes, Head] = {}
        """By what they are without the length of the body."""
        self.placed: dict[bytes, tuple[int, Head, Place]] = {}
        """Heads as they are, with the length of the body, and where they lead."""

    def know(self, raw: bytes, length: int, head: Head, place: Place) -> None:
        """For the next one like it."""
        if len(self.placed) >= _MAX_KNOWN:
            self.placed.clear()
        self.placed[raw] = length, head, place

    def read(self, head: bytes) -> tuple[Head, int] | None:
        """A head, with the blank line that ends it, and the length of the body behind it; None when it is not plain."""
        begin = head.find(_LENGTH)
        if begin < 0:
            begin = head.find(_LENGTH_LOWER)
        if begin < 0:
            known, length = self._known.get(head), 0
            key = head
        else:
            begin += len(_LENGTH)
            end = head.find(b"\r", begin)
            digits = head[begin:end]
            if not digits.isdigit() or len(digits) > 15 or (digits[:1] == b"0" and len(digits) > 1):
                return None
            length = int(digits)
            key = head[:begin] + head[end:]
            known = self._known.get(key)
        if known is None:
            known = _parse(head, length if begin >= 0 else None)
            if known is None:
                return None
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[key] = known
        return known, length


class _Fields:
    """What llhttp finds."""

    def __init__(self) -> None:
        self.target = b""
        self.pairs: list[tuple[bytes, bytes]] = []
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.pairs.append((name, value))

    def on_headers_complete(self) -> None:
        self.complete = True


def _parse(head: bytes, length: int | None) -> Head | None:
    lines = head.count(b"\r\n")
    if not head.isascii() or head.count(b"\n") != lines or head.count(b"\r") != lines:
        return None
    if b"\r\n " in head or b"\r\n\t" in head:  # a line that goes on with the one before it
        return None
    fields = _Fields()
    parser = httptools.HttpRequestParser(fields)
    try:
        parser.feed_data(head)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    if not fields.complete or len(fields.pairs) > _MAX_FIELDS or parser.get_http_version() != "1.1":
        return None
    method = parser.get_method().decode()
    headers = {name.lower().decode(): value.strip(b" \t").decode() for name, value in fields.pairs}
    if len(headers) != len(fields.pairs) or method not in _METHODS or not _SPECIAL.isdisjoint(headers):
        return None
    said = headers.pop("content-length", None)
    if said != (None if length is None else str(length)) or method == (
        "GET" if length is not None else "POST"
    ):
        return None  # a POST has a body, a GET has none, and a DELETE may
    if headers.get("connection", "keep-alive").lower() != "keep-alive":
        return None
    return Head(method, fields.target.decode(), headers)


def passes(head: Head, rules: checks.Rules) -> Mapping[str, str] | None:
    """The CORS fields of its answers, if it passes all checks; else None."""
    try:
        checks.check_host(head.headers, rules)
        checks.check_origin(head.headers, rules)
        checks.check_request(head.method, head.headers)
    except Refused:
        return None
    return checks.cors_headers(head.headers, rules)


def may_be_plain(part: bytes) -> bool:
    """Whether the beginning of a head may become that of a plain request."""
    if len(part) > MAX_HEAD or part.count(b"\n") != part.count(b"\r\n"):
        return False
    start = part[:5]
    return b"POST ".startswith(start) or b"GET ".startswith(start[:4]) or b"DELETE ".startswith(part[:7])
