"""Connector `python`: a server that is an object in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from only1mcp_sdk import ConnectFailed, Connection, Connector, Context, Inbox
from only1mcp_transports.python.config import ConnectorConfig
from only1mcp_transports.python.connection import PythonConnection
from only1mcp_transports.python.loading import LoadFailed, begin, made, serving


class PythonConnector:
    """Has the object serve once per connection."""

    def __init__(self, config: ConnectorConfig, context: Context) -> None:
        self.target = f"python {config.object}"
        self._config = config
        self._context = context
        self._path = [context.base_dir / Path(each).expanduser() for each in config.python_path]
        self._loading: asyncio.Future[Any] | None = None
        self._connections: set[PythonConnection] = set()

    async def connect(self, inbox: Inbox) -> Connection:
        config = self._config
        try:
            missing = next((each for each in self._path if not each.is_dir()), None)
            if missing is not None:
                raise LoadFailed(f"python_path names {missing}, which is no directory")
            serve = serving(await made(await self._object(), config.arguments))
        except LoadFailed as failed:
            if failed.__cause__ is not None:
                self._context.logger.error("cannot serve %s", config.object, exc_info=failed.__cause__)
            raise ConnectFailed(f"cannot serve {config.object}: {failed}") from None
        log = self._context.logger
        connection = PythonConnection(inbox, serve, config.stop_timeout, log, self._connections.discard)
        self._connections.add(connection)
        return connection

    async def _object(self) -> Any:
        """What the name stands for. One import at a time, also when those who waited for it have left."""
        if self._loading is None or (self._loading.done() and self._loading.exception() is not None):
            self._loading = begin(self._config.object, self._path)
        return await asyncio.shield(self._loading)

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
