"""Connector `stdio`: a server that is a child process, spoken to over its standard input and output."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from only1mcp_sdk import ConnectFailed, Connection, Connector, Context, Inbox
from only1mcp_transports.stdio.child import Child
from only1mcp_transports.stdio.config import ConnectorConfig
from only1mcp_transports.stdio.environment import build
from only1mcp_transports.stdio.watcher import SHARED_KEY, Watcher, open_watcher


class StdioConnector:
    """Starts one child per connection."""

    def __init__(self, config: ConnectorConfig, context: Context, watcher: Watcher) -> None:
        # Arguments are left out: they may hold tokens and passwords.
        self.target = f"{config.command} with {len(config.args)} arguments" if config.args else config.command
        self._config = config
        self._context = context
        self._watcher = watcher
        self._children: set[Child] = set()

    async def connect(self, inbox: Inbox) -> Connection:
        config = self._config
        try:
            cookie = self._watcher.next_cookie()
            environment = build(os.environ, config.pass_env, config.env, cookie)
            cwd = self._cwd()
            program = self._find(environment, cwd)
            return await self._start(inbox, cookie, program, environment, cwd)
        except (OSError, ValueError) as error:  # ValueError: a null character, or = in a variable's name
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise ConnectFailed(f"cannot start {config.command}: {reason}") from None

    async def _start(
        self, inbox: Inbox, cookie: str, program: str, environment: Mapping[str, str], cwd: Path | None
    ) -> Child:
        child = Child(inbox, cookie, self._config, self._context, self._children.discard)
        self._children.add(child)
        try:
            child.start((program, *self._config.args), environment, cwd)
        except BaseException:
            await child.close()
            raise
        return child

    def _cwd(self) -> Path | None:
        if self._config.cwd is None:
            return None
        cwd = self._context.base_dir / Path(self._config.cwd).expanduser()
        if not cwd.is_dir():
            raise ConnectFailed(f"cannot start {self._config.command}: its cwd {cwd} is no directory")
        return cwd

    def _find(self, environment: Mapping[str, str], cwd: Path | None) -> str:
        command = os.path.expanduser(self._config.command)
        if os.path.dirname(command):
            found = os.path.join(cwd, command) if cwd is not None else command
            if not os.path.exists(found):
                raise ConnectFailed(f"cannot start {command}: there is no such file")
            return found
        found = shutil.which(command, path=environment["PATH"]) or ""
        if not found:
            raise ConnectFailed(
                f"cannot start {command}: no such command on PATH ({environment['PATH']}); install it or give its path"
            )
        return found

    async def close(self) -> None:
        """End every child that is left, and wait until it is gone."""
        await asyncio.gather(*(child.close() for child in list(self._children)))


@asynccontextmanager
async def open_connector(config: ConnectorConfig, context: Context) -> AsyncIterator[Connector]:
    """Open the connector; no child is started before the first connection."""
    watcher = await context.shared(SHARED_KEY, lambda: open_watcher(context.logger))
    connector = StdioConnector(config, context, watcher)
    try:
        yield connector
    finally:
        await connector.close()
