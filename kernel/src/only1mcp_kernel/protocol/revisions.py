"""The released revisions and what differs between them."""

from __future__ import annotations

from msgspec import Struct

from only1mcp_sdk import Era


class Revision(Struct, frozen=True):
    """One released revision of the specification."""

    name: str
    era: Era
    batches: bool = False
    not_found: int = -32002
    """The code of "resource not found"."""
    url_elicitation: bool = False
    polling: bool = False
    """Servers may close a stream whose client comes back for the rest."""


REVISIONS = {
    revision.name: revision
    for revision in (
        Revision("2024-11-05", "legacy"),
        Revision("2025-03-26", "legacy", batches=True),
        Revision("2025-06-18", "legacy"),
        Revision("2025-11-25", "legacy", url_elicitation=True, polling=True),
        Revision("2026-07-28", "modern", not_found=-32602, url_elicitation=True),
    )
}
LEGACY = [name for name, revision in REVISIONS.items() if revision.era == "legacy"]
MODERN = [name for name, revision in REVISIONS.items() if revision.era == "modern"]
LATEST_LEGACY = LEGACY[-1]
LATEST_MODERN = MODERN[-1]

METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
HEADER_MISMATCH = -32020
MISSING_CAPABILITY = -32021
UNSUPPORTED_VERSION = -32022
URL_ELICITATION_REQUIRED = -32042

_LEGACY_ONLY = frozenset(
    {
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "tasks/list",
        "tasks/result",
    }
)
_MODERN_ONLY = frozenset({"server/discover", "subscriptions/listen", "tasks/update"})


_IN_BOTH = frozenset(
    {
        "completion/complete",
        "prompts/get",
        "prompts/list",
        "resources/list",
        "resources/read",
        "resources/templates/list",
        "tools/call",
        "tools/list",
    }
)
_TASKS = frozenset({"tasks/get", "tasks/cancel", "tasks/update"})
_OF_SERVERS = frozenset({"elicitation/create", "roots/list", "sampling/createMessage"})
_NOTIFICATIONS = frozenset(
    {
        "notifications/cancelled",
        "notifications/elicitation/complete",
        "notifications/initialized",
        "notifications/message",
        "notifications/progress",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
        "notifications/resources/updated",
        "notifications/roots/list_changed",
        "notifications/subscriptions/acknowledged",
        "notifications/tasks",
        "notifications/tasks/status",
        "notifications/tools/list_changed",
    }
)
_DEFINED = _LEGACY_ONLY | _MODERN_ONLY | _IN_BOTH | _TASKS | _OF_SERVERS | _NOTIFICATIONS


def defined(method: str) -> bool:
    """Whether some revision, or the extension for tasks, says what this message is. A prefix that ends in `/*` is
    what one of its methods is."""
    if method.endswith("/*"):
        return any(each.startswith(method[:-1]) for each in _DEFINED)
    return method in _DEFINED


def exists(method: str, era: Era) -> bool:
    """False for a method that another era defines and the caller's does not. Methods no revision defines exist."""
    return method not in (_LEGACY_ONLY if era == "modern" else _MODERN_ONLY)
