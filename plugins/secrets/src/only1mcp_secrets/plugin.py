"""What this distribution offers. Each source is a file of its own, imported when a configuration refers to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from only1mcp_sdk import Context, Offer, PluginConfig, Secret, hookimpl, offer


class EnvConfig(PluginConfig):
    """`${env:NAME}`: an environment variable of the gateway."""


class FileConfig(PluginConfig):
    """`${file:path}`: the text in a file, without the line ending at its end. A relative path starts at the
    configuration file."""


@asynccontextmanager
async def open_env(config: EnvConfig, context: Context) -> AsyncIterator[Secret]:
    from only1mcp_secrets.env import EnvSecret

    yield EnvSecret()


@asynccontextmanager
async def open_file(config: FileConfig, context: Context) -> AsyncIterator[Secret]:
    from only1mcp_secrets.file import FileSecret

    yield FileSecret(context.base_dir)


@hookimpl
def only1mcp_register_secret() -> list[Offer[Secret]]:
    return [offer("env", EnvConfig, open_env), offer("file", FileConfig, open_file)]
