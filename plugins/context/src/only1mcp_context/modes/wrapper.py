"""The tools that stand for others: `tool_call` and `tool_read`."""

from __future__ import annotations

from collections.abc import Container

from only1mcp_context.arguments import Fault, repaired_call
from only1mcp_context.modes.answers import no_tool, problem
from only1mcp_context.modes.catalogue import Catalogue
from only1mcp_context.results.project import BadPath, Path, read_path
from only1mcp_sdk import Done, Entry, Exchange, Outcome
from only1mcp_sdk.members import quoted

LONGEST_SCHEMA = 6000
"""Characters of a schema that is told with a fault."""


class Wrapper:
    """One of the two. `among` are the tools it may call; None means all."""

    def __init__(
        self, entry: Entry, catalogue: Catalogue, describe: str, among: Container[str] | None, instead: str
    ) -> None:
        """`describe` is the tool that tells about tools; `instead` the one that calls what is not `among`."""
        self.entry = entry
        self._catalogue = catalogue
        self._describe = describe
        self._among = among
        self._instead = instead

    def before(self, exchange: Exchange) -> Outcome | Path | None:
        """Make it the call it stands for. What is wrong with it comes back as a result; a path, where only a part of
        the result is wanted."""
        wanted = repaired_call((exchange.params or {}).get("arguments", b"{}"))
        if isinstance(wanted, Fault):
            return problem(f"{self.entry.shown}: {wanted.message}")
        tool = self._catalogue.by_name.get(wanted.name)
        if tool is None:
            return problem(no_tool(wanted.name, self._catalogue.by_name))
        if self._among is not None and wanted.name not in self._among:
            return problem(f"{wanted.name} may do more than read: call it with {self._instead}")
        arguments = self._catalogue.checker(wanted.name).check(wanted.arguments)
        if isinstance(arguments, Fault):
            return problem(f"{wanted.name} was not called: {arguments.message}\n{self._schema(tool)}")
        path = None
        if wanted.select:
            try:
                path = read_path(wanted.select)
            except BadPath as error:
                return problem(f"select: {error}")
        exchange.name = wanted.name
        exchange.params = {**(exchange.params or {}), "name": quoted(wanted.name), "arguments": arguments}
        return path

    def serve(self, exchange: Exchange, done: Done) -> None:
        """Only where something made it this call after `before` saw it."""
        done(problem(f"{self.entry.shown} calls other tools, and can't be called itself"))

    def _schema(self, tool: Entry) -> str:
        schema = tool.members.get("inputSchema", b"{}").decode(errors="replace")
        if len(schema) > LONGEST_SCHEMA:
            return f"{self._describe} tells what it takes."
        return f"It takes: {schema}"
