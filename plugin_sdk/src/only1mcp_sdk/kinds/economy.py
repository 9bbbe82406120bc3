"""Kind `economy`: what of a profile's tools a model sees, and how much of their results."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from msgspec import Struct

from only1mcp_sdk.kinds.transform import Entry
from only1mcp_sdk.messages import Caller, Done, Exchange, Outcome

After: TypeAlias = Callable[[Exchange, Outcome], Outcome]
"""Called with the outcome of a call, after everything else. Returns it, or another in its place."""


class Vendor(Struct, frozen=True):
    """A server, as far as whoever shows its tools has to know it."""

    name: str
    title: str = ""
    instructions: str = ""
    """What it says about itself, in its own words: hostile until checked."""
    trusted: bool = False
    """The operator believes what it says about its tools (`servers.<name>.trusted`)."""


class Toolbox(Struct, frozen=True):
    """All tools a view shows natively, in their order, and the servers they come from, by name."""

    tools: Sequence[Entry]
    vendors: Mapping[str, Vendor]
    taken: Container[str]
    """Every name by which any caller of the profile may call a tool."""


class View(Protocol):
    """What callers of one variant see of one toolbox. Nothing of it awaits or blocks."""

    @property
    def tools(self) -> Sequence[Entry]:
        """The tools to list, in their order. Those of the toolbox keep the name they are shown by. One whose `server`
        is empty is the view's own; its name must not be `taken`."""

    @property
    def own(self) -> Container[str]:
        """The names of its own tools."""

    def listed(self, caller: Caller) -> None:
        """The list was sent to this caller."""

    def before(self, exchange: Exchange) -> Outcome | After | None:
        """Called with each `tools/call`, before anything else sees it. A call of an own tool that stands for another is
        made that other call here: change `name` and `params`, and filters, policies and the server see what is really
        called. An outcome ends the exchange; a function is called in place of `after`."""

    def serve(self, exchange: Exchange, done: Done) -> None:
        """Called with a call of one of its own tools, after everything that stands around a call. Answer it with
        `done`, now or later."""

    def after(self, exchange: Exchange, outcome: Outcome) -> Outcome:
        """Called with the outcome of each `tools/call`, after everything else. Return it, or another in its place."""


class Economy(Protocol):
    """Shows a profile's tools so that they cost a model less. What is hidden stays callable, under everything that is
    configured for it.

    What a caller sees may depend on the configuration, the tools, and the caller: era, capabilities, client, and what
    the URL asks for (`caller.context`); never on the connection, or on what was asked before.
    """

    @property
    def reads_results(self) -> bool:
        """Whether `after` looks at the bytes of results. Otherwise large ones go to the client while they arrive."""

    def variant(self, caller: Caller) -> str:
        """Which of its views this caller gets: quick, called for each request. Raises `ValueError` with what to do
        instead where `caller.context` asks for one that there is not."""

    def view(self, variant: str, toolbox: Toolbox) -> View:
        """Make a view. Called when something in the toolbox has changed; may take milliseconds. Must be a function of
        its arguments and the configuration alone, so that lists are the same after a restart."""

    def compare(self, toolbox: Toolbox) -> Mapping[str, Any]:
        """What its variants would cost a model for these tools, as JSON values, for people to choose by. May take
        seconds: not called on the event loop's thread."""

    def figures(self) -> Mapping[str, Any]:
        """What it has spared so far, as JSON values."""
