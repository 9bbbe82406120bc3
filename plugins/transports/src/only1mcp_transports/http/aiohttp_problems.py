"""What aiohttp raises on the way to a server, in words for people."""

from __future__ import annotations

import ssl

import aiohttp

from only1mcp_transports.http.problems import (
    INCOMPLETE,
    NO_ANSWER,
    NOT_HTTP,
    broken,
    origin,
    printable,
    reason,
    unsendable,
)

BROKEN = (aiohttp.ClientError, OSError, TimeoutError, ValueError)
"""When a request can't be made or an answer can't be read."""


def unreachable(url: str, error: Exception) -> str:
    """Why a request to `url` failed with one of `BROKEN`."""
    why = _before_answer(error)
    if why:
        return f"cannot reach {origin(url)}: {why}"
    if not isinstance(error, (aiohttp.ClientError, OSError)):
        return unsendable(url)
    return broken(url, _later(error))


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
            return reason(error.os_error)
    return ""


def _later(error: Exception) -> str:
    match error:
        case aiohttp.ServerDisconnectedError():
            return NO_ANSWER
        case aiohttp.ClientPayloadError():
            return INCOMPLETE
        case aiohttp.ClientResponseError():
            return NOT_HTTP
        case OSError() if error.errno:
            return reason(error)
    return printable(f"{type(error).__name__} {error}")
