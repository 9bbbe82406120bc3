"""Which configuration a command is about."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

ConfigOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "-c",
        "--config",
        metavar="FILE",
        help="The configuration file. Without it: only1mcp.yaml here, then in the user's configuration directory.",
    ),
]


def find(option: Path | None) -> Path:
    """The configuration file, absolute. Raises `ConfigError` when there is none."""
    from only1mcp_kernel.config.locate import locate
    from only1mcp_kernel.config.problems import ConfigError, Problem

    found = locate(option)
    if option is None and not found.exists():
        message = "there is no configuration file here or in your configuration directory"
        raise ConfigError(
            [Problem("only1mcp.yaml", 0, 0, "", message, "name one with -c, or `only1mcp config init`")]
        )
    return found
