"""What went wrong on the way to a server, in words for people. Never quotes a header field, nor a URL's query."""

from __future__ import annotations

import os
import re
import ssl
from urllib.parse import urljoin, urlsplit

import aiohttp

_SNIPPET = 200
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")

BROKEN = (aiohttp.ClientError, OSError, TimeoutError, ValueError)
"""What aiohttp raises when a request can't be made or an answer can't be read."""


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


def unreachable(url: str, error: Exception) -> str:
    """Why a request to `url` failed with one of `BROKEN`."""
    reason = _before_answer(error)
    if reason:
        return f"cannot reach {origin(url)}: {reason}"
    if not isinstance(error, (aiohttp.ClientError, OSError)):
        return f"cannot send to {origin(url)}: a header field of the request is malformed"
    return f"the connection to {origin(url)} broke: {_later(error)}"


def redirected(url: str, status: int, location: str) -> str:
    """Redirects are not followed: the new place might be anybody's, and would get the credentials."""
    try:
        target = printable(address(urljoin(url, location))) if location else "nowhere"
    except ValueError:
        target = "something that is no URL"
    return f"HTTP {status} from {host(url)}: it redirects to {target}; if you trust that, configure it as the url"


def status_line(response: aiohttp.ClientResponse) -> str:
    return f"HTTP {response.status} {printable(response.reason or '')}".rstrip()


def refused(url: str, response: aiohttp.ClientResponse, body: bytes) -> str:
    """An answer that carries no message."""
    said = printable(body[: 4 * _SNIPPET].decode("utf-8", "replace"))
    return f"{status_line(response)} from {host(url)}" + (f": {said}" if said else "")


def _before_answer(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLCertVerificationError() as why):
            return f"its TLS certificate is not accepted: {why.verify_message}"
        case aiohttp.ClientConnectorCertificateError():
            return "its TLS certificate is not accepted"
        case aiohttp.ClientConnectorSSLError():
            return f"TLS failed: {printable(error.os_error.strerror or str(error.os_error))}"
        case aiohttp.ClientConnectorDNSError():
            return f"the name {error.host} can't be looked up: {printable(error.os_error.strerror or '')}"
        case aiohttp.ClientProxyConnectionError():
            return f"the proxy at {error.host}:{error.port} can't be reached"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy answered HTTP {error.status}"
        case aiohttp.ConnectionTimeoutError():
            return "the connection did not open in time (open_timeout)"
        case aiohttp.ClientConnectorError():
            return _words(error.os_error)
    return ""


def _words(error: OSError) -> str:
    # asyncio puts words of its own into strerror.
    return os.strerror(error.errno) if error.errno and error.errno > 0 else printable(str(error))


def _later(error: Exception) -> str:
    match error:
        case aiohttp.ServerDisconnectedError():
            return "the server closed it without an answer"
        case aiohttp.ClientPayloadError():
            return "the answer is incomplete"
        case aiohttp.ClientResponseError():
            return "the answer is not HTTP"
        case OSError() if error.errno:
            return _words(error)
    return printable(f"{type(error).__name__} {error}")
