"""Options of the stdio transport."""

from __future__ import annotations

from pydantic import Field

from only1mcp_sdk import PluginConfig


class ConnectorConfig(PluginConfig):
    """A server that is a child process."""

    command: str = Field(
        min_length=1, description="The program: a path, or a name found on PATH. No shell is involved."
    )
    args: list[str] = Field(default=[], description="Its arguments.")
    env: dict[str, str] = Field(default={}, description="Variables to set in its environment.")
    pass_env: list[str] = Field(
        default=[], description="Globs of further variables to pass on from the gateway's own environment."
    )
    cwd: str | None = Field(
        default=None,
        description="Its working directory, relative to the configuration file. Default: the gateway's.",
    )
    stop_timeout: float = Field(
        default=5.0,
        gt=0,
        description="Seconds it gets to end by itself after its input is closed, and again after SIGTERM.",
    )
    max_line_bytes: int = Field(
        default=64 << 20, gt=0, description="The longest message taken from it, in bytes."
    )


class ListenerConfig(PluginConfig):
    """One client, on this process's standard input and output."""
