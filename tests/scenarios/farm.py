"""Seven real servers: how they start, and what is asked of each.

Their data lies in one folder that the direct and the forwarded runs share, and every request leaves it as it was, so
that both runs see the same.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.scenarios.tools import NODE_BIN, VENV_BIN, machine

Step = dict[str, Any]


@dataclass(frozen=True)
class Server:
    """One server as users configure it, and the steps that a client does with it, names as the server's own."""

    name: str
    command: str
    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    modern: bool = False
    """Speaks 2026-07-28 too."""
    lists: tuple[str, ...] = ("tools",)
    steps: tuple[Step, ...] = ()
    """A step with `loose` gives values that differ from run to run: only their shape is compared."""
    asking: tuple[Step, ...] = ()
    """Steps for which the server puts questions to its client."""

    @property
    def target(self) -> dict[str, Any]:
        """The server, to be reached directly by a client."""
        return {"command": self.command, "args": list(self.args), "env": {**machine(), **self.env}}

    def entry(self, extra_env: dict[str, str] | None = None) -> dict[str, Any]:
        """The server in a gateway's configuration."""
        return {
            "command": self.command,
            "args": list(self.args),
            "env": {**machine(), **self.env, **(extra_env or {})},
        }


def call(name: str, **arguments: Any) -> Step:
    return {"do": "call", "name": name, "arguments": arguments}


def loose(step: Step) -> Step:
    return {**step, "loose": True}


