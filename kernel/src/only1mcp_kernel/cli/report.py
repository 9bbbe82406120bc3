"""What tools cost a model: every way to show them side by side, and what was spared so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from only1mcp_kernel.cli.finding import ConfigOption, find
from only1mcp_kernel.cli.output import JsonOption, print_json, print_lines, reporting, say

OneProfile = Annotated[str | None, typer.Option("--profile", metavar="NAME", help="Only this profile.")]


def report(config: ConfigOption = None, profile: OneProfile = None, as_json: JsonOption = False) -> None:
    """Show what tools cost a model, in every mode.

    Of the gateway that runs, with what it has spared so far; where none does, of one opened for the occasion.
    """
    import asyncio

    with reporting(as_json):
        compared, spared = asyncio.run(_report(config))
        if profile is not None:
            _check(profile, compared)
            compared = {profile: compared[profile]}
        if as_json:
            print_json(
                {"ok": True, "profiles": compared, "spared": {name: spared.get(name) for name in compared}}
            )
        else:
            print_lines(line for name in compared for line in _lines(name, compared[name], spared.get(name)))


def _check(profile: str, compared: Mapping[str, Any]) -> None:
    from only1mcp_sdk import Only1McpError

    if profile not in compared:
        raise Only1McpError(f"there is no profile {profile!r}; there are {', '.join(compared)}")


async def _report(config: Path | None) -> tuple[dict[str, Any], dict[str, Any]]:
    from only1mcp_kernel.cli.mcp_client import SETTLE_SECONDS
    from only1mcp_kernel.daemon.client import NotRunning, control
    from only1mcp_kernel.daemon.home import Home

    home = Home.of(find(config))
    try:
        async with control(home) as client:
            compared = await client.command("compare")
            status = await client.command("status")
            return compared["profiles"], status.get("context", {})
    except NotRunning:
        say("no gateway runs with this configuration; asking its servers")
    from only1mcp_kernel.daemon.serve import private_gateway

    async with private_gateway(home) as gateway:
        await gateway.settled(SETTLE_SECONDS)
        return (await gateway.compare())["profiles"], {}


def _lines(name: str, found: Mapping[str, Any], spared: Mapping[str, Any] | None) -> Iterator[str]:
    counted = "estimated" if found["tokenizer"] == "estimate" else f"counted with {found['tokenizer']}"
    yield f"profile {name}: {found['tools']} tools, {found['tokens']:,} tokens of definitions ({counted})"
    yield f"  {'mode':<12}{'listed':>7}{'tokens':>9}{'saved':>8}{'saved after 3 searches':>25}"
    for mode, cost in found["modes"].items():
        mark = "  <- auto" if mode == found["auto"] else ""
        shown = f"{cost['tools']:>7}{cost['tokens']:>9,}{cost['saved']:>8.1%}{cost['saved_after_3']:>25.1%}"
        yield f"  {mode:<12}{shown}{mark}"
    total = (spared or {}).get("total", {})
    if total.get("lists") or total.get("results"):
        native = total["definitions_native"] + total["results_native"]
        yield (
            f"  so far: {total['lists']} lists, {total['searches']} searches, {total['results']} results; of"
            f" {native:,} tokens {total['saved']:.1%} were not sent (estimated)"
        )
    yield ""
