"""The server face: how a request is put to a server of either era.

A dialect turns an exchange's method and members into the message and the header fields for one server. Within an era
the client's `_meta` goes on as it came; across eras the keys that belong to one of them are left behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Protocol

from only1mcp_kernel.protocol import modern
from only1mcp_kernel.protocol.meta import (
    CAPABILITIES,
    CLIENT_INFO,
    LOG_LEVEL,
    PER_REQUEST,
    VERSION,
)
from only1mcp_kernel.protocol.revisions import LATEST_MODERN
from only1mcp_kernel.wire import envelope
from only1mcp_sdk import Capabilities, Era, Json, Members
from only1mcp_sdk.members import join, quoted, text

OUR_CLIENT_INFO = b'{"name":"only1mcp","title":"Only1MCP","version":"0.1.0"}'
NO_CAPABILITIES = Capabilities()


class Dialect(Protocol):
    """How to speak to one server."""

    @property
    def era(self) -> Era: ...

    def request(
        self,
        id: int,
        method: str,
        params: Members,
        meta: Members,
        capabilities: Capabilities = NO_CAPABILITIES,
        log_level: str | None = None,
    ) -> tuple[bytes, Mapping[str, str]]:
        """A request as bytes, and its header fields: one and the same mapping for all requests that have the same.
        `meta` is the `_meta` to send, without the keys this dialect adds itself; `params` any other members. `params`
        is used up."""

    def headers_for(self, method: str, name: Json | None) -> Mapping[str, str]:
        """The header fields of a request that names this."""

    def notification(self, method: str, params: bytes) -> tuple[bytes, Mapping[str, str]]: ...


class LegacyDialect:
    """Requests within a session; `revision` is None until `initialize` has settled it."""

    era: Era = "legacy"

    def __init__(self, revision: str | None) -> None:
        # The header came with 2025-06-18; older servers ignore it.
        self.headers = {"MCP-Protocol-Version": revision} if revision else {}

    def request(
        self,
        id: int,
        method: str,
        params: Members,
        meta: Members,
        capabilities: Capabilities = NO_CAPABILITIES,
        log_level: str | None = None,
    ) -> tuple[bytes, Mapping[str, str]]:
        if meta and not PER_REQUEST.isdisjoint(meta):
            meta = {key: value for key, value in meta.items() if key not in PER_REQUEST}
        if meta:
            params["_meta"] = join(meta)
        else:
            params.pop("_meta", None)
        return envelope.request(b"%d" % id, method, join(params) if params else b""), self.headers

    def headers_for(self, method: str, name: Json | None) -> Mapping[str, str]:
        return self.headers

    def notification(self, method: str, params: bytes) -> tuple[bytes, Mapping[str, str]]:
        return envelope.notification(method, params), self.headers


class ModernDialect:
    """Requests that stand alone."""

    era: Era = "modern"

    def __init__(self, revision: str = LATEST_MODERN) -> None:
        self._version = quoted(revision)
        self._headers = lru_cache(1024)(partial(_fields, revision))

    def request(
        self,
        id: int,
        method: str,
        params: Members,
        meta: Members,
        capabilities: Capabilities = NO_CAPABILITIES,
        log_level: str | None = None,
    ) -> tuple[bytes, Mapping[str, str]]:
        meta = {**meta, VERSION: self._version, CAPABILITIES: capabilities.raw}
        meta.setdefault(CLIENT_INFO, OUR_CLIENT_INFO)
        if log_level is not None:
            meta[LOG_LEVEL] = quoted(log_level)
        params["_meta"] = join(meta)
        name = params.get(modern.NAME_PARAM.get(method, ""))
        return envelope.request(b"%d" % id, method, join(params)), self._headers(method, name)

    def headers_for(self, method: str, name: Json | None) -> Mapping[str, str]:
        return self._headers(method, name)

    def notification(self, method: str, params: bytes) -> tuple[bytes, Mapping[str, str]]:
        return envelope.notification(method, params), self._headers(method, None)


def _fields(revision: str, method: str, name: Json | None) -> Mapping[str, str]:
    """What repeats the envelope for intermediaries; `name` is what the request names, as JSON."""
    fields = {"MCP-Protocol-Version": revision, "Mcp-Method": method}
    if name is not None:
        fields["Mcp-Name"] = modern.header_value(text(name) or "")
    return fields