def build(folder: Path, page: str) -> dict[str, Server]:
    """The seven, with data below `folder`. `page` is the URL of a text that the fetch server may read."""
    files, repo = folder / "files", folder / "repo"
    _lay_files(files)
    _lay_repo(repo)
    servers = [
        Server(
            "time",
            str(VENV_BIN / "uvx"),
            ("mcp-server-time", "--local-timezone", "UTC"),
            modern=True,
            steps=(
                loose(call("get_current_time", timezone="Europe/Zurich")),
                call("convert_time", source_timezone="UTC", time="12:30", target_timezone="Asia/Tokyo"),
                call("convert_time", source_timezone="Moon/Far_Side", time="12:30", target_timezone="UTC"),
            ),
        ),
        Server(
            "git",
            str(VENV_BIN / "uvx"),
            ("mcp-server-git",),
            modern=True,
            steps=(
                call("git_status", repo_path=str(repo)),
                call("git_log", repo_path=str(repo), max_count=5),
                call("git_diff_unstaged", repo_path=str(repo)),
                call("git_show", repo_path=str(repo), revision="HEAD"),
                call("git_branch", repo_path=str(repo), branch_type="local"),
                call("git_status", repo_path=str(folder / "nowhere")),
            ),
        ),
        Server(
            "fetch",
            str(VENV_BIN / "uvx"),
            ("mcp-server-fetch", "--allow-private-ips"),
            modern=True,
            lists=("tools", "prompts"),
            steps=(
                call("fetch", url=page),
                call("fetch", url=page, start_index=6, max_length=5),
                {"do": "get", "name": "fetch", "arguments": {"url": page}},
                call("fetch", url=page + "/missing"),
            ),
        ),
        Server(
            "everything",
            str(NODE_BIN / "mcp-server-everything"),
            lists=("tools", "prompts", "resources", "resourceTemplates"),
            steps=(
                call("echo", message='grüße 🎈 \u0000 \u2028 "quoted"'),
                call("echo"),
                call("get-sum", a=2, b=40),
                call("get-structured-content", location="Chicago"),
                call("get-tiny-image"),
                call("get-annotated-message", messageType="error", includeImage=True),
                loose(call("get-resource-links", count=3)),
                loose(call("get-resource-reference", resourceType="Text", resourceId=2)),
                call("trigger-long-running-operation", duration=0.4, steps=4),
                {"do": "get", "name": "simple-prompt"},
                {"do": "get", "name": "args-prompt", "arguments": {"city": "Basel", "state": "BS"}},
                loose(
                    {
                        "do": "get",
                        "name": "resource-prompt",
                        "arguments": {"resourceType": "Text", "resourceId": "1"},
                    }
                ),
                {"do": "read", "uri": "demo://resource/static/document/features.md"},
                loose({"do": "read", "uri": "demo://resource/dynamic/text/7"}),
                loose({"do": "read", "uri": "demo://resource/dynamic/blob/7"}),
                {
                    "do": "complete",
                    "ref": {"type": "ref/prompt", "name": "completable-prompt"},
                    "argument": {"name": "department", "value": "E"},
                },
                {
                    "do": "complete",
                    "ref": {"type": "ref/resource", "uri": "demo://resource/dynamic/text/{resourceId}"},
                    "argument": {"name": "resourceId", "value": "1"},
                },
            ),
            asking=(
                call("get-roots-list"),
                call("trigger-elicitation-request"),
                call("trigger-sampling-request", prompt="say something", maxTokens=10),
            ),
        ),
        Server(
            "files",
            str(NODE_BIN / "mcp-server-filesystem"),
            (str(files),),
            steps=(
                call("list_allowed_directories"),
                call("read_text_file", path=str(files / "hello.txt")),
                call("read_multiple_files", paths=[str(files / "hello.txt"), str(files / "absent.txt")]),
                call("read_media_file", path=str(files / "dot.png")),
                call("list_directory", path=str(files)),
                call("directory_tree", path=str(files)),
                call("search_files", path=str(files), pattern="**/*.md"),
                call("write_file", path=str(files / "out.txt"), content="written\n"),
                call("read_text_file", path="/etc/hostname"),
                loose(call("get_file_info", path=str(files / "hello.txt"))),
            ),
        ),
        Server(
            "memory",
            str(NODE_BIN / "mcp-server-memory"),
            env={"MEMORY_FILE_PATH": str(folder / "memory.jsonl")},
            lists=("tools", "resources"),
            steps=(
                call(
                    "create_entities",
                    entities=[{"name": "Ada", "entityType": "person", "observations": ["counts"]}],
                ),
                call(
                    "create_entities", entities=[{"name": "Alan", "entityType": "person", "observations": []}]
                ),
                call(
                    "create_relations", relations=[{"from": "Ada", "to": "Alan", "relationType": "precedes"}]
                ),
                call("add_observations", observations=[{"entityName": "Ada", "contents": ["writes"]}]),
                call("search_nodes", query="Ada"),
                call("read_graph"),
                {"do": "read", "uri": "memory://knowledge-graph"},
                call("delete_entities", entityNames=["Ada", "Alan"]),
                call("read_graph"),
            ),
        ),
        Server(
            "thinking",
            str(NODE_BIN / "mcp-server-sequential-thinking"),
            steps=(
                # It counts the thoughts of its whole life.
                loose(
                    call(
                        "sequentialthinking",
                        thought="first, look",
                        nextThoughtNeeded=True,
                        thoughtNumber=1,
                        totalThoughts=2,
                    )
                ),
                call("sequentialthinking", thought="no number"),
            ),
        ),
    ]
    return {server.name: server for server in servers}


def _lay_files(folder: Path) -> None:
    (folder / "notes").mkdir(parents=True)
    (folder / "hello.txt").write_text("hello\nwörld\n")
    (folder / "out.txt").write_text("written\n")
    (folder / "notes" / "one.md").write_text("# one\n")
    (folder / "dot.png").write_bytes(bytes.fromhex("89504e470d0a1a0a"))


def _lay_repo(folder: Path) -> None:
    folder.mkdir()
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
    (folder / "a.txt").write_text("one\n")
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "Begin"]):
        subprocess.run(["git", *who, *command], cwd=folder, check=True, capture_output=True)
    (folder / "a.txt").write_text("one\ntwo\n")
