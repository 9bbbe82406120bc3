"""What went wrong on the way to a server, in words for people. Never quotes a header field, nor a URL's query."""

from __future__ import annotations

import os
import re
import socket
import ssl
from typing import Protocol
from urllib.parse import urljoin, urlsplit

_SNIPPET = 200
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")

NO_ANSWER = "the server closed it without an answer"
INCOMPLETE = "the answer is incomplete"
NOT_HTTP = "the answer is not HTTP"
LONG_HEAD = "the head of the answer is too long"
LATE_HEAD = "the head of the answer did not come in time"


class Status(Protocol):
    """The first line of an answer."""

    @property
    def status(self) -> int: ...

    @property
    def reason(self) -> str | None: ...


def address(url: str) -> str:
    """A URL without user information, query and fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def origin(url: str) -> str:
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or (443 if parts.scheme in ('https', 'wss') else 80)}"


def host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def printable(text: str) -> str:
    """At most 200 characters of a foreign text, on one line."""
    text = _CONTROL.sub(" ", text).strip()
    return text if len(text) <= _SNIPPET else text[:_SNIPPET] + "..."


def unsendable(url: str) -> str:
    return f"cannot send to {origin(url)}: a header field of the request is malformed"


def broken(url: str, why: str) -> str:
    return f"the connection to {origin(url)} broke: {why}"


def unopened(url: str, error: OSError) -> str:
    """Why there is no connection; a `TimeoutError` without an errno means that it took too long."""
    match error:
        case ssl.SSLCertVerificationError():
            why = f"its TLS certificate is not accepted: {error.verify_message}"
        case ssl.SSLError():
            why = f"TLS failed: {printable(error.strerror or str(error))}"
        case socket.gaierror():
            why = f"the name {urlsplit(url).hostname} can't be looked up: {printable(error.strerror or '')}"
        case TimeoutError() if not error.errno:
            why = "the connection did not open in time (open_timeout)"
        case _:
            why = reason(error)
    return f"cannot reach {origin(url)}: {why}"


def redirected(url: str, status: int, location: str) -> str:
    """Redirects are not followed: the new place might be anybody's, and would get the credentials."""
    try:
        target = printable(address(urljoin(url, location))) if location else "nowhere"
    except ValueError:
        target = "something that is no URL"
    return f"HTTP {status} from {host(url)}: it redirects to {target}; if you trust that, configure it as the url"


def status_line(response: Status) -> str:
    return f"HTTP {response.status} {printable(response.reason or '')}".rstrip()


def refused(url: str, response: Status, body: bytes) -> str:
    """An answer that carries no message."""
    said = printable(body[: 4 * _SNIPPET].decode("utf-8", "replace"))
    return f"{status_line(response)} from {host(url)}" + (f": {said}" if said else "")


def reason(error: OSError) -> str:
    # asyncio puts words of its own into strerror.
    return os.strerror(error.errno) if error.errno and error.errno > 0 else printable(str(error))
