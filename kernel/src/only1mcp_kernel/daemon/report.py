"""What a gateway tells people about itself, in words; and who is told when a process starts."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

_COUNTED = {
    "tools": "tools",
    "prompts": "prompts",
    "resources": "resources",
    "resourceTemplates": "resource templates",
}
_log = logging.getLogger("only1mcp.process")

Status = Mapping[str, Any]


def serving_lines(status: Status) -> Iterator[str]:
    """Where clients find the gateway, and what to paste into them."""
    yield f"Serving {status['config']}"
    for address in status["addresses"]:
        yield f"  at {address}"
    urls = [address for address in status["addresses"] if address.startswith(("http://", "https://"))]
    if urls:
        block = {"mcpServers": {"only1mcp": {"type": "http", "url": urls[0]}}}
        yield "Add it to a client:"
        yield f"  claude mcp add --transport http only1mcp {urls[0]}"
        yield f"  {json.dumps(block)}"


def settled_lines(status: Status, complete: bool, seconds: float) -> Iterator[str]:
    """What the gateway aggregated; which servers are missing, and why."""
    servers: Mapping[str, Status] = status["servers"]
    if not servers:
        yield "No servers are configured yet: add one under `servers:` and run `only1mcp reload`"
        return
    missing = {name: server for name, server in servers.items() if server.get("state") != "up"}
    shown: Mapping[str, int] = status.get("shown", {})
    counts = [_count(shown[member], words) for member, words in _COUNTED.items() if member in shown]
    answered = len(servers) - len(missing)
    late = "" if complete else f" after {seconds:.0f} s"
    what = f": {', '.join(counts)}" if counts else ""
    yield f"{answered} of {_count(len(servers), 'servers')} answered{late}{what}"
    for name, server in missing.items():
        yield f"  {name} is missing: {_why(server)}"


def status_lines(status: Status) -> Iterator[str]:
    """All of a status."""
    yield f"{status['state']}, pid {status['pid']}, for {_duration(status['uptime'])}"
    yield f"configuration: {status['config']}"
    for address in status.get("addresses", ()):
        yield f"listening at:  {address}"
    requests = status.get("requests", {})
    if requests.get("taken"):
        refused = f", {requests['refused']} refused" if requests["refused"] else ""
        yield f"requests:      {requests['taken']}, {requests['in_flight']} in flight{refused}"
    servers: Mapping[str, Status] = status.get("servers", {})
    width = max(map(len, servers), default=0)
    for name, server in servers.items():
        counts = [_count(server[member], words) for member, words in _COUNTED.items() if server.get(member)]
        parts = [
            server.get("state"),
            "+".join(server.get("eras", ())),
            ", ".join(counts),
            _calls(server.get("calls", {})),
            server.get("problem"),
        ]
        yield f"  {name:<{width}}  {'; '.join(dict.fromkeys(part for part in parts if part))}"


def _why(server: Status) -> str:
    problem = server.get("problem")
    # While a server has not failed, its problem is no more than its state.
    return "it has not answered yet" if problem in (None, "connecting") else str(problem)


def _calls(calls: Status) -> str:
    if not calls.get("ended"):
        return ""
    bound = calls["seconds"]["most_within"]
    slow = f", 99 % within {bound * 1000:g} ms" if bound is not None else ""
    failed = f", {calls['failed']} failed" if calls["failed"] else ""
    return _count(calls["ended"], "calls") + failed + slow


def _count(number: int, plural: str) -> str:
    return f"{number} {plural.removesuffix('s') if number == 1 else plural}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


class TerminalReport:
    """Tells the person in front of the terminal. `data`, where given, gets the status at the start as one line of
    JSON."""

    def __init__(self, talk: TextIO, data: TextIO | None, settle_seconds: float) -> None:
        self._talk = talk
        self._data = data
        self._seconds = settle_seconds

    def serving(self, status: dict[str, Any]) -> None:
        self._say(self._talk, serving_lines(status))
        if self._data is not None:
            self._say(self._data, [json.dumps({"ok": True, **status})])

    def settled(self, status: dict[str, Any], complete: bool) -> None:
        self._say(self._talk, settled_lines(status, complete, self._seconds))

    def _say(self, stream: TextIO, lines: Iterator[str] | list[str]) -> None:
        # Serving goes on when nobody listens to us any more.
        with contextlib.suppress(OSError, ValueError):
            for line in lines:
                print(line, file=stream, flush=True)


class LogReport:
    """Tells the log."""

    def __init__(self, settle_seconds: float) -> None:
        self._seconds = settle_seconds

    def serving(self, status: dict[str, Any]) -> None:
        _log.info("serving %s at %s", status["config"], ", ".join(status["addresses"]) or "no address")

    def settled(self, status: dict[str, Any], complete: bool) -> None:
        summary, *missing = settled_lines(status, complete, self._seconds)
        _log.info("%s", summary)
        for line in missing:
            _log.warning("%s", line.strip())


class PipeReport(LogReport):
    """Tells the log, and the command that started this process and waits at the other end of a pipe."""

    def __init__(self, pipe: int, settle_seconds: float) -> None:
        super().__init__(settle_seconds)
        os.set_inheritable(pipe, False)
        self._pipe: int | None = pipe

    def serving(self, status: dict[str, Any]) -> None:
        super().serving(status)
        self._tell({"ok": True, **status})

    def failed(self, error: str, exit_code: int) -> None:
        """The process ends with this code. Nothing is said to somebody who was told that it serves."""
        self._tell({"ok": False, "error": error, "exit_code": exit_code})

    def _tell(self, message: dict[str, Any]) -> None:
        if self._pipe is None:
            return
        pipe, self._pipe = self._pipe, None
        try:
            with contextlib.suppress(OSError), open(pipe, "wb") as stream:
                stream.write(json.dumps(message).encode())
        except ValueError:
            _log.debug("the pipe to the starting command is no pipe")
