"""Who wants to hear of which resource of one server, over lost links and changed configurations."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from only1mcp_kernel.gateway.servers.link import Link
from only1mcp_kernel.gateway.servers.request import ServerError
from only1mcp_kernel.gateway.servers.watching import subscribe, unsubscribe
from only1mcp_sdk import Caller, Only1McpError


class Subscriptions:
    """The subscriptions of one server. `lease` gives a caller's link, `links` all that are open."""

    def __init__(
        self,
        lease: Callable[[Caller], Awaitable[Link]],
        links: Callable[[], list[Link]],
        timeout: float,
        log: logging.Logger,
    ) -> None:
        self._lease = lease
        self._links = links
        self._timeout = timeout
        self._log = log
        self._wanted: dict[tuple[str, str], Caller] = {}
        self._beginning: dict[tuple[str, str], object] = {}
        """What is being subscribed to -> the last attempt."""

    async def subscribe(self, caller: Caller, uri: str, name: str) -> None:
        """Tell `name` of changes of a resource. Raises `ServerError`, `Only1McpError` or `TimeoutError`."""
        key = uri, name
        mine = self._beginning[key] = object()
        try:
            await self._subscribe(caller, uri, name)
        finally:
            last = self._beginning.get(key)
            if last is mine:
                del self._beginning[key]
        if last is mine:
            self._wanted[key] = caller
        elif last is None and key not in self._wanted:  # given up meanwhile
            await self.unsubscribe(uri, name)

    async def _subscribe(self, caller: Caller, uri: str, name: str) -> None:
        link = await self._lease(caller)
        link.users.add(caller.principal.id)
        await subscribe(link, uri, name, self._timeout)

    async def unsubscribe(self, uri: str, name: str) -> None:
        """Tell `name` of this one no more."""
        self._wanted.pop((uri, name), None)
        self._beginning.pop((uri, name), None)
        for link in self._links():
            await unsubscribe(link, uri, name, self._timeout)

    async def forget(self, name: str) -> None:
        """Tell `name` of nothing more."""
        uris = {uri for uri, each in (*self._wanted, *self._beginning) if each == name}
        uris.update(
            uri for link in self._links() for uri, names in link.subscriptions.items() if name in names
        )
        for uri in uris:
            self._wanted.pop((uri, name), None)
        for uri in uris:
            await self.unsubscribe(uri, name)

    def adopt(self, other: Subscriptions, alive: Callable[[str], bool]) -> None:
        """Go on with those of the server that this one replaces, as far as whoever wants them is alive; they begin with
        the next `renew`."""
        self._wanted.update({key: caller for key, caller in other._wanted.items() if alive(key[1])})

    async def renew(self) -> None:
        """Subscribe anew to what was subscribed to over links that are gone."""
        for (uri, name), caller in list(self._wanted.items()):
            if any(name in link.subscriptions.get(uri, ()) for link in self._links()):
                continue
            try:
                await self._subscribe(caller, uri, name)
            except (Only1McpError, ServerError, TimeoutError) as error:
                self._log.info("could not subscribe again to %s: %s", uri, str(error) or "too slow")
            if (uri, name) not in self._wanted:  # given up meanwhile
                await self.unsubscribe(uri, name)
