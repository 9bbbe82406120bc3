"""What a URL and header fields must look like in a configuration. Light; shared by the connectors that use HTTP."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_VALUES = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def check_url(url: str, *schemes: str) -> str:
    """Raises `ValueError`, without quoting the URL: it may contain a key."""
    if re.search(r"[\x00-\x20\x7f]", url):
        raise ValueError("a URL contains no spaces and no control characters")
    parts = urlsplit(url)
    if parts.scheme not in schemes:
        raise ValueError(f"write a URL that starts with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if not parts.hostname:
        raise ValueError("the URL names no host")
    if parts.port == 0:
        raise ValueError("the URL's port is 0")
    return url


def check_headers(headers: Mapping[str, str], ours: Collection[str]) -> None:
    """`ours` are the names, in lower case, that the transport sets itself. Raises `ValueError`."""
    seen = set()
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a header field")
        if name.lower() in ours:
            raise ValueError(f"{name} is set by the transport itself; remove it")
        if name.lower() in seen:
            raise ValueError(f"{name} is given twice")
        if _NOT_IN_VALUES.search(value):
            raise ValueError(f"the value of {name} contains a line break or control character")
        seen.add(name.lower())
