"""Commands that start, stop and watch a gateway."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from only1mcp_kernel.cli.finding import ConfigOption, find
from only1mcp_kernel.cli.output import JsonOption, print_json, print_lines, reporting, say

HostOption = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Listen on this address instead of the configured one.")
]
PortOption = Annotated[
    int | None,
    typer.Option(metavar="PORT", min=0, max=65535, help="Listen on this port instead of the configured one."),
]
STARTER = Path("only1mcp.yaml")


def start(
    config: ConfigOption = None,
    host: HostOption = None,
    port: PortOption = None,
    daemon: Annotated[
        bool, typer.Option("--daemon", help="Return once it serves in the background.")
    ] = False,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let other machines in without asking who they are.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Start the gateway. With no configuration file anywhere, write a commented one here and serve that."""
    with reporting(as_json):
        path = _find_or_write(config)
        if daemon:
            _start_in_background(path, host, port, insecure, as_json)
            return
        from only1mcp_kernel.daemon.edits import listen_at
        from only1mcp_kernel.daemon.serve import serve_in_foreground

        data = sys.stdout if as_json else None
        edit = listen_at(host=host, port=port)
        serve_in_foreground(path, edit, insecure=insecure, talk=sys.stderr, data=data)


def _find_or_write(option: Path | None) -> Path:
    from only1mcp_kernel.config.locate import locate

    found = locate(option)
    if option is None and not found.exists():
        from only1mcp_kernel.cli.configuration import write

        found = write(STARTER)
        say(f"No configuration file found: wrote {found}, with comments on what can be in it")
    return found


def _start_in_background(
    path: Path, host: str | None, port: int | None, insecure: bool, as_json: bool
) -> None:
    from only1mcp_kernel.daemon.background import start_in_background
    from only1mcp_kernel.daemon.home import Home
    from only1mcp_kernel.daemon.report import serving_lines

    home = Home.of(path)
    status = start_in_background(home, host, port, insecure)
    for line in serving_lines(status):
        say(line)
    say(f"In the background: pid {status['pid']}, log {home.log_file}")
    if as_json:
        print_json({**status, "log": str(home.log_file)})


def stop(
    config: ConfigOption = None,
    timeout: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="Wait at most this many seconds for it to end."),
    ] = 60,
    as_json: JsonOption = False,
) -> None:
    """Stop the gateway. Clients at work may finish first; a second `stop` ends it at once."""
    import asyncio

    with reporting(as_json):
        from only1mcp_kernel.daemon.client import stop as ask_to_stop
        from only1mcp_kernel.daemon.home import Home
        from only1mcp_sdk import Only1McpError

        try:
            pid = asyncio.run(ask_to_stop(Home.of(find(config)), timeout))
        except TimeoutError:
            raise Only1McpError(
                "it still lets clients finish; `only1mcp stop` again ends it at once"
            ) from None
        say(f"Stopped (pid {pid})")
        if as_json:
            print_json({"ok": True, "pid": pid})


def reload(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Serve the configuration as it is now. If it can't be used, the gateway goes on as it was."""
    with reporting(as_json):
        answer = _ask(config, "reload")
        say("Reloaded")
        if as_json:
            print_json({"ok": True, **answer})


def status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show what the gateway does."""
    with reporting(as_json):
        answer = _ask(config, "status")
        if as_json:
            print_json({"ok": True, **answer})
        else:
            from only1mcp_kernel.daemon.report import status_lines

            print_lines(status_lines(answer))


def _ask(config: Path | None, command: str) -> dict[str, object]:
    import asyncio

    from only1mcp_kernel.daemon.client import control
    from only1mcp_kernel.daemon.home import Home

    async def ask() -> dict[str, object]:
        async with control(Home.of(find(config))) as client:
            return await client.command(command)

    return asyncio.run(ask())


def stdio(config: ConfigOption = None) -> None:
    """Serve one client on stdin and stdout.

    For clients that start their servers themselves: give them this command. It ends when the client closes stdin, and
    may run any number of times, also beside a gateway of the same configuration.
    """
    with reporting(False):
        path = find(config)
        from only1mcp_kernel.daemon.serve import serve_one_client

        serve_one_client(path, "stdio")
