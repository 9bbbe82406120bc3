"""Where requests to a URL go, and what they say of it. Most URLs need no more than to be cut into pieces.

Those that do (other alphabets, percent signs, dots to be resolved, users, IPv6) are yarl's, which takes a MiB.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_PORTS = {"http": 80, "https": 443}
_PLAIN = re.compile(
    r"(https?)://([a-z0-9]+(?:[.-][a-z0-9]+)*)(?::([1-9][0-9]{0,4}))?((?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?)"
    r"(\?[A-Za-z0-9._~=&-]+)?"
)
"""Of which there is nothing to be said that is not there."""


class Target(NamedTuple):
    host: str
    """ASCII; an IPv6 address without brackets."""
    port: int
    authority: str
    """What the header field Host says."""
    path: str
    """With the query, as the first line of a request has it."""


def target_of(url: str) -> Target:
    """Of a URL that `fields.check_url` has let pass. Raises `ValueError`."""
    plain = _PLAIN.fullmatch(url)
    if plain is None:
        return _any_target(url)
    scheme, host, said, path, query = plain.groups("")
    port = int(said) if said else _PORTS[scheme]
    authority = host if port == _PORTS[scheme] else f"{host}:{port}"
    return Target(host, port, authority, (path or "/") + query)


def _any_target(url: str) -> Target:
    from yarl import URL

    parts = URL(url)
    return Target(
        parts.raw_host or "", parts.port or 80, parts.host_port_subcomponent or "", parts.raw_path_qs
    )
