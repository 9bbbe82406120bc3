"""What this distribution offers. Each is a file of its own, imported when a configuration names it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from pydantic import Field

from only1mcp_sdk import Context, Filter, Offer, PluginConfig, hookimpl, offer


class AccessLogConfig(PluginConfig):
    """One line for each exchange. Never says what the arguments or the answer were."""

    format: Literal["text", "json"] = Field(
        "text",
        description="`text`: fields separated by spaces, with - for an empty one. `json`: an object on each line.",
    )
    file: str | None = Field(
        None,
        min_length=1,
        description="The file to append to; a relative path starts at the configuration file. It is reopened each "
        "time, so that it may be moved away. Without it, lines go to the gateway's own log, to `only1mcp.access`.",
    )


@asynccontextmanager
async def open_access_log(config: AccessLogConfig, context: Context) -> AsyncIterator[Filter]:
    from only1mcp_observability.access_log import AccessLog
    from only1mcp_observability.lines import FileLines, LoggerLines, as_json, as_text

    lines = LoggerLines() if config.file is None else FileLines(context.base_dir / config.file)
    log = AccessLog(context.clock, as_json if config.format == "json" else as_text, lines, context.logger)
    context.spawn(log.write_regularly(), name="access log")
    try:
        yield log
    finally:
        await log.close()


@hookimpl
def only1mcp_register_filter() -> list[Offer[Filter]]:
    return [offer("access_log", AccessLogConfig, open_access_log)]
