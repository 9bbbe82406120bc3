"""Responses as bytes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus

from only1mcp_transports.http.checks import JSON, error_body

SERVER = "only1mcp"
STREAM = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # nginx would collect the events
}
_STATUS_LINES = {each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode() for each in HTTPStatus}
JSON_HEAD = _STATUS_LINES[200] + f"Content-Type: {JSON}\r\nContent-Length: ".encode()
"""What most heads begin with; `common_fields` follows."""
_WITHOUT_LENGTH = frozenset({204, 304})


def head(status: int, fields: Mapping[str, str]) -> bytes:
    lines = "".join([f"{name}: {value}\r\n" for name, value in fields.items()])
    return _STATUS_LINES[status] + lines.encode() + common_fields()[2:]


def whole(body: bytes, status: int, fields: Mapping[str, str]) -> bytes:
    """A response in one piece."""
    kind = {"Content-Type": JSON} if body else {}
    length = {} if status in _WITHOUT_LENGTH else {"Content-Length": str(len(body))}
    return head(status, {**fields, **kind, **length}) + body


def closing(status: int, message: str) -> bytes:
    """A refusal after which the connection is closed."""
    return whole(error_body(message), status, {"Connection": "close"})


class _Clock:
    """The end of every head, made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._fields = b""

    def fields(self) -> bytes:
        now = int(time.time())
        if now != self._second:
            date = formatdate(now, usegmt=True)
            self._second, self._fields = now, f"\r\nDate: {date}\r\nServer: {SERVER}\r\n\r\n".encode()
        return self._fields


common_fields = _Clock().fields
"""Date and Server, from the line end before them to the blank line."""
