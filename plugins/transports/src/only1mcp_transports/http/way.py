"""The way to a server: header fields, proxies and sockets. Shared by the connectors that use HTTP.

Proxies are taken from the environment here and not by aiohttp, which would also send what ~/.netrc says about the host.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import socket
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from only1mcp_transports.http.problems import host

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

IDLE = 4.0
"""Seconds an unused TCP connection is kept. Common servers drop theirs after 5 s; a request that is sent just then is
lost, and must not be sent again because nobody knows whether it arrived."""
_PROBE_AFTER = 60
"""Seconds of silence after which TCP asks whether the other side is still there."""


def open_pool(url: str, open_timeout: float) -> aiohttp.ClientSession:
    """TCP connections for one connection to a server, any number at a time; no cookies. Raises `ValueError`. Whoever
    calls it on an event loop that others need has imported aiohttp before (`loading.load_aiohttp`)."""
    import aiohttp

    return aiohttp.ClientSession(
        proxy=proxy_for(url),
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE, socket_factory=probed_socket),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, connect=open_timeout),
    )


def fixed_headers(url: str, configured: Mapping[str, str]) -> dict[str, str]:
    """What every request carries: what is configured, and what the URL says about the user. No name is there twice, in
    whatever case."""
    own = {"User-Agent": "only1mcp"}
    parts = urlsplit(url)
    if parts.username is not None:
        # aiohttp refuses a URL with a user next to an Authorization header; the header is the more explicit one.
        own["Authorization"] = _basic(unquote(parts.username), unquote(parts.password or ""))
    given = {name.lower() for name in configured}
    return {**{name: value for name, value in own.items() if name.lower() not in given}, **configured}


def _basic(user: str, password: str) -> str:
    """RFC 7617. Raises `ValueError`."""
    if ":" in user:
        raise ValueError("a user's name with a colon can't be sent")
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def proxy_for(url: str) -> URL | None:
    """The proxy that the environment asks for (HTTP_PROXY, HTTPS_PROXY, NO_PROXY). Raises `ValueError`."""
    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    if sys.platform not in ("darwin", "win32") and not any(n.lower().endswith("_proxy") for n in os.environ):
        return None  # these two have other places to say it
    import urllib.request  # brings all of http.client with it

    found = urllib.request.getproxies().get(scheme)
    if not found or _is_loopback(parts.hostname or "") or urllib.request.proxy_bypass(host(url)):
        return None
    from yarl import URL

    proxy = URL(found if "://" in found else f"http://{found}")
    if proxy.scheme not in ("http", "https") or not proxy.host:
        raise ValueError(
            f"{scheme.upper()}_PROXY in the environment is no http:// URL; other proxies are not supported"
        )
    return proxy


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def probed_socket(info: aiohttp.AddrInfoType) -> socket.socket:
    """A socket that notices when the other machine vanished without a word, as whoever listens must."""
    family, kind, protocol, *_ = info
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _PROBE_AFTER)
    return made
