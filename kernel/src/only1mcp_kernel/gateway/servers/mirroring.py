"""The `Mcp-Param-*` header fields of calls to modern servers over HTTP.

They follow from what the server lists and from the arguments as they go out, whichever era the client is of and
whatever filters changed. A server that refuses them is listed again, once per call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from only1mcp_kernel.gateway.servers.listings import Listings
from only1mcp_kernel.protocol import param_headers
from only1mcp_sdk import Members


class Mirror:
    """Those of one call. `sent` is what the client sent of them (names in lower case): what nobody here knows is passed
    on, as the specification asks of whoever stands on the way."""

    def __init__(self, listings: Listings, tool: str, sent: Mapping[str, str]) -> None:
        self._listings = listings
        self._tool = tool
        self._sent = sent
        self._renewed = False

    def beside(self, headers: Mapping[str, str], params: Members) -> Mapping[str, str]:
        """The header fields of the request with these params, and what repeats its arguments."""
        plan = self._listings.plans.get(self._tool, ())
        if not plan and not self._sent:
            return headers
        known = {each.name.lower() for each in plan}
        passed = {name: value for name, value in self._sent.items() if name not in known}
        return {**headers, **passed, **param_headers.write(plan, params.get("arguments"))}

    def renew(self, send: Callable[[], None]) -> bool:
        """The server refused the fields: list it again, then `send`. False when that was done before."""
        if self._renewed:
            return False
        self._renewed, self._sent = True, {}
        self._listings.again(send)
        return True
