"""The tool `result_read`: what it is called with, and its answers as results of `tools/call`."""

from __future__ import annotations

import asyncio

import msgspec
from msgspec import Struct

from only1mcp_context.results.blocks import text_block
from only1mcp_context.results.budget import READER
from only1mcp_context.results.read import Answer, BadRequest, Wish, read
from only1mcp_context.results.store import LENGTH, Store
from only1mcp_context.results.tokens import estimate, room_for
from only1mcp_sdk import Json, Members, members

_QUICK = 64 * 1024
"""Bytes up to which a text is read in no time."""
_AT_ONCE = 2
"""Large texts read in threads at the same time."""
_NOTE = 40
"""Tokens for what is said about an answer."""

DESCRIPTION = (
    "Reads what was cut from an earlier result, or other parts of it. Give the handle from the note in that "
    "result, and a range, grep or path; each answer says how to go on."
)
INPUT_SCHEMA = {
    "type": "object",
    "properties": {
        "handle": {"type": "string", "description": "As given in the note of the cut result"},
        "range": {
            "type": "string",
            "description": 'Counted from 1: "lines 1-100", "items 20-", "bytes -2000" (the last 2000)',
        },
        "grep": {
            "type": "string",
            "description": "Words to find in lines: | for alternatives, .* for anything, ^ and $; no other regex",
        },
        "path": {
            "type": "string",
            "description": "JMESPath for JSON, e.g. rows[?size>`9`].name; range and grep then apply to what it selects",
        },
        "context": {
            "type": "integer",
            "minimum": 0,
            "maximum": 20,
            "description": "Lines around those found; 2",
        },
    },
    "required": ["handle"],
    "additionalProperties": False,
}
DEFINITION: Members = {
    "name": members.quoted(READER),
    "description": members.quoted(DESCRIPTION),
    "inputSchema": members.encode(INPUT_SCHEMA),
    "annotations": b'{"readOnlyHint":true,"idempotentHint":true,"openWorldHint":false}',
}
"""The tool as `tools/list` shows it."""


class _Arguments(Struct, frozen=True, forbid_unknown_fields=True):
    handle: str
    range: str = ""
    grep: str = ""
    path: str = ""
    context: int = 2


class Reader:
    """Answers calls of the tool from a store, within a budget of tokens."""

    def __init__(self, store: Store, tokens: int) -> None:
        self._store = store
        self._tokens = tokens
        self._threads = asyncio.Semaphore(_AT_ONCE)

    async def answer(self, principal: str, arguments: Json) -> bytes:
        """The result of a call with these arguments. What is wrong with them is said in a result, too."""
        try:
            wanted = msgspec.json.decode(arguments or b"{}", type=_Arguments)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            return _failed(f"{READER}: {error}")
        text = await self._store.get(principal, wanted.handle.strip().lower()[: LENGTH + 1])
        if text is None:
            return _failed(
                f"{READER}: no result is kept under this handle: it has expired, or never was. Call the tool again."
            )
        wish = Wish(wanted.range, wanted.grep, wanted.path, wanted.context)
        try:
            if len(text) <= _QUICK:
                answer = self._read(text, wish)
            else:
                async with self._threads:
                    answer = await asyncio.to_thread(self._read, text, wish)
        except BadRequest as error:
            return _failed(f"{READER}: {error}")
        return _said(answer)

    def _read(self, text: bytes, wish: Wish) -> Answer:
        tokens = self._tokens - _NOTE
        room = room_for(tokens, text)
        answer = read(text, wish, room)
        if (size := estimate(answer.text)) > tokens:  # this piece is denser than the beginning of the text
            answer = read(text, wish, room * tokens // size)
        return answer


def _said(answer: Answer) -> bytes:
    on = f'Go on with range="{answer.next}"' if answer.next else "Nothing follows"
    content = [text_block(answer.text.decode()), text_block(f"[{answer.what}. {on}.]")]
    return members.join({"content": members.array(content)})


def _failed(why: str) -> bytes:
    return members.join({"content": members.array([text_block(why)]), "isError": b"true"})
