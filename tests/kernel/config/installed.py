"""Plugins that only exist in these tests, and the offers of a gateway in which they are installed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic import Field, SecretStr, field_validator

from only1mcp_kernel.config.load import loads
from only1mcp_kernel.config.model import Config
from only1mcp_kernel.discovery import Source, take
from only1mcp_kernel.offers import HOOK_PREFIX, Offers, PluginInfo
from only1mcp_sdk import Context, Offer, PluginConfig, SecretMissing, hookimpl, offer


class Http(PluginConfig):
    """Clients over HTTP."""

    host: str = Field("127.0.0.1", description="The address to bind.")
    port: int = Field(8080, ge=0, le=65535, description="The port.")
    origins: tuple[str, ...] = Field((), description="Who else may call.")


class Limit(PluginConfig):
    memory: int = Field(0, description="In MiB.")


class Command(PluginConfig):
    """A child process."""

    command: str = Field(description="The program.")
    args: tuple[str, ...] = Field((), description="Its arguments.")
    env: dict[str, str] = Field({}, description="Its environment.")
    cwd: Path | None = Field(None, description="Where it runs.")
    limit: Limit = Field(Limit(), description="What it may use.")


class Url(PluginConfig):
    """A server behind a URL."""

    url: str = Field(pattern="^https?://", description="The address.")
    headers: dict[str, str] = Field({}, description="Sent along.")
    token: SecretStr | None = Field(None, description="A bearer token.")
    retries: int | None = Field(None, description="How often to try again.")
    verify: bool = Field(True, description="Check certificates.")


class InProcess(PluginConfig):
    """A server in this very process."""


class Weighted(PluginConfig):
    """By weight."""


class Keys(PluginConfig):
    """Known keys."""

    keys: dict[str, SecretStr] = Field(description="Key by name.")

    @field_validator("keys")
    @classmethod
    def _long(cls, keys: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for secret in keys.values():
            if len(secret.get_secret_value()) < 8:
                raise ValueError(f"{secret.get_secret_value()!r} is too short")
        return keys


class Tools(PluginConfig):
    """Which tools to show."""

    tools: tuple[str, ...] = Field((), description="Patterns of names.")
    hide: tuple[str, ...] = Field((), description="Patterns of names.")


class Prefix(PluginConfig):
    """Put a word before each name."""

    prefix: str = Field(description="The word.")
    loud: bool = Field(False, description="In capitals.")


class Nothing(PluginConfig):
    """No options."""


class Store:
    """A secret plugin with known content."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def resolve(self, reference: str) -> str:
        try:
            return self._values[reference]
        except KeyError:
            raise SecretMissing(f"no {reference!r} in the store", tuple(self._values)) from None


STORE = Store({"TOKEN": "s3cret-value", "PORT": "9090", "FLAG": "false", "NAME": "files", "TINY": "ab"})


@asynccontextmanager
async def nothing(config: PluginConfig, context: Context) -> AsyncIterator[Any]:
    yield None


@asynccontextmanager
async def store(config: PluginConfig, context: Context) -> AsyncIterator[Store]:
    yield STORE


STANDARD: Mapping[str, Iterable[Offer[Any]]] = {
    "listener": [offer("http", Http, nothing), offer("pipe", Nothing, nothing)],
    "connector": [
        offer("command", Command, nothing, aliases=("local",)),
        offer("web", Url, nothing, aliases=("sse", "streamable-http")),
        offer("inside", InProcess, nothing),
    ],
    "balancer": [offer("weighted", Weighted, nothing), offer("spread", Nothing, nothing)],
    "authenticator": [offer("keys", Keys, nothing)],
    "filter": [offer("audit", Nothing, nothing)],
    "transform": [offer("only", Tools, nothing, inline=True), offer("prefix", Prefix, nothing)],
    "secret": [offer("env", Nothing, store), offer("file", Nothing, store)],
}


def module(offers: Mapping[str, Iterable[Offer[Any]]], **attributes: Any) -> SimpleNamespace:
    """A plugin module that offers these."""
    hooks = {}
    for kind, made in offers.items():

        def register(made: Iterable[Offer[Any]] = made) -> Iterable[Offer[Any]]:
            return made

        hooks[HOOK_PREFIX + kind] = hookimpl(register)
    return SimpleNamespace(**hooks, **attributes)


def source(distribution: str, plugin: object) -> Source:
    """As if `plugin` were the module of an entry point of that distribution."""
    info = PluginInfo(
        name=distribution, distribution=distribution, version="1.0", module=f"{distribution}.plugin"
    )
    return Source(info, lambda: plugin)


def installed() -> Offers:
    return take([source("standard", module(STANDARD))])


def config(text: str, *, name: str = "only1mcp.yaml", offers: Offers | None = None) -> Config:
    """A text as the configuration of a gateway with the standard plugins."""
    secrets = {"env": STORE, "file": STORE}
    return loads(text, Path(name), offers or installed(), secrets=secrets)
