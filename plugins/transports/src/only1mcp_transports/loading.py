"""aiohttp is imported when something needs it, and most gateways never do: it takes 12 MiB."""

from __future__ import annotations

import asyncio
import importlib


async def load_aiohttp() -> None:
    """Import it without holding up the event loop. Raises what importing it raises."""
    await asyncio.to_thread(importlib.import_module, "aiohttp")
