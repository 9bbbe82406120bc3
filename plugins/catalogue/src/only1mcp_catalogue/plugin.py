"""What this distribution offers. Each transform is a file of its own, imported when a configuration names it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from pydantic import Field, field_validator

from only1mcp_sdk import Context, Offer, PluginConfig, Transform, hookimpl, offer

Pattern = Annotated[str, Field(min_length=1, max_length=1000)]


class SelectConfig(PluginConfig):
    """Leave entries out, rename them, describe them anew.

    Tools and prompts go by their names, resources by their URIs and templates by their URI templates, always as they
    were before this transform. In patterns, `*` stands for anything, `?` for one character, `[ab]` for one of these;
    upper and lower case differ. What no server lists (now) is not an error.
    """

    include: list[Pattern] = Field(
        ["*"],
        min_length=1,
        description="Show only what fits one of these patterns. That goes for resources too: `[read_*]` hides all of "
        "them, `[read_*, '*://*']` none.",
    )
    exclude: list[Pattern] = Field(
        [], description="Leave out what fits one of these patterns, also where `include` fits."
    )
    rename: dict[str, Annotated[str, Field(min_length=1, max_length=128)]] = Field(
        {}, description="New names of tools and prompts, by the present ones."
    )
    describe: dict[str, Annotated[str, Field(max_length=100_000)]] = Field(
        {}, description="New descriptions, by the present names and URIs."
    )

    @field_validator("rename")
    @classmethod
    def _distinct(cls, rename: dict[str, str]) -> dict[str, str]:
        name, times = Counter(rename.values()).most_common(1)[0] if rename else ("", 0)
        if times > 1:
            raise ValueError(f"{times} entries would be called {name!r}; names have to differ")
        return rename


@asynccontextmanager
async def open_select(config: SelectConfig, context: Context) -> AsyncIterator[Transform]:
    from only1mcp_catalogue.select import Select

    yield Select(config.include, config.exclude, config.rename, config.describe)


@hookimpl
def only1mcp_register_transform() -> list[Offer[Transform]]:
    return [offer("select", SelectConfig, open_select, inline=True)]
