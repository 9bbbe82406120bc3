"""Who may come in to an HTTP listener, and whereto.

One entrance per listener. Plain requests pass it in `fast.lane`, those that aiohttp has read in `reception`.
"""

from __future__ import annotations

import logging

from only1mcp_sdk import Budget, Gate
from only1mcp_transports.http.checks import Rules
from only1mcp_transports.http.config import ListenerConfig


class Entrance:
    """Of one listener."""

    gate: Gate

    def __init__(self, config: ListenerConfig, rules: Rules, buffers: Budget, log: logging.Logger) -> None:
        self.config = config
        self.rules = rules
        self.buffers = buffers
        self.log = log
