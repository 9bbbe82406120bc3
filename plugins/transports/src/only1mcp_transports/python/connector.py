"""Connector `python`: a server that is an object in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from only1mcp_sdk import ConnectFailed, Connection, Connector, Context, Inbox
from only1mcp_transports.python.config import ConnectorConfig
from only1mcp_transports.python.connection import PythonConnection
from only1mcp_transports.python.loading import LoadFailed, load, made, serving


class PythonConnector:
    """Has the object serve once per connection."""

    def __init__(self, config: ConnectorConfig, context: Context) -> None:
        self.target = f"python {config.object}"
        self._config = config
        self._context = context
        self._path = [context.base_dir / Path(each).expanduser() for each in config.python_path]
        self._connections: set[PythonConnection] = set()

    async def connect(self, inbox: Inbox) -> Connection:
        config = self._config
        try:
            missing = next((each for each in self._path if not each.is_dir()), None)
            if missing is not None:
                raise LoadFailed(f"python_path names {missing}, which is no directory")
            # In a thread, because imports take their time and the event loop has none.
            found = await asyncio.to_thread(load, config.object, self._path)
            server = await made(found, config.arguments)
            serve = await asyncio.to_thread(serving, server)
        except LoadFailed as failed:
            if failed.__cause__ is not None:
                self._context.logger.error("cannot serve %s", config.object, exc_info=failed.__cause__)
            raise ConnectFailed(f"cannot serve {config.object}: {failed}") from None
        log = self._context.logger
        connection = PythonConnection(inbox, serve, config.stop_timeout, log, self._connections.discard)
        self._connections.add(connection)
        return connection

    async def close(self) -> None:
        """End every server that is left."""
        await asyncio.gather(*(connection.close() for connection in list(self._connections)))


@asynccontextmanager
async def open_connector(config: ConnectorConfig, context: Context) -> AsyncIterator[Connector]:
    """Open the connector; nothing is imported before the first connection."""
    connector = PythonConnector(config, context)
    try:
        yield connector
    finally:
        await connector.close()
