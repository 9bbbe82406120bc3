"""Whose visits to URLs a legacy server waits for: the session that was asked hears when one is complete, and nobody
else (specification 2025-11-25, client/elicitation)."""

from __future__ import annotations

from only1mcp_kernel.protocol.revisions import URL_ELICITATION_REQUIRED
from only1mcp_sdk import Failure, Json, Question
from only1mcp_sdk.members import items, split

MAX_VISITS = 1000
"""Remembered per link; the oldest are forgotten first."""


class Visits:
    """Those of one link."""

    def __init__(self) -> None:
        self._sessions: dict[Json, str] = {}

    def asked(self, question: Question, session: str) -> None:
        """A server's question is put to a session."""
        if question.method == "elicitation/create" and b"elicitationId" in question.params:
            self._note(question.params, session)

    def required(self, failure: Failure, session: str) -> None:
        """A server refuses a session's request until URLs were visited."""
        if failure.code != URL_ELICITATION_REQUIRED:
            return
        try:
            visits = items(split(split(failure.raw)["data"])["elicitations"])
        except (KeyError, ValueError):
            return
        for visit in visits:
            self._note(visit, session)

    def _note(self, params: Json, session: str) -> None:
        try:
            id = split(params).get("elicitationId")
        except ValueError:
            return
        if id is not None and session:
            self._sessions[id] = session
            while len(self._sessions) > MAX_VISITS:
                self._sessions.pop(next(iter(self._sessions)))

    def complete(self, id: Json | None) -> str | None:
        """The session to tell that this visit is complete, if any; once."""
        return self._sessions.pop(id, None) if id is not None else None
