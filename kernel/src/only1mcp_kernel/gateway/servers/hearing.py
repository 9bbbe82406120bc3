"""Who hears what servers say unasked, as servers see them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from only1mcp_kernel.gateway.servers.link import Link
from only1mcp_kernel.wire.envelope import Envelope
from only1mcp_sdk import EntryKind, Members, Question

if TYPE_CHECKING:
    from only1mcp_kernel.gateway.servers.server import Server


class Audience(Protocol):
    """The sessions and streams of the process."""

    def catalogue_changed(self, server: Server, kinds: Iterable[EntryKind]) -> None: ...

    def logged(self, link: Link, message: Envelope, params: Members) -> None: ...

    def told(self, link: Link, message: Envelope) -> None:
        """Something else, known or not, outside of any request."""

    def resource_updated(self, server: Server, link: Link, uri: str, params: Members) -> None: ...

    def tell(self, session: str, message: bytes) -> None:
        """A message for one legacy session, on whichever of its streams reaches it."""

    def listened(self, name: str, method: str, params: Members) -> None:
        """A notification for one listen stream."""

    def ask(
        self, session: str, question: Question, answer: Callable[[bytes, bytes], None]
    ) -> Callable[[], None] | None:
        """Put a question to a legacy session outside of any call; None when it can't be asked. `answer` is called
        with a result or an error object, unless what is returned was called first: it withdraws the question."""
