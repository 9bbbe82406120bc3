"""What this distribution offers. Each way to tell who is calling is a file of its own, imported when a configuration
names it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, model_validator

from only1mcp_sdk import ANONYMOUS, Authenticator, Context, Offer, PluginConfig, hookimpl, offer

SHORTEST = 16
"""Characters; what is shorter can be guessed."""


def _strong(key: SecretStr) -> SecretStr:
    value = key.get_secret_value()
    if len(value) < SHORTEST:
        raise ValueError(
            f"an API key has at least {SHORTEST} characters, and this has {len(value)}; "
            "`openssl rand -hex 32` makes a good one"
        )
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ValueError(
            "an API key is sent in a header field: printable ASCII characters and no spaces, please; "
            "`openssl rand -hex 32` makes a good one"
        )
    return key


def _nameable(principal: str) -> str:
    if not principal.isprintable() or principal.strip() != principal:
        raise ValueError("should be printable, and neither start nor end with a space")
    if principal == ANONYMOUS.id:
        raise ValueError(f"{principal!r} is what callers without a name are called; choose another")
    return principal


class ApiKey(PluginConfig):
    """A key, and who comes with it."""

    model_config = ConfigDict(hide_input_in_errors=True)

    key: Annotated[SecretStr, AfterValidator(_strong)] = Field(
        description="The key: at least 16 characters. Refer to a secret rather than writing it down here."
    )
    principal: Annotated[str, AfterValidator(_nameable)] = Field(
        min_length=1,
        max_length=200,
        description="Who a caller with this key is. Several keys may belong to one principal.",
    )


class ApiKeyConfig(PluginConfig):
    """Callers send `Authorization: Bearer <key>`."""

    model_config = ConfigDict(hide_input_in_errors=True)

    keys: list[ApiKey] = Field(min_length=1, description="The keys that are known.")

    @model_validator(mode="after")
    def _distinct(self) -> ApiKeyConfig:
        seen: dict[str, int] = {}
        for number, each in enumerate(self.keys, 1):
            first = seen.setdefault(each.key.get_secret_value(), number)
            if first != number:
                raise ValueError(f"the keys number {first} and {number} are the same; give each its own")
        return self


@asynccontextmanager
async def open_api_key(config: ApiKeyConfig, context: Context) -> AsyncIterator[Authenticator]:
    from only1mcp_identity.api_key import ApiKeys

    yield ApiKeys((each.key.get_secret_value(), each.principal) for each in config.keys)


@hookimpl
def only1mcp_register_authenticator() -> list[Offer[Authenticator]]:
    return [offer("api_key", ApiKeyConfig, open_api_key)]
