"""Commands that say what is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of

import typer

from only1mcp_kernel.cli.output import JsonOption, print_json, print_lines, reporting

DISTRIBUTIONS = ("only1mcp", "only1mcp-kernel", "only1mcp-plugin-sdk")


def list_plugins(as_json: JsonOption = False) -> None:
    """Show which plugins are installed, what they offer, and which were refused and why."""
    with reporting(as_json):
        from only1mcp_kernel.discovery import discover

        plugins = discover().plugins
        if as_json:
            from dataclasses import asdict

            print_json([asdict(plugin) for plugin in plugins])
            return
        width = max((len(plugin.distribution) for plugin in plugins), default=0)
        for plugin in plugins:
            offers = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in plugin.kinds.items() if names)
            what = offers or "offers nothing" if plugin.state == "active" else f"refused: {plugin.reason}"
            print_lines([f"{plugin.distribution:<{width}}  {plugin.version:<8}  {what}"])


def version(as_json: JsonOption = False) -> None:
    """Print the version; with --json those of all parts."""
    if not as_json:
        print_lines([_headline()])
        return
    import platform

    from only1mcp_kernel.protocol.revisions import REVISIONS

    parts = {name: found for name in DISTRIBUTIONS if (found := _version(name)) is not None}
    print_json({**parts, "python": platform.python_version(), "protocol": sorted(REVISIONS)})


def print_version(asked: bool) -> None:
    """The option `--version`."""
    if asked:
        print_lines([_headline()])
        raise typer.Exit


def _headline() -> str:
    """The version of the product; of the kernel where that alone is installed."""
    found = _version("only1mcp") or _version("only1mcp-kernel") or "of unknown version"
    return f"only1mcp {found}"


def _version(distribution: str) -> str | None:
    try:
        return version_of(distribution)
    except PackageNotFoundError:
        return None
