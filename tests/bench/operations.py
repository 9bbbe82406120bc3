"""What is asked of the targets, as whole HTTP requests with places for what is fresh in each, and as one to check."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from tests.bench.client import Client, headers_of, modern_meta
from tests.bench.targets import TOOLS, Target

VARIANTS = 16
TEXT = "The quick brown fox jumps over the lazy dog. " * 21  # with its envelope about 1 KiB
BIG = 900_000
"""Characters that `big` has at least; escaped they are 1 MiB."""


@dataclass(frozen=True)
class Operation:
    """What is asked, and in which era. `tool` is the upstream's name for it; `wrapper` is the gateway's own tool that
    calls it, if one does."""

    method: str
    era: Literal["legacy", "modern"] = "legacy"
    tool: str = ""
    arguments: dict[str, str] = field(default_factory=dict)
    wrapper: str = ""

    def called(self, target: Target) -> str:
        """The name of the tool in the request."""
        return self.wrapper or target.shown(self.tool)

    def params(self, target: Target) -> dict[str, Any]:
        called: dict[str, Any] = (
            {"name": target.shown(self.tool), "arguments": self.arguments} if self.tool else {}
        )
        if self.wrapper:
            called = {"name": self.wrapper, "arguments": called}
        trace = {"traceparent": f"00-{secrets.token_hex(12)}@@-{secrets.token_hex(4)}@@-01"}
        return {"_meta": {**trace, **(modern_meta() if self.era == "modern" else {})}, **called}


CALL = Operation("tools/call", "legacy", "echo", {"text": TEXT})
MODERN_CALL = Operation("tools/call", "modern", "echo", {"text": TEXT})
WRAPPED_CALL = Operation("tools/call", "legacy", "echo", {"text": TEXT}, "tool_call")
LIST = Operation("tools/list")
BIG_ID_FIRST = Operation("tools/call", "legacy", "big", {"order": "id"})
BIG_RESULT_FIRST = Operation("tools/call", "legacy", "big", {"order": "result"})


def opened(target: Target, operation: Operation, count: int) -> tuple[list[str], int]:
    """Sessions to load, and how many bytes an answer has. A modern client has no session."""
    sessions = []
    for _ in range(count if operation.era == "legacy" else 1):
        client = Client(target.url, operation.era)
        client.greet()
        sessions.append(client.session)
        client.close()
    return sessions, checked(target, operation, sessions[0])


def checked(target: Target, operation: Operation, session: str) -> int:
    """Whether one answer is right, and its size. Raises `RuntimeError` when it is not."""
    client = Client(target.url, operation.era)
    client.session = session
    asked = {name: value for name, value in operation.params(target).items() if name != "_meta"}
    result = client.ask(operation.method, asked)
    client.close()
    if operation.method == "tools/list":
        if len(result["tools"]) < TOOLS:
            raise RuntimeError(f"{target.name} lists {len(result['tools'])} tools")
    elif operation.tool == "echo":
        if result["content"][0]["text"] != TEXT:
            raise RuntimeError(f"{target.name} changed the answer")
    elif len(result["content"][0]["text"]) < BIG:
        raise RuntimeError(f"{target.name} shortened the answer")
    return client.size


def requests(target: Target, operation: Operation, sessions: list[str]) -> bytes:
    """The file that `load.lua` and `pace.c` read."""
    return b"\0".join(
        _request(target, operation, session, variant) for variant in range(VARIANTS) for session in sessions
    )


def _request(target: Target, operation: Operation, session: str, variant: int) -> bytes:
    """A whole HTTP request, a byte 1 in place of the nine digits of its id, bytes 2 in place of eight digits of its
    trace. Variants differ in length, so that no two requests in a row look alike."""
    parts = urlsplit(target.url)
    message = {"jsonrpc": "2.0", "id": "@", "method": operation.method, "params": operation.params(target)}
    text = json.dumps(message, separators=(",", ":"))
    body = text.replace('"@"', " " * variant + "\1", 1).replace("@@", "\2", 2)
    fields = {
        "Host": parts.netloc,
        **headers_of(operation.era, session, operation.method, operation.called(target)),
        "Content-Length": str(len(body) - 3 + 9 + 2 * 8),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {parts.path} HTTP/1.1\r\n{head}\r\n{body}".encode()
