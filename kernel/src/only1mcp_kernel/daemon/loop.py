"""The event loop a gateway runs on: uvloop where it is installed, else asyncio's own."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
from collections.abc import Callable, Coroutine
from typing import Any

from only1mcp_sdk import Only1McpError

VARIABLE = "ONLY1MCP_LOOP"
"""In the environment: `uvloop` or `asyncio`, for who wants to say it."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run to the end, as `asyncio.run` does. Raises `Only1McpError` when the loop asked for is not there."""
    try:
        factory = _factory()
    except BaseException:
        main.close()
        raise
    # What a request is made of goes when it ends: the collector finds next to nothing, and need not look so often.
    gc.set_threshold(20_000, 20, 20)
    _keep_memory()
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)


def _factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in ("", "asyncio", "uvloop"):
        raise Only1McpError(f"{VARIABLE} should be asyncio or uvloop, not {wanted!r}")
    if wanted == "asyncio":
        return None
    try:
        import uvloop
    except ImportError:
        if wanted:
            raise Only1McpError(f"{VARIABLE} is uvloop, which is not installed") from None
        return None
    return uvloop.new_event_loop


def _keep_memory() -> None:
    """Have glibc reuse memory for messages of hundreds of KiB. It would give each back and get it anew, page by page,
    which takes most of the time that such a message takes."""
    if "CS_GNU_LIBC_VERSION" in os.confstr_names:
        libc = ctypes.CDLL(None)
        libc.mallopt(_MMAP_THRESHOLD, 32 << 20)
        libc.mallopt(_TRIM_THRESHOLD, 64 << 20)
