"""The three ways to run a gateway from a command: in front of a terminal, behind one, and as one client's own."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TextIO

from only1mcp_kernel.daemon.edits import listen_only
from only1mcp_kernel.daemon.exits import exit_code
from only1mcp_kernel.daemon.gateway import Edit, Gateway, assemble
from only1mcp_kernel.daemon.home import Home, make_private
from only1mcp_kernel.daemon.log import log_to
from only1mcp_kernel.daemon.loop import run
from only1mcp_kernel.daemon.process import SETTLE_SECONDS, Process, Report, run_controlled
from only1mcp_kernel.daemon.report import LogReport, PipeReport, TerminalReport

_log = logging.getLogger("only1mcp.process")


def serve_in_foreground(
    config: Path, edit: Edit, *, insecure: bool, talk: TextIO, data: TextIO | None
) -> None:
    """Serve until stopped; report on `talk`, log on stderr. Blocks. Raises `Only1McpError`."""
    log_to(logging.StreamHandler())
    run(_serve(Home.of(config), edit, TerminalReport(talk, data, SETTLE_SECONDS), insecure))


def serve_in_background(config: Path, edit: Edit, *, insecure: bool, pipe: int) -> None:
    """Serve until stopped; log to the home's file and tell `pipe` when serving or why not. Blocks. Raises what
    prevented it."""
    from only1mcp_kernel.daemon.log_file import BackgroundFile  # nobody else takes its half a MiB

    home = Home.of(config)
    report = PipeReport(pipe, SETTLE_SECONDS)
    try:
        home.prepare()
        log_to(BackgroundFile(home.log_file))
        run(_serve(home, edit, report, insecure))
    except Exception as error:
        _log.error("the gateway ended: %s", error)
        report.failed(str(error) or type(error).__name__, exit_code(error))
        raise


async def _serve(home: Home, edit: Edit, report: Report, insecure: bool) -> None:
    assembly = assemble(home.config, home.state, edit)
    await run_controlled(home, Process(home, assembly, report, insecure=insecure))


def serve_one_client(config: Path, listener: str) -> None:
    """Serve on this one listener, with its default options, until its client leaves. Several may do so at once, beside
    a gateway of the same configuration. Blocks. Raises `Only1McpError`."""
    log_to(logging.StreamHandler())
    home = Home.of(config)
    _prepare_state(home)

    async def serve() -> None:
        assembly = assemble(home.config, home.state, listen_only(listener))
        await Process(home, assembly, LogReport(SETTLE_SECONDS)).run()

    run(serve())


@asynccontextmanager
async def private_gateway(home: Home) -> AsyncIterator[Gateway]:
    """A gateway of this configuration for ourselves: no listeners, no control socket. It says only what is wrong.

    Raises `Only1McpError`.
    """
    log_to(logging.StreamHandler())
    logging.getLogger("only1mcp").setLevel(logging.ERROR)
    _prepare_state(home)
    assembly = assemble(home.config, home.state, listen_only())
    await assembly.gateway.start(await assembly.load())
    try:
        yield assembly.gateway
    finally:
        await assembly.gateway.stop()


def _prepare_state(home: Home) -> None:
    make_private(home.directory)
    make_private(home.state)
