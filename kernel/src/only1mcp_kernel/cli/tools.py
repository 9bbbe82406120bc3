"""Commands that do what a client does with tools."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from only1mcp_kernel.cli.finding import ConfigOption, find
from only1mcp_kernel.cli.output import JsonOption, print_json, print_lines, reporting, say

if TYPE_CHECKING:
    from only1mcp_kernel.cli.mcp_client import McpClient

ProfileOption = Annotated[str, typer.Option(metavar="NAME", help="The profile to look at.")]


class CallCommand(TyperCommand):
    """`--json` alone asks for JSON; `--json '{...}'` gives the arguments as well."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(_split_json(args)))


def _split_json(args: list[str]) -> Iterator[str]:
    rest = iter(range(len(args)))
    for index in rest:
        word = args[index]
        if word == "--":
            yield from args[index:]
            return
        if word == "--json" and index + 1 < len(args) and args[index + 1].lstrip().startswith("{"):
            yield from ("--json", "--json-args", args[next(rest)])
        elif word.startswith("--json="):
            yield from ("--json", "--json-args", word.removeprefix("--json="))
        else:
            yield word


def list_tools(
    config: ConfigOption = None, profile: ProfileOption = "default", as_json: JsonOption = False
) -> None:
    """List the tools that clients see."""
    import asyncio

    with reporting(as_json):
        tools = asyncio.run(_list(config, profile))
        if as_json:
            print_json(tools)
            return
        width = max((len(tool["name"]) for tool in tools), default=0)
        print_lines(f"{tool['name']:<{width}}  {_first_line(tool)}".rstrip() for tool in tools)


def call_tool(
    name: Annotated[str, typer.Argument(metavar="TOOL", help="The tool, as `tools list` shows it.")],
    arg: Annotated[
        list[str] | None,
        typer.Option(
            "--arg",
            metavar="NAME=VALUE",
            help="One argument, read as the type the tool asks for; may be given again.",
        ),
    ] = None,
    json_args: Annotated[
        str | None,
        typer.Option(
            "--json-args", metavar="OBJECT", help="All arguments as a JSON object; so does --json OBJECT."
        ),
    ] = None,
    config: ConfigOption = None,
    profile: ProfileOption = "default",
    as_json: JsonOption = False,
) -> None:
    """Call a tool. Prints its text, or with --json the whole result."""
    import asyncio

    if arg and json_args is not None:
        raise typer.BadParameter("give the arguments either with --arg or as one JSON object")
    with reporting(as_json):
        result = asyncio.run(_call(config, profile, name, arg or [], json_args))
        if as_json:
            print_json(result)
        else:
            print_lines(_content(result))
    if result.get("isError"):
        say(f"{name} answered with an error")
        raise typer.Exit(1)


async def _list(config: Path | None, profile: str) -> list[dict[str, Any]]:
    async with _client(config, profile) as client:
        return await client.list_tools()


async def _call(
    config: Path | None, profile: str, name: str, pairs: list[str], text: str | None
) -> dict[str, Any]:
    from only1mcp_kernel.cli.arguments import BadArgument, parse_object, parse_pairs

    try:
        arguments = parse_object(text) if text is not None else {}
        async with _client(config, profile) as client:
            if pairs:
                arguments = parse_pairs(pairs, await _schema(client, name))
            return await client.call_tool(name, arguments)
    except BadArgument as error:
        raise typer.BadParameter(str(error)) from None


def _client(config: Path | None, profile: str) -> AbstractAsyncContextManager[McpClient]:
    from only1mcp_kernel.cli.mcp_client import client_of
    from only1mcp_kernel.daemon.home import Home

    return client_of(Home.of(find(config)), profile)


async def _schema(client: McpClient, name: str) -> dict[str, Any]:
    """What a tool wants. Raises `Only1McpError` when there is no such tool."""
    from only1mcp_kernel.config.problems import nearest
    from only1mcp_sdk import Only1McpError

    tools = {tool["name"]: tool for tool in await client.list_tools()}
    if name not in tools:
        hint = nearest(name, tools)
        raise Only1McpError(f"there is no tool {name!r}" + (f"; {hint}" if hint else ""))
    schema = tools[name].get("inputSchema")
    return schema if isinstance(schema, dict) else {}


def _first_line(tool: dict[str, Any]) -> str:
    words = tool.get("description") or tool.get("title") or ""
    return str(words).strip().split("\n", 1)[0]


def _content(result: dict[str, Any]) -> Iterator[str]:
    """A result for people: its text, and a word about everything else."""
    blocks = result.get("content") or []
    for block in blocks:
        kind = block.get("type")
        if kind == "text":
            yield str(block.get("text", ""))
        elif kind == "resource_link":
            yield f"[{kind} {block.get('uri')}]"
        elif kind == "resource":
            resource = block.get("resource", {})
            yield str(resource["text"]) if "text" in resource else f"[{kind} {resource.get('uri')}]"
        else:
            yield f"[{kind} {block.get('mimeType', '')}]"
    if not blocks and "structuredContent" in result:
        import json

        yield json.dumps(result["structuredContent"], indent=2, ensure_ascii=False)
