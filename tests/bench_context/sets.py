"""Sets of tools and queries with known answers: read from a folder of data, or generated.

A folder holds, per set, `tools.jsonl` ({id, server, name, description, inputSchema, ...}) and `queries.jsonl` ({qid,
kind, query, gold}: groups of acceptable tool ids), and `real_tools/*.json` (answers to tools/list), over which
`agent_queries.txt` asks. Any folder with the two files is a set, so others can be tried as they are.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import Struct

from only1mcp_context.ranking import ToolDocument, document


class Query(Struct, frozen=True):
    id: str
    kind: str
    text: str
    gold: frozenset[str]

    def even(self) -> bool:
        """Whether it belongs to the half that may be tuned on."""
        return sha256(self.id.encode()).digest()[-1] % 2 == 0


class ToolSet(Struct, frozen=True):
    name: str
    ids: tuple[str, ...]
    documents: tuple[ToolDocument, ...]
    queries: tuple[Query, ...]


def read(folder: Path) -> list[ToolSet]:
    """All sets below `folder`, by name."""
    found = [_read_set(tools.parent) for tools in sorted(folder.glob("*/tools.jsonl"))]
    if (folder / "real_tools").is_dir():
        found.append(_agents(folder))
    if not found:
        raise SystemExit(f"{folder} holds no */tools.jsonl and no real_tools")
    return found


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _read_set(folder: Path) -> ToolSet:
    tools = list(_lines(folder / "tools.jsonl"))
    return ToolSet(
        name=folder.name,
        ids=tuple(tool["id"] for tool in tools),
        documents=tuple(_document(tool["server"], tool, _about(tool)) for tool in tools),
        queries=tuple(
            Query(
                id=query["qid"],
                kind=query["kind"],
                text=query["query"],
                gold=frozenset(tool for group in query["gold"] for tool in group),
            )
            for query in _lines(folder / "queries.jsonl")
        ),
    )


def _about(tool: dict[str, Any]) -> str:
    return f"{tool.get('server_description') or ''} {tool.get('category') or ''}"


def _document(server: str, tool: dict[str, Any], server_text: str) -> ToolDocument:
    schema = tool.get("inputSchema") or tool.get("input_schema")
    return document(server, tool["name"], tool.get("description") or "", schema, server_text)


def _agents(folder: Path) -> ToolSet:
    """The real servers' tools under the queries of `agent_queries.txt`. Of two lists of one server, one is asked."""
    documents = []
    for path in [*sorted((folder / "real_tools").glob("*.json")), *sorted(folder.glob("*/tools.json"))]:
        answer = json.loads(path.read_text(encoding="utf-8"))
        listed = answer if isinstance(answer, list) else answer["tools"]
        about = "" if isinstance(answer, list) else answer.get("instructions") or ""
        server = path.parent.name.removesuffix("-mcp-server") if path.stem == "tools" else path.stem
        if not path.stem.startswith("github-archived"):
            documents += [_document(server, tool, about) for tool in listed]
    text = (Path(__file__).parent / "agent_queries.txt").read_text(encoding="utf-8")
    asked = [line.split(" | ") for line in text.splitlines() if not line.startswith("#")]
    return ToolSet(
        name="agents",
        ids=tuple(f"{one.server}/{one.name}" for one in documents),
        documents=tuple(documents),
        queries=tuple(
            Query(id=f"agents-{place}", kind="agents", text=query, gold=frozenset(gold.split()))
            for place, (query, gold) in enumerate(asked)
        ),
    )


VERBS = {"get": "fetch", "list": "show all", "create": "add a new", "delete": "remove", "update": "change"}
THINGS = (
    "invoice",
    "customer",
    "ticket",
    "folder",
    "branch",
    "message",
    "image",
    "contact",
    "payment",
    "order",
)
SERVERS = ("acme", "globex", "initech", "umbrella", "hooli")


def generated(seed: int = 7) -> ToolSet:
    """A small catalogue made of verbs and things, asked for in other words than its own."""
    choose = random.Random(seed)
    documents, queries = [], []
    for server in SERVERS:
        for thing in THINGS:
            for verb, other in VERBS.items():
                schema = {"properties": {f"{thing}_id": {"description": f"Identifies the {thing}"}}}
                tool = document(
                    server, f"{verb}_{thing}", f"{verb.title()}s one {thing} of {server}.", schema
                )
                documents.append(tool)
                if choose.random() < 0.3:
                    queries.append((f"{other} {thing} in {server}", f"{server}/{tool.name}"))
    return ToolSet(
        name="generated",
        ids=tuple(f"{one.server}/{one.name}" for one in documents),
        documents=tuple(documents),
        queries=tuple(
            Query(id=f"generated-{place}", kind="generated", text=text, gold=frozenset((gold,)))
            for place, (text, gold) in enumerate(queries)
        ),
    )
