"""Request states of modern servers that must find their way back to the replica that made them.

With one endpoint a server's state passes bytewise. With several it travels inside one of ours, together with the
endpoint; so does a state that could be taken for ours (a server that is an Only1MCP itself).
"""

from __future__ import annotations

from only1mcp_kernel.wire.seal import PREFIX, BadSeal, KeyRing
from only1mcp_sdk import Exchange, InputRequired
from only1mcp_sdk.members import join, quoted, split

_PURPOSE = "pin"


class Pins:
    """Seals and opens pinned states."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def pinned(self, exchange: Exchange, endpoint: str, replicas: int, asked: InputRequired) -> InputRequired:
        """With the state pinned to the endpoint it comes from, where it has to be."""
        if not asked.raw or asked.state is None or (replicas == 1 and not asked.state.startswith(PREFIX)):
            return asked
        content = [exchange.server, endpoint, asked.state]
        state = self._keys.seal(_PURPOSE, exchange.caller.principal.id, content)
        return InputRequired(
            asked.questions, state, join({**split(asked.raw), "requestState": quoted(state)})
        )

    def unpin(self, exchange: Exchange) -> str | None:
        """The endpoint a retry must go to; its state is put back as the server gave it. None for a state that is not
        a pin of this server and principal."""
        try:
            server, endpoint, state = self._keys.open(
                _PURPOSE, exchange.caller.principal.id, exchange.state or ""
            )
        except (BadSeal, ValueError):
            return None
        if server != exchange.server:
            return None
        exchange.state = state
        exchange.params = {**(exchange.params or {}), "requestState": quoted(state)}
        return endpoint
