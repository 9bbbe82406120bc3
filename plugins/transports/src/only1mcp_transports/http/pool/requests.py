"""Heads of requests, made once for each set of header fields that messages come with.

Later ones replace earlier ones of the same name: what is configured, what the request is for, what the protocol asks
for with this message, and the session.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from only1mcp_transports.http.lane import EVENTS, JSON
from only1mcp_transports.http.target import Target

_KNOWN = 1024
_REMEMBERED = 1024
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_VALUES = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Requests:
    """Those to one URL, in one session or in none."""

    def __init__(self, target: Target, configured: Iterable[tuple[str, str]], session: str | None) -> None:
        self._target = target.path
        self._fixed = [
            ("Host", target.authority),
            *configured,
            ("Accept-Encoding", "identity"),
        ]
        self._session = [("Mcp-Session-Id", session)] if session is not None else []
        self._posts: dict[tuple[tuple[str, str], ...], bytes] = {}
        self.last: tuple[Mapping[str, str] | None, bytes] = (None, b"")
        """What the last message came with, and its head: one mapping serves many messages, and is never changed."""

    def post(self, headers: Mapping[str, str]) -> bytes:
        """The head of a POST, up to where the length of its body is to be said. Raises `ValueError`."""
        key = tuple(headers.items())
        head = self._posts.get(key)
        if head is None:
            own = [("Accept", f"{JSON}, {EVENTS}"), ("Content-Type", JSON)]
            head = self._head("POST", own, headers) + b"Content-Length: "
            if len(head) <= _REMEMBERED:
                if len(self._posts) == _KNOWN:
                    self._posts.clear()
                self._posts[key] = head
        self.last = headers, head
        return head

    def get(self, last_id: bytes, headers: Mapping[str, str]) -> bytes:
        """A GET for an event stream. Raises `ValueError`."""
        own = [("Accept", EVENTS)]
        if last_id:
            own.append(("Last-Event-ID", last_id.decode("utf-8", "replace")))
        return self._head("GET", own, headers) + b"\r\n"

    def delete(self, headers: Mapping[str, str]) -> bytes:
        """Raises `ValueError`."""
        return self._head("DELETE", [("Accept", f"{JSON}, {EVENTS}")], headers) + b"Content-Length: 0\r\n\r\n"

    def _head(self, method: str, own: list[tuple[str, str]], headers: Mapping[str, str]) -> bytes:
        fields = {}
        for name, value in (*self._fixed, *own, *headers.items(), *self._session):
            if not _TOKEN.fullmatch(name) or _NOT_IN_VALUES.search(value):
                raise ValueError("a header field is malformed")
            fields[name.lower()] = f"{name}: {value}\r\n"
        return f"{method} {self._target} HTTP/1.1\r\n{''.join(fields.values())}".encode()
