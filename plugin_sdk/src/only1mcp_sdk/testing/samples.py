"""Inputs of all sorts that several checks share. Only data."""

from __future__ import annotations

from only1mcp_sdk.messages import Failure, InputRequired, Outcome, Question, Result

OUTCOMES: tuple[Outcome, ...] = (
    Result(b'{"content":[{"type":"text","text":"hello"}]}', "legacy"),
    Result(b'{"resultType":"complete","content":[],"isError":true,"x-unknown":[1,2.0]}', "modern"),
    Result(b"{}", "legacy"),
    Result(b'{"text":"\\u0000 \xc3\xbc \\ud800"}', "legacy"),
    Failure.of(-32602, "Unknown tool: nothing"),
    Failure(429, "", b'{"code":429,"message":"","x-unknown":{"deep":[null]}}'),
    InputRequired({"1": Question("roots/list")}),
    InputRequired({"a": Question("elicitation/create", b'{"message":"?"}')}, state="opaque", raw=b"{}"),
)
"""What may come of an exchange."""

NAMES = (
    "search",
    "files_read",
    "a" * 300,
    "schön",
    "two words",
    "line\nbreak",
    "\x1b[31mred",
    "\u202egnp",
    "-",
    '"',
)
"""Names as servers and clients may send them."""
