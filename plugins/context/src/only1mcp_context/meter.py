"""How many tokens would have been sent, and how many were: estimates, by profile, client and session."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from only1mcp_context.definitions.tokens import ASCII_PER_TOKEN
from only1mcp_context.modes import own
from only1mcp_sdk import Caller
from only1mcp_sdk.members import split, text

MOST_CLIENTS = 200
MOST_SESSIONS = 500


class Ledger(Struct):
    """Of one client, one session, or everybody. Tokens."""

    lists: int = 0
    definitions_native: int = 0
    """What the definitions would have been without any economy."""
    definitions_sent: int = 0
    searches: int = 0
    searches_sent: int = 0
    """Answers of searches, and descriptions."""
    results: int = 0
    results_native: int = 0
    results_sent: int = 0
    read_backs: int = 0
    read_backs_sent: int = 0

    @property
    def saved(self) -> float:
        """The part of all tokens that was not sent; below 0 where more were."""
        native = self.definitions_native + self.results_native
        sent = self.definitions_sent + self.searches_sent + self.results_sent + self.read_backs_sent
        return 1 - sent / native if native else 0.0


class Meter:
    """Of one profile."""

    def __init__(self) -> None:
        self.total = Ledger()
        self._clients: OrderedDict[str, Ledger] = OrderedDict()
        self._sessions: OrderedDict[str, Ledger] = OrderedDict()
        self._of: dict[Caller, tuple[Ledger, ...]] = {}

    def listed(self, caller: Caller, native: int, sent: int) -> None:
        """The definitions went out."""
        for ledger in self._ledgers(caller):
            ledger.lists += 1
            ledger.definitions_native += native
            ledger.definitions_sent += sent

    def told(self, caller: Caller, tool: str, size: int) -> None:
        """An own tool answered in so many bytes."""
        tokens = _tokens(size)
        for ledger in self._ledgers(caller):
            if tool.endswith(own.RESULT):
                ledger.read_backs += 1
                ledger.read_backs_sent += tokens
            else:
                ledger.searches += 1
                ledger.searches_sent += tokens

    def result(self, caller: Caller, native: int, sent: int) -> None:
        """A result of so many bytes went out in so many."""
        before, after = _tokens(native), _tokens(sent)
        for ledger in self._ledgers(caller):
            ledger.results += 1
            ledger.results_native += before
            ledger.results_sent += after

    def figures(self) -> Mapping[str, Any]:
        """As JSON values."""
        return {
            "counted": "estimate",
            "total": _shown(self.total),
            "clients": {name: _shown(ledger) for name, ledger in self._clients.items()},
            "sessions": {name: _shown(ledger) for name, ledger in self._sessions.items()},
        }

    def _ledgers(self, caller: Caller) -> tuple[Ledger, ...]:
        ledgers = self._of.get(caller)
        if ledgers is None:
            ledgers = (self.total, _kept(self._clients, client_name(caller.client_info), MOST_CLIENTS))
            if caller.session:
                ledgers = (*ledgers, _kept(self._sessions, caller.session, MOST_SESSIONS))
            if len(self._of) >= MOST_SESSIONS:
                self._of.clear()
            self._of[caller] = ledgers
        return ledgers


def client_name(info: bytes) -> str:
    """What a client calls itself; `unknown` where it does not say."""
    try:
        return (text(split(info).get("name")) if info else None) or "unknown"
    except ValueError:
        return "unknown"


def _kept(ledgers: OrderedDict[str, Ledger], name: str, most: int) -> Ledger:
    ledger = ledgers.get(name)
    if ledger is None:
        if len(ledgers) >= most:
            ledgers.popitem(last=False)
        ledger = ledgers[name] = Ledger()
    else:
        ledgers.move_to_end(name)
    return ledger


def _shown(ledger: Ledger) -> dict[str, Any]:
    return {**msgspec.structs.asdict(ledger), "saved": round(ledger.saved, 4)}


def _tokens(size: int) -> int:
    return int(size / ASCII_PER_TOKEN) + 1
