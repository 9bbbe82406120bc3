"""A blocking client that opens sessions and looks at answers before and after the load; wrk looks at none."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

META = "io.modelcontextprotocol/"
MODERN = "2026-07-28"
LEGACY = "2025-11-25"
INFO = {"name": "bench", "version": "1"}
JSON_HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


def modern_meta() -> dict[str, Any]:
    return {META + "protocolVersion": MODERN, META + "clientCapabilities": {}, META + "clientInfo": INFO}


def headers_of(era: str, session: str, method: str, name: str = "") -> dict[str, str]:
    """The header fields of a request in this era."""
    if era == "modern":
        named = {"Mcp-Name": name} if name else {}
        return {**JSON_HEADERS, "MCP-Protocol-Version": MODERN, "Mcp-Method": method, **named}
    if session:
        return {**JSON_HEADERS, "MCP-Protocol-Version": LEGACY, "Mcp-Session-Id": session}
    return JSON_HEADERS


class Client:
    """One connection. Raises `OSError` while nobody listens, and `RuntimeError` for any answer but a result."""

    def __init__(self, url: str, era: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self.path = parts.path
        self.era = era
        self.session = ""
        self.size = 0
        """Bytes of the last answer's body."""
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)

    def close(self) -> None:
        self._connection.close()

    def greet(self) -> Any:
        if self.era == "modern":
            return self.ask("server/discover")
        hello = self.ask("initialize", {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": INFO})
        self._post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return hello

    def ask(self, method: str, params: dict[str, Any] | None = None) -> Any:
        params = dict(params or {})
        if self.era == "modern":
            params["_meta"] = modern_meta()
        answer = self._post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        if "result" not in answer:
            raise RuntimeError(f"{method}: {answer}")
        return answer["result"]

    def _post(self, message: dict[str, Any]) -> Any:
        method = message["method"]
        headers = headers_of(self.era, self.session, method, message.get("params", {}).get("name", ""))
        self._connection.request("POST", self.path, json.dumps(message), headers)
        response = self._connection.getresponse()
        body = response.read()
        self.size = len(body)
        if response.status >= 300:
            raise RuntimeError(f"{method}: HTTP {response.status} {body[:300]!r}")
        if method == "initialize":
            self.session = response.headers.get("Mcp-Session-Id", "")
        if not body:
            return {}
        if response.headers.get_content_type() == "text/event-stream":
            events = [
                line[5:]
                for line in body.decode().splitlines()
                if line.startswith("data:") and line[5:].strip()
            ]
            return json.loads(events[-1])
        return json.loads(body)
