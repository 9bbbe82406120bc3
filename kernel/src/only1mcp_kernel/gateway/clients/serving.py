"""What the gate needs of the configuration in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from only1mcp_kernel.gateway.clients.listening import Listening
from only1mcp_kernel.gateway.clients.sessions import Session
from only1mcp_kernel.gateway.clients.sinks import Outlet
from only1mcp_kernel.wire.envelope import Envelope
from only1mcp_sdk import Authenticator, Caller, Handler, Json, Members


class Serving(Protocol):
    """Asked anew for every message, since a reload may come between any two."""

    @property
    def authenticators(self) -> tuple[Authenticator, ...]: ...

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The pipeline of each profile there is."""

    def initialize_result(self, profile: str, revision: str) -> bytes: ...

    def notified(self, session: Session, message: Envelope, params: Members) -> None:
        """A session says something that servers may have to hear of."""

    def header_problem(
        self, caller: Caller, name: str, params: Members, repeated: Mapping[str, str]
    ) -> str | None:
        """What is wrong with the `Mcp-Param-*` header fields (names in lower case) of a call of this tool, if
        anything."""

    def context_problem(self, caller: Caller) -> str:
        """What is wrong with `caller.context`; empty where nothing is."""

    def listen(
        self, caller: Caller, id: Json, params: Members, sink: Outlet, on_end: Callable[[], None]
    ) -> Listening: ...
