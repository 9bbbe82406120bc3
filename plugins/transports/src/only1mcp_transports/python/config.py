"""Options of the in-process connector."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, field_validator

from only1mcp_sdk import PluginConfig

_NAME = r"[^\W\d]\w*"
_OBJECT = re.compile(rf"{_NAME}(\.{_NAME})*:{_NAME}(\.{_NAME})*")


class ConnectorConfig(PluginConfig):
    """A server that runs within the gateway: an importable Python object."""

    object: str = Field(
        description="Where it is: `package.module:name`. An MCP server of the Python SDK, or an async function that is"
        " given `receive` and `send`."
    )
    arguments: dict[str, Any] | None = Field(
        default=None,
        description="Given, even if empty: the object is called with these, by name, and makes a server for each"
        " connection.",
    )
    python_path: list[str] = Field(
        default=[],
        description="Directories in which modules are looked for after those of the gateway's own environment, relative"
        " to the configuration file.",
    )
    stop_timeout: float = Field(
        default=5.0,
        gt=0,
        allow_inf_nan=False,
        description="Seconds it gets to end by itself after its messages have ended, and again after it was cancelled.",
    )

    @field_validator("object")
    @classmethod
    def _importable(cls, value: str) -> str:
        if not _OBJECT.fullmatch(value):
            raise ValueError("should look like package.module:name")
        return value
