"""The control socket: how this user's other processes talk to a running gateway.

Line-delimited JSON. A line asks, one line answers, in order; a bad line is answered with an error and changes nothing.

    {"command": "status"}                          {"ok": true, ...}
    {"command": "reload"}                          {"ok": true, ...} or {"ok": false, "error": "...", "kind": "..."}
    {"command": "stop"}                            {"ok": true, "pid": 4711}; the connection ends with the gateway
    {"command": "connect", "profile": "default"}   {"ok": true}; from then on both sides speak MCP, a message a line

Who may connect is decided by the file system: the socket is mode 0600 in a directory that is this user's alone.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from only1mcp_kernel.daemon.home import CantCreate, Home
from only1mcp_kernel.daemon.lines import Lines, TooLong, frame
from only1mcp_kernel.tasks import Tasks
from only1mcp_sdk import Arrival, Channel, Gate, Only1McpError

COMMAND_BYTES = 64 * 1024
"""The longest command."""
UNREAD_BYTES = 64 * 1024 * 1024
"""A client that leaves more than this unread is disconnected."""
_CHUNK = 64 * 1024
_log = logging.getLogger("only1mcp.control")

Answer = dict[str, Any]


class BadCommand(Only1McpError):
    """A command that is none, or can't be carried out now."""


class Controlled(Protocol):
    """What the control socket acts on. Errors that mean something to the user are `Only1McpError`."""

    @property
    def gate(self) -> Gate | None:
        """The way in; None while nothing is served."""

    def status(self) -> Answer: ...

    async def reload(self) -> Answer: ...

    async def compare(self) -> Answer:
        """What the tools of each profile cost a model, in every way they can be shown."""

    def stop(self) -> Answer:
        """Begin to stop. Returns at once."""


class Control:
    """Serves the control socket of one home from `open` to `close`."""

    def __init__(self, home: Home, controlled: Controlled) -> None:
        self._path = home.socket
        self._controlled = controlled
        self._tasks = Tasks(_log)
        self._server: asyncio.Server | None = None
        self._commands: Mapping[str, Callable[[], Awaitable[Answer]]] = {
            "status": self._status,
            "reload": controlled.reload,
            "compare": controlled.compare,
            "stop": self._stop,
        }

    async def open(self) -> None:
        """Start serving. The home's lock must be held: a socket file that is there already is a dead process's.

        Raises `CantCreate`.
        """
        listening = socket.socket(socket.AF_UNIX)
        try:
            self._path.unlink(missing_ok=True)
            listening.bind(os.fspath(self._path))
            self._path.chmod(0o600)
            self._server = await asyncio.start_unix_server(self._accept, sock=listening)
        except OSError as error:
            listening.close()
            reason = error.strerror or str(error)
            raise CantCreate(f"can't open the control socket {self._path}: {reason}") from None

    def leave(self) -> None:
        """Take no more connections in, and remove the socket file. Those that are open stay."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._path.unlink(missing_ok=True)

    async def close(self) -> None:
        """End every connection. Idempotent."""
        self.leave()
        await self._tasks.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.spawn(self._serve(reader, writer), "control connection")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = Lines(COMMAND_BYTES)
        try:
            while (line := await _next_line(reader, lines)) is not None:
                try:
                    request = _read(line)
                    if request["command"] == "connect":
                        await self._talk(request, reader, writer, lines)
                        return
                    answer = {"ok": True, **await self._run(request["command"])}
                except Only1McpError as error:
                    answer = _refusal(error)
                writer.write(_encode(answer))
                await writer.drain()
        except TooLong:
            writer.write(_encode(_refusal(BadCommand(f"a command is at most {COMMAND_BYTES} bytes long"))))
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _run(self, name: str) -> Answer:
        run = self._commands.get(name)
        if run is None:
            raise BadCommand(f"no such command; known are {', '.join(self._commands)}, connect")
        try:
            return await run()
        except Only1McpError:
            raise
        except Exception:
            _log.exception("the command %s failed", name)
            raise BadCommand(f"internal error in {name}; the gateway's log tells more") from None

    async def _status(self) -> Answer:
        return self._controlled.status()

    async def _stop(self) -> Answer:
        return self._controlled.stop()

    async def _talk(
        self,
        request: Mapping[str, Any],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        lines: Lines,
    ) -> None:
        """Carry MCP messages until the client has gone. Raises `Only1McpError` before the first when there is nothing
        to talk to."""
        profile, gate = request.get("profile", "default"), self._controlled.gate
        if gate is None:
            raise BadCommand("the gateway does not serve yet, or no more")
        if not isinstance(profile, str) or not gate.has_profile(profile):
            raise BadCommand("there is no such profile")
        channel: Channel = _LineChannel(writer)
        conversation = gate.connect(Arrival(transport="control", profile=profile, local=True), channel)
        try:
            writer.write(_encode({"ok": True}))
            lines.limit = gate.message_limit
            while (line := await _next_line(reader, lines)) is not None:
                conversation.received(line)
        except TooLong:
            channel.send(gate.too_large())
        finally:
            conversation.disconnected()


class _LineChannel:
    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def send(self, message: bytes) -> None:
        transport = self._writer.transport
        if transport.is_closing():
            return
        transport.write(frame(message))
        if transport.get_write_buffer_size() > UNREAD_BYTES:
            _log.warning("a client on the control socket does not read; disconnected")
            transport.abort()


async def _next_line(reader: asyncio.StreamReader, lines: Lines) -> bytes | None:
    """The next line, or None at the end of the stream. Raises `TooLong`."""
    while (line := lines.next()) is None:
        data = await reader.read(_CHUNK)
        if not data:
            return None
        lines.feed(data)
    return line


def _encode(answer: Answer) -> bytes:
    return json.dumps(answer).encode() + b"\n"


def _read(line: bytes) -> Mapping[str, Any]:
    """A request, with the name of its command. Raises `BadCommand`."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise BadCommand('not JSON; a command looks like {"command": "status"}') from None
    if not isinstance(request, dict) or not isinstance(request.get("command"), str):
        raise BadCommand('a command looks like {"command": "status"}')
    return request


def _refusal(error: Only1McpError) -> Answer:
    return {"ok": False, "error": str(error), "kind": type(error).__name__}
