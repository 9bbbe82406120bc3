"""What this distribution offers: ways to show a profile's tools. All are imported when a configuration names one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from only1mcp_sdk import Context, Economy, Offer, OpenFailed, PluginConfig, hookimpl, offer

if TYPE_CHECKING:
    from only1mcp_context.meter import Meter
    from only1mcp_context.modes.economy import Choice
    from only1mcp_context.modes.own_tools import Spawn
    from only1mcp_context.modes.second_opinion import SecondOpinion
    from only1mcp_context.ranking import Related
    from only1mcp_context.results.store import Store

Config = TypeVar("Config", bound="ContextConfig")
Mode: TypeAlias = Literal["native", "normalise", "slim", "signatures", "search"]
Pattern = Annotated[str, Field(min_length=1, max_length=200)]


DEFAULT_BUDGET = 4000


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ResultOptions(_Options):
    tokens: int = Field(
        DEFAULT_BUDGET,
        ge=0,
        description="Tokens that the text of one result may have, by estimate. One that has more is cut to half of "
        "it, and the rest can be read with `result_read`. 2000 spares more; 0: any number, else at least 600.",
    )

    @field_validator("tokens")
    @classmethod
    def _enough(cls, tokens: int) -> int:
        if 0 < tokens < 600:
            raise ValueError("should be 0, or at least 600")
        return tokens

    compact: bool = Field(True, description="Write JSON in results without white space.")
    structured: Literal["keep", "text"] = Field(
        "keep",
        description="`text`: leave out structured content, which often says the same a second time, and add it as text "
        "where it does not. Only in modes that list no output schemas: slim, signatures, search.",
    )
    keep_minutes: float = Field(
        30.0, gt=0, description="How long what was cut can be read, since it was last read."
    )
    memory_bytes: int = Field(
        64 << 20, ge=1 << 20, description="What is kept in memory of it, for everybody."
    )
    disk_bytes: int = Field(256 << 20, ge=0, description="What is kept on disk of it, for everybody.")


class ContextConfig(PluginConfig):
    """What all of them can be told."""

    pinned: list[Pattern] = Field(
        [], description="Tools that are listed in full in any mode, by name; `*` stands for anything."
    )
    search_limit: int = Field(5, ge=1, le=50, description="How many tools a search finds, unless it says.")
    search_tokens: int = Field(600, ge=100, description="Tokens of the answer to a search, by estimate.")
    search_model: str = Field(
        "",
        description="A folder with a sentence-transformer of the BERT family, such as all-MiniLM-L6-v2, that finds "
        "tools beside the words (with only1mcp[embeddings] installed). Until it has read the tools, words alone count.",
    )
    results: ResultOptions = Field(ResultOptions(), description="What becomes of results.")
    tokenizer: str = Field(
        "estimate",
        description="How tokens of definitions are counted: `estimate`, or a tokenizer such as `o200k_base` (with "
        "only1mcp[tokenizer] installed).",
    )


class NativeConfig(ContextConfig):
    """Tools as they are; only results are kept within their budget."""


class NormaliseConfig(ContextConfig):
    """Tools as they are, in fewer tokens: nothing is left out that decides what is valid, and lists are the same bytes
    however servers order them."""


class SlimConfig(ContextConfig):
    """Tools with their types and the first sentence about them; `tool_describe` has the rest."""


class SignaturesConfig(ContextConfig):
    """All tools as signatures within the description of one, `tool_call`, that calls them."""


class SearchConfig(ContextConfig):
    """Tools are found with `tool_search` and called with `tool_call`."""


class Thresholds(_Options):
    normalise: int = Field(0, ge=0, description="From so many tokens of definitions on: normalise.")
    slim: int = Field(1500, ge=0, description="From here on: slim.")
    signatures: int = Field(4000, ge=0, description="From here on: signatures.")
    search: int = Field(10_000, ge=0, description="From here on: search.")


class ClientLimits(_Options):
    tools: int = Field(
        128,
        ge=0,
        description="Tools that clients can take, those of the gateway included. 0: any number.",
    )
    name: int = Field(0, ge=0, description="Characters of a tool's name that they can take. 0: any number.")
    description: int = Field(
        0, ge=0, description="Characters of a tool's description that they can take. 0: any number."
    )


class AutoConfig(ContextConfig):
    """The mode that fits: by how many tokens the tools cost as they are, and by the client. Clients that find tools
    by themselves are shown all of them."""

    thresholds: Thresholds = Field(
        Thresholds(), description="What is shown from what size on, in tokens, by estimate."
    )
    limits: ClientLimits = Field(
        ClientLimits(),
        description="What clients can take that are not named in `clients`. Where a list has more, it is shown in the "
        "next mode whose list has not, `search` at last.",
    )
    clients: dict[Pattern, Mode | Literal["auto"]] = Field(
        {"claude-code*": "normalise", "cursor*": "normalise", "Visual Studio Code*": "normalise"},
        description="The mode for clients by the name they give; `*` stands for anything. The first that fits counts.",
    )


def _opening(mode: str) -> Callable[[Config, Context], AbstractAsyncContextManager[Economy]]:
    @asynccontextmanager
    async def open(config: Config, context: Context) -> AsyncIterator[Economy]:
        from only1mcp_context.definitions.tokens import ESTIMATE, exact
        from only1mcp_context.modes.economy import ToolEconomy
        from only1mcp_context.modes.listing import Terms
        from only1mcp_context.results import Reader, shown_of
        from only1mcp_context.results.results import Results

        store = await context.shared(
            ("context", context.name, config.results), lambda: _store(config, context)
        )
        related = await context.shared("context: related words", _related)
        counter = ESTIMATE
        if config.tokenizer != ESTIMATE.name:
            counter = await asyncio.to_thread(exact, config.tokenizer)
        tokens = config.results.tokens

        def spawn(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
            return context.spawn(work, name="answering a call")

        yield ToolEconomy(
            mode,
            _choice(config),
            Terms(
                tuple(config.pinned),
                config.search_limit,
                config.search_tokens,
                spawn,
                await _second_opinion(config, context, spawn),
            ),
            Results(store, tokens, config.results.compact, config.results.structured == "text"),
            Reader(store, shown_of(tokens or DEFAULT_BUDGET)),
            related,
            counter,
            await context.shared(("context: meter", context.name), _meter),
            spawn,
        )

    return open


async def _second_opinion(config: ContextConfig, context: Context, spawn: Spawn) -> SecondOpinion | None:
    if not config.search_model:
        return None
    from only1mcp_context.modes.second_opinion import SecondOpinion
    from only1mcp_context.ranking import encoder

    folder = context.base_dir / config.search_model
    try:
        return SecondOpinion(await asyncio.to_thread(encoder.read, folder), spawn)
    except encoder.ModelError as error:
        raise OpenFailed(f"search_model: {error}") from error


def _choice(config: ContextConfig) -> Choice:
    from only1mcp_context.modes.economy import Choice, Limits

    auto = config if isinstance(config, AutoConfig) else AutoConfig()
    steps = auto.thresholds.model_dump()
    rising = sorted((least, mode) for mode, least in steps.items())
    limits = Limits(auto.limits.tools, auto.limits.name, auto.limits.description)
    return Choice(rising, tuple(auto.clients.items()), limits)


def _store(config: ContextConfig, context: Context) -> AbstractAsyncContextManager[Store]:
    from only1mcp_context.results import Bounds, open_store

    options = config.results
    bounds = Bounds(options.keep_minutes * 60, options.memory_bytes, options.disk_bytes, options.memory_bytes)
    folder = context.state_dir / "results" / context.name if options.disk_bytes else None
    return open_store(context.clock, context.logger, folder, bounds)


@asynccontextmanager
async def _meter() -> AsyncIterator[Meter]:
    from only1mcp_context.meter import Meter

    yield Meter()


@asynccontextmanager
async def _related() -> AsyncIterator[Related]:
    from only1mcp_context.ranking import load

    yield await asyncio.to_thread(load)


@hookimpl
def only1mcp_register_economy() -> list[Offer[Economy]]:
    return [
        offer("auto", AutoConfig, _opening("auto")),
        offer("native", NativeConfig, _opening("native")),
        offer("normalise", NormaliseConfig, _opening("normalise")),
        offer("slim", SlimConfig, _opening("slim")),
        offer("signatures", SignaturesConfig, _opening("signatures")),
        offer("search", SearchConfig, _opening("search")),
    ]
