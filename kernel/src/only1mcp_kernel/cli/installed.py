"""Commands that other distributions bring: entry points of the group `only1mcp.commands`, listed from metadata and
imported when invoked.

An entry point names a function that takes the rest of the command line as a list of strings and returns an exit code
or None. Our own commands come first: a name of theirs can't be taken.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperCommand

GROUP = "only1mcp.commands"


def add_commands(app: typer.Typer) -> None:
    """Add what is installed to the program."""
    taken = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    taken |= {group.name for group in app.registered_groups if isinstance(group.name, str)}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        if point.name in taken:
            continue
        taken.add(point.name)
        app.command(
            point.name,
            cls=_Verbatim,
            help=f"From {point.dist.name if point.dist else point.value}",
            add_help_option=False,
        )(_runner(point))


class _Verbatim(TyperCommand):
    """Everything after the command's name is its own to read, `--` and `--help` included."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        super().parse_args(ctx, [])
        ctx.args = list(args)
        return []


def _runner(point: EntryPoint) -> Callable[[typer.Context], None]:
    def run(context: typer.Context) -> None:
        try:
            command = point.load()
        except Exception as error:
            print(f"the command {point.name} ({point.value}) can't be loaded: {error!r}", file=sys.stderr)
            raise typer.Exit(1) from None
        raise typer.Exit(command(list(context.args)) or 0)

    return run
