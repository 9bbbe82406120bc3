"""How a profile's tools are shown where it says `context:`, and what that does around their calls.

The economy stands outside of everything else: filters and policies see the call of the tool that is meant, and an
economy's own tools pass them like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import TYPE_CHECKING

from only1mcp_kernel.gateway.routing.faults import fault
from only1mcp_kernel.gateway.servers.server import Server
from only1mcp_sdk import (
    After,
    Caller,
    Done,
    Economy,
    Era,
    Exchange,
    Failure,
    Handler,
    InputRequired,
    Members,
    Outcome,
    Result,
    Toolbox,
    Vendor,
    View,
)
from only1mcp_sdk.members import split, text

if TYPE_CHECKING:
    from only1mcp_kernel.gateway.routing.router import Router

MAX_VIEWS = 64
MAX_CALLERS = 1000


class Showing:
    """The views of one profile's tools. Dropped when something a server lists has changed."""

    def __init__(self, economy: Economy, toolbox: Callable[[Caller], Toolbox]) -> None:
        """`toolbox` makes what a caller would be listed natively."""
        self.economy = economy
        self._toolbox = toolbox
        self._views: dict[tuple[str, str, str], View] = {}
        self._of_callers: dict[Caller, View] = {}

    def outdate(self) -> None:
        self._views.clear()
        self._of_callers.clear()

    def problem(self, caller: Caller) -> str:
        """What is wrong with how its URL asks for tools to be shown; empty where nothing is."""
        try:
            self.economy.variant(caller)
        except ValueError as error:
            return f"?context={caller.context}: {error}"
        return ""

    def known(self, caller: Caller) -> bool:
        """Whether this caller's view is at hand."""
        return caller in self._of_callers

    def view(self, caller: Caller) -> View:
        """What this caller sees."""
        view = self._of_callers.get(caller)
        if view is None:
            variant = self.economy.variant(caller)
            key = (caller.era, caller.capabilities.group, variant)
            view = self._views.get(key)
            if view is None:
                view = self.economy.view(variant, self._toolbox(caller))
                if len(self._views) >= MAX_VIEWS:
                    self._views.clear()
                self._views[key] = view
            if len(self._of_callers) >= MAX_CALLERS:
                self._of_callers.clear()
            self._of_callers[caller] = view
        return view


def vendors(servers: Mapping[str, Server], trusted: Container[str], era: Era) -> dict[str, Vendor]:
    """What an economy has to know of servers; `trusted` are those that are believed."""
    found = {}
    for name, server in servers.items():
        _, greeting = server.listings.greeting(era)
        said = text(greeting.get("instructions")) or ""
        found[name] = Vendor(name, _title(greeting), said, name in trusted)
    return found


def shown_as_they_are(caller: Caller) -> str:
    """What is wrong with asking for anything in a profile that has no economy."""
    return f"?context={caller.context}: the profile {caller.profile!r} has no `context:` in the configuration"


def _title(greeting: Members) -> str:
    try:
        info = split(greeting.get("serverInfo", b"{}"))
    except ValueError:
        return ""
    return text(info.get("title")) or text(info.get("name")) or ""


class Economising:
    """An economy's place around the calls of a profile: `outside` of everything else, and `inside`, before routing.
    `name` is where the configuration names it."""

    def __init__(self, name: str, router: Router) -> None:
        self._name = name
        self._router = router
        assert router.views.showing is not None
        self._showing = showing = router.views.showing
        self._whole = showing.economy.reads_results

    def outside(self, inner: Handler) -> Handler:
        """`inner` with the economy around it."""

        def serve(exchange: Exchange, done: Done) -> None:
            if exchange.method != "tools/call":
                inner(exchange, done)
            elif self._showing.known(exchange.caller):
                self._serve(exchange, done, inner)
            else:
                self._router.once_listed(exchange, done, lambda: self._serve(exchange, done, inner))

        return serve

    def _serve(self, exchange: Exchange, done: Done, inner: Handler) -> None:
        found: Outcome | After | None
        try:
            view = self._showing.view(exchange.caller)
            found = view.before(exchange)
        except Exception as error:
            found = fault(self._name, error)
        if isinstance(found, Result | Failure | InputRequired):
            done(found)
            return
        after = view.after if found is None else found

        def leave(outcome: Outcome) -> None:
            if not exchange.cancelled:
                try:
                    outcome = after(exchange, outcome)
                except Exception as error:
                    outcome = fault(self._name, error)
            done(outcome)

        if self._whole:
            exchange.whole = True
        inner(exchange, leave)

    def inside(self, exchange: Exchange, done: Done) -> None:
        """Routes what is called; the economy's own tools are served by it."""
        if exchange.method == "tools/call":
            try:
                view = self._showing.view(exchange.caller)
                if exchange.name in view.own:
                    view.serve(exchange, done)
                    return
            except Exception as error:
                done(fault(self._name, error))
                return
        self._router.route(exchange, done)
