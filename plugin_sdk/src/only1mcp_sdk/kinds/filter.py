"""Kind `filter`: look at exchanges, change them, answer or refuse them."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from only1mcp_sdk.messages import Exchange, Outcome

Place: TypeAlias = Literal["gateway", "server", "endpoint"]
"""Where a filter stands: once per exchange, before routing; once per call to a server; once per attempt at a
replica."""


class Filter(Protocol):
    """Two plain calls around an exchange. Filters are compiled into one chain when a configuration is assembled;
    `before` runs in the order of the configuration and `after` in reverse. Neither may block or await.

    An exception out of either becomes an internal error for this exchange, logged with the plugin's name.

    A filter whose class says `reads_results = False` looks at no result's bytes: large ones then go to the client while
    they arrive, and `after` gets `Poured` in their place. Whatever it returns instead, the client has had its answer.
    """

    @property
    def place(self) -> Place: ...

    def before(self, exchange: Exchange) -> Outcome | None:
        """Called on the way in. None lets the exchange pass; an outcome answers it here, and it goes no further.
        The `after` of this filter is then not called; those of the filters before it are."""

    def after(self, exchange: Exchange, outcome: Outcome) -> Outcome:
        """Called on the way out with what came back. Return it, or another outcome in its place. Not called for an
        exchange that was cancelled."""
