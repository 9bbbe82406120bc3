"""The hooks a plugin module may implement, one per extension kind.

Each returns the offers of its kind. They are called once, while a configuration is being assembled, never while
serving. A module listed under the entry-point group `only1mcp.plugins` implements those it needs:

    from only1mcp_sdk import hookimpl, offer

    @hookimpl
    def only1mcp_register_balancer():
        return [offer("sticky", StickyConfig, open_sticky)]
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from only1mcp_sdk.kinds import (
    Authenticator,
    Balancer,
    Connector,
    Economy,
    Filter,
    Listener,
    Middleware,
    Secret,
    Transform,
)
from only1mcp_sdk.offer import Offer

hookspec = pluggy.HookspecMarker("only1mcp")


@hookspec
def only1mcp_register_listener() -> Iterable[Offer[Listener]]:  # type: ignore[empty-body]
    """Offer ways for clients to reach the gateway (`listen:`)."""


@hookspec
def only1mcp_register_connector() -> Iterable[Offer[Connector]]:  # type: ignore[empty-body]
    """Offer ways to reach a server (`servers:`)."""


@hookspec
def only1mcp_register_balancer() -> Iterable[Offer[Balancer]]:  # type: ignore[empty-body]
    """Offer strategies for picking a replica (`servers.<name>.balance`)."""


@hookspec
def only1mcp_register_filter() -> Iterable[Offer[Filter]]:  # type: ignore[empty-body]
    """Offer filters of exchanges (`filters:`)."""


@hookspec
def only1mcp_register_middleware() -> Iterable[Offer[Middleware]]:  # type: ignore[empty-body]
    """Offer what surrounds exchanges and has to wait for something (`middleware:`)."""


@hookspec
def only1mcp_register_transform() -> Iterable[Offer[Transform]]:  # type: ignore[empty-body]
    """Offer transforms of a catalogue (`transforms:` of a server or a profile)."""


@hookspec
def only1mcp_register_economy() -> Iterable[Offer[Economy]]:  # type: ignore[empty-body]
    """Offer ways to show a profile's tools so that they cost a model less (`profiles.<name>.context`)."""


@hookspec
def only1mcp_register_secret() -> Iterable[Offer[Secret]]:  # type: ignore[empty-body]
    """Offer resolvers of `${name:reference}`."""


@hookspec
def only1mcp_register_authenticator() -> Iterable[Offer[Authenticator]]:  # type: ignore[empty-body]
    """Offer ways to tell who is calling (`authenticate:`)."""
