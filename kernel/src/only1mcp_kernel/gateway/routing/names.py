"""What clients call things by: pure functions from what servers list to what is shown.

Names depend on what the configured servers are known to list, up or down, never on who came first. They are looked up
in tables and never taken apart.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote, unquote

from only1mcp_kernel.config.model import NameStyle

MAX_LENGTH = 64
_LEGAL = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ILLEGAL = re.compile(r"[^a-zA-Z0-9_-]")

Owned = tuple[str, str]
"""A server, and a name in its own words."""


def show(known: Mapping[str, Sequence[str]], style: NameStyle, safe: bool) -> dict[Owned, str]:
    """The shown name of everything known, servers in configuration order.

    `auto`: a name is bare while one server has it; where several have it, all are prefixed by their server.
    `always`: all are prefixed. `never`: none is; names that several servers have are then in `ambiguous`.
    With `safe`, every name is made to fit `^[a-zA-Z0-9_-]{1,64}$`; otherwise only those the gateway makes do.
    """
    holders = Counter(name for names in known.values() for name in set(names))
    shown: dict[Owned, str] = {}
    for server, names in known.items():
        for name in names:
            prefixed = style == "always" or (style == "auto" and holders[name] > 1)
            if prefixed:
                shown[server, name] = fit(f"{server}_{name}", (server, name))
            else:
                shown[server, name] = fit(name, (server, name)) if safe else name
    return shown if style == "never" else _separate(shown)


def ambiguous(known: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Names that several servers have, and which."""
    holders: dict[str, list[str]] = {}
    for server, names in known.items():
        for name in dict.fromkeys(names):
            holders.setdefault(name, []).append(server)
    return {name: servers for name, servers in holders.items() if len(servers) > 1}


def _separate(shown: dict[Owned, str]) -> dict[Owned, str]:
    """Tell apart what prefixing or shortening made equal. A server's own bare name keeps it."""
    holders = Counter(shown.values())
    return {
        owned: name if holders[name] == 1 or name == owned[1] else _hashed(name, owned)
        for owned, name in shown.items()
    }


def fit(name: str, owned: Owned) -> str:
    """A name within the rule, shortened or cleaned with a stable suffix where it has to be."""
    return name if _LEGAL.fullmatch(name) else _hashed(_ILLEGAL.sub("_", name), owned)


def _hashed(name: str, owned: Owned) -> str:
    suffix = hashlib.sha256("\0".join(owned).encode()).hexdigest()[:8]
    return f"{name[: MAX_LENGTH - 9]}_{suffix}"


def alias_uri(server: str, uri: str) -> str:
    """Another server has the same URI and comes first in the configuration: this one's is shown as ours."""
    parts = re.split(
        r"(\{[^{}]*\})", uri
    )  # a template stays one: its expressions are left for the client to expand
    encoded = "".join(part if index % 2 else quote(part, safe="") for index, part in enumerate(parts))
    return f"only1mcp://{server}/{encoded}"


def own_uri(uri: str) -> Owned | None:
    """The server and its own URI behind an `alias_uri`, expanded or not; None for any other URI."""
    if not uri.startswith("only1mcp://"):
        return None
    server, slash, encoded = uri.removeprefix("only1mcp://").partition("/")
    return (server, unquote(encoded)) if slash else None


def template_literals(template: str) -> list[str]:
    """What of a URI template (RFC 6570) stands between its expressions."""
    return re.split(r"\{[^{}]*\}", template)


def expands_to(literals: Sequence[str], uri: str) -> bool:
    """Whether a template of these literals may expand to this URI, generously: an expression matches anything. In
    linear time: both come from outside, and a regular expression would backtrack over them for minutes."""
    if len(literals) == 1:
        return uri == literals[0]
    first, *inner, last = literals
    if not uri.startswith(first) or not uri.endswith(last):
        return False
    at, end = len(first), len(uri) - len(last)
    for literal in inner:
        found = uri.find(literal, at, end)
        if found < 0:
            return False
        at = found + len(literal)
    return at <= end


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Up to three names like this one."""
    import difflib

    return difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
