"""From `package.module:name` to something that serves. Imports happen here, and nowhere else in this package.

What serves takes two functions: `receive()` gives the next message, empty bytes when there will be none, and
`send(message)` takes one. Servers of the Python SDK (`mcp`, both generations) are served by the SDK's own stdio
transport, over those two functions instead of files; the SDK is imported only when an object is one of its servers.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import inspect
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

Receive: TypeAlias = Callable[[], Awaitable[bytes]]
Send: TypeAlias = Callable[[bytes], Awaitable[None]]
Serve: TypeAlias = Callable[[Receive, Send], Awaitable[None]]

_INNER = ("_lowlevel_server", "_mcp_server")
"""Where the SDK's high-level servers (2: `MCPServer`, 1: `FastMCP`) keep the one that speaks the protocol."""
_path_changes = threading.Lock()


class LoadFailed(Exception):
    """Says in words why there is no such server."""


def begin(name: str, python_path: Sequence[Path]) -> asyncio.Future[Any]:
    """Start to `load`, in a thread, because imports take their time and the event loop has none. One that never ends,
    of a module that serves while it is imported say, holds nobody up: not even the end of the process."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def settle(found: Any, failed: Exception | None) -> None:
        if future.done():
            return
        if failed is not None:
            future.set_exception(failed)
            future.exception()  # seen, though everybody may have left
        else:
            future.set_result(found)

    def run() -> None:
        found, failed = None, None
        try:
            found = load(name, python_path)
        except LoadFailed as error:
            failed = error
        with contextlib.suppress(RuntimeError):  # the loop is gone
            loop.call_soon_threadsafe(settle, found, failed)

    threading.Thread(target=run, name=f"import of {name}", daemon=True).start()
    return future


def load(name: str, python_path: Sequence[Path]) -> Any:
    """The object of that name. Blocks for as long as its imports take; any thread will do. Raises `LoadFailed`."""
    with _path_changes:
        sys.path += [str(each) for each in python_path if str(each) not in sys.path]
    module, _, attributes = name.partition(":")
    importlib.invalidate_caches()  # it may have been put there just now
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        where = "install it into the gateway's environment, or add its directory to python_path"
        raise LoadFailed(f"there is no module {error.name!r}: {where}") from None
    except (Exception, SystemExit) as error:
        raise LoadFailed(f"importing {module} failed: {said(error)}") from error
    for attribute in attributes.split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError as error:
            raise LoadFailed(said(error)) from None
    return found


async def made(found: Any, arguments: Mapping[str, Any] | None) -> Any:
    """What the object makes when called with these; itself when there are none. Raises `LoadFailed`."""
    if arguments is None:
        return found
    if not callable(found):
        raise LoadFailed(f"an object of type {type(found).__name__} can't be called; remove `arguments`")
    try:
        result = found(**arguments)
        return await result if inspect.isawaitable(result) else result
    except (Exception, SystemExit) as error:
        raise LoadFailed(f"calling it with its arguments failed: {said(error)}") from error


def serving(found: Any) -> Serve:
    """How the object serves. Raises `LoadFailed` when it does not."""
    inner = next((getattr(found, name) for name in _INNER if hasattr(found, name)), found)
    if callable(getattr(inner, "run", None)) and callable(
        getattr(inner, "create_initialization_options", None)
    ):
        try:
            transport = importlib.import_module("mcp.server.stdio").stdio_server
        except (ImportError, AttributeError) as error:
            raise LoadFailed(f"it looks like a server of the MCP SDK, but {said(error)}") from None
        return functools.partial(_serve_sdk, inner, transport)
    if not callable(found):
        raise LoadFailed(
            f"an object of type {type(found).__name__} is neither a server of the MCP SDK nor an async function"
        )
    try:
        inspect.signature(found).bind(None, None)
    except TypeError:
        hint = "if it makes a server, give `arguments` (which may be {})"
        raise LoadFailed(f"it can't be called with (receive, send); {hint}") from None
    except ValueError:  # it does not tell what it takes
        pass
    serve: Serve = found
    return serve


def said(error: BaseException) -> str:
    """An exception in one line; of a group, the first that is no group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class _Lines:
    """Messages for the SDK's transport, which reads them from a file by lines."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive

    async def __aiter__(self) -> AsyncIterator[str]:
        while message := await self._receive():
            yield message.decode(errors="replace")


class _File:
    """What the SDK's transport writes to: a message and a line feed at a time."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def write(self, line: str) -> None:
        await self._send(line.rstrip("\n").encode(errors="replace"))

    async def flush(self) -> None:
        """Nothing is held back."""


async def _serve_sdk(server: Any, transport: Any, receive: Receive, send: Send) -> None:
    async with transport(stdin=_Lines(receive), stdout=_File(send)) as (read, write):
        await server.run(read, write, server.create_initialization_options())
