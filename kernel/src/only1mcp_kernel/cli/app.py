"""All commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from only1mcp_kernel.cli import configuration, info, installed, lifecycle, report, tools


def build() -> typer.Typer:
    """The program `only1mcp`."""
    app = new_group("One MCP endpoint in front of every MCP server.")
    app.callback()(_program)
    for command in (lifecycle.start, lifecycle.stop, lifecycle.reload, lifecycle.status):
        app.command()(command)
    app.command()(configuration.validate)
    app.command()(report.report)
    app.command()(lifecycle.stdio)

    config = new_group("Look at the configuration, or begin one.")
    config.command("init")(configuration.init)
    config.command("show")(configuration.show)
    config.command("schema")(configuration.schema)
    config.command("path")(configuration.path)
    app.add_typer(config, name="config")

    tool = new_group("The tools clients see: list them, call one.")
    tool.command("list")(tools.list_tools)
    tool.command("call", cls=tools.CallCommand)(tools.call_tool)
    app.add_typer(tool, name="tools")

    plugins = new_group("What extends the gateway.")
    plugins.command("list")(info.list_plugins)
    app.add_typer(plugins, name="plugins")

    app.command()(info.version)
    installed.add_commands(app)
    return app


def new_group(about: str) -> typer.Typer:
    """An empty group of commands: plain text, plain tracebacks."""
    return typer.Typer(
        help=about,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def _program(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=info.print_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass
