"""The calls that are recorded: what agents ask of files, repositories, pages and notes, large and small."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from msgspec import Struct

from tests.bench_context.material import NAMES, SEED, WORDS, sentence

LARGEST = 60_000
"""Bytes of a file that is read."""


class Call(Struct, frozen=True):
    kind: str
    server: str
    tool: str
    arguments: dict[str, Any]


def calls(place: Path, clone: Path, address: str) -> Iterator[Call]:
    """All of them, in an order that the servers' memory needs."""
    chance = random.Random(SEED)
    yield from _reading(place, chance)
    yield from _looking(place)
    yield from _logs_and_data(place)
    yield from _history(clone, chance)
    yield from _pages(place / "pages", address)
    yield from _notes(chance)
    yield from _small(place)


def _files(kind: str, tool: str, **arguments: Any) -> Call:
    return Call(kind, "files", tool, arguments)


def _some(chance: random.Random, paths: Iterator[Path], count: int) -> Sequence[Path]:
    every = sorted(path for path in paths if path.is_file() and 0 < path.stat().st_size <= LARGEST)
    return chance.sample(every, min(count, len(every)))


def _reading(place: Path, chance: random.Random) -> Iterator[Call]:
    project, packages = place / "project", place / "packages"
    for pattern, count in (
        ("*/src/**/*.py", 12),
        ("plugins/*/src/**/*.py", 14),
        ("tests/**/*.py", 10),
        ("docs/**/*.md", 10),
    ):
        for path in _some(chance, project.glob(pattern), count):
            yield _files("source files", "read_text_file", path=str(path))
    for pattern, count in (
        ("**/*.js", 14),
        ("**/*.d.ts", 6),
        ("**/*.md", 6),
        ("**/package.json", 6),
        ("**/LICENSE*", 2),
    ):
        for path in _some(chance, packages.glob(pattern), count):
            yield _files("source files", "read_text_file", path=str(path))
    for path in _some(chance, project.glob("kernel/src/**/*.py"), 6):
        yield _files("source files", "read_text_file", path=str(path), head=40)
    for _ in range(6):
        few = _some(chance, project.glob("plugins/*/src/**/*.py"), 3)
        yield _files("source files", "read_multiple_files", paths=[str(path) for path in few])


def _looking(place: Path) -> Iterator[Call]:
    project, packages = place / "project", place / "packages"
    folders = [
        place,
        project,
        project / "docs",
        project / "plugins",
        project / "tests",
        project / "tests/scenarios",
    ]
    folders += sorted(path for path in packages.iterdir() if path.is_dir())[:6]
    for folder in folders:
        yield _files("listings", "list_directory", path=str(folder))
    for folder in folders[:8]:
        yield _files("listings", "list_directory_with_sizes", path=str(folder))
    for folder in (
        project / "plugin_sdk",
        project / "plugins/context",
        project / "docs",
        project / "tests",
        packages / "zod",
    ):
        yield _files("trees", "directory_tree", path=str(folder))
    yield _files("trees", "directory_tree", path=str(project), excludePatterns=[".git"])
    for pattern in (
        "**/*.md",
        "**/test_*.py",
        "**/plugin.py",
        "**/*.toml",
        "**/absent*",
        "**/conftest.py",
        "**/*.py",
    ):
        yield _files("listings", "search_files", path=str(project), pattern=pattern)
    for path in ("README.md", "Makefile", "uv.lock", "docs"):
        yield _files("small answers", "get_file_info", path=str(project / path))


def _logs_and_data(place: Path) -> Iterator[Call]:
    for path in sorted((place / "logs").iterdir()):
        yield _files("logs", "read_text_file", path=str(path))
        yield _files("logs", "read_text_file", path=str(path), tail=20)
        yield _files("logs", "read_text_file", path=str(path), tail=100)
        yield _files("logs", "read_text_file", path=str(path), head=15)
    for path in sorted((place / "data").iterdir()):
        yield _files("data files", "read_text_file", path=str(path))
        yield _files("data files", "read_text_file", path=str(path), head=5)


def _history(clone: Path, chance: random.Random) -> Iterator[Call]:
    def git(tool: str, **arguments: Any) -> Call:
        return Call("git", "git", tool, {"repo_path": str(clone), **arguments})

    def run(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=clone, check=True, capture_output=True, text=True
        ).stdout

    commits = run("log", "--format=%H", "-n", "200").split()
    yield git("git_status")
    yield git("git_log")
    yield git("git_branch", branch_type="local")
    for count in (3, 5, 20, 50):
        yield git("git_log", max_count=count)
    for commit in chance.sample(commits, min(30, len(commits))):
        yield git("git_show", revision=commit)
    for back in (1, 2, 4):
        if len(commits) > back:
            yield git("git_diff", target=commits[back])
    changed = _some(chance, clone.glob("docs/*.md"), 5)
    for number, path in enumerate(changed):
        path.write_text(path.read_text().replace("the ", "this ", 5 * (number + 1)))
        yield git("git_status")
        yield git("git_diff_unstaged")
    for path in changed[:3]:
        yield git("git_add", files=[str(path.relative_to(clone))])
        yield git("git_diff_staged")
    yield git("git_status")


def _pages(folder: Path, address: str) -> Iterator[Call]:
    for number, path in enumerate(sorted(folder.iterdir())):
        url = f"{address}/{path.name}"
        yield Call("pages", "fetch", "fetch", {"url": url})
        if number % 3 == 0:
            yield Call("pages", "fetch", "fetch", {"url": url, "max_length": 20_000})
        if number % 7 == 0:
            yield Call("pages", "fetch", "fetch", {"url": url, "raw": True, "max_length": 50_000})
    yield Call("pages", "fetch", "fetch", {"url": f"{address}/absent.html"})


def _notes(chance: random.Random) -> Iterator[Call]:
    def memory(tool: str, **arguments: Any) -> Call:
        return Call("memory", "memory", tool, arguments)

    for batch in range(8):
        entities = [
            {
                "name": f"{name}-{batch}",
                "entityType": chance.choice(("person", "service", "decision")),
                "observations": [sentence(chance, 12) for _ in range(3)],
            }
            for name in NAMES
        ]
        yield memory("create_entities", entities=entities)
        relations = [
            {"from": f"{a}-{batch}", "to": f"{b}-{batch}", "relationType": chance.choice(("knows", "uses"))}
            for a, b in pairwise(NAMES)
        ]
        yield memory("create_relations", relations=relations)
        yield memory("search_nodes", query=chance.choice(WORDS))
        yield memory("open_nodes", names=[f"{name}-{batch}" for name in chance.sample(NAMES, 3)])
        if batch % 2:
            yield memory("read_graph")
    yield memory("search_nodes", query="nothing like it")


def _small(place: Path) -> Iterator[Call]:
    for zone in ("Europe/Zurich", "Asia/Tokyo", "America/New_York", "Moon/Far_Side"):
        yield Call("small answers", "time", "get_current_time", {"timezone": zone})
        arguments = {"source_timezone": "UTC", "time": "12:30", "target_timezone": zone}
        yield Call("small answers", "time", "convert_time", arguments)
    for number in range(6):
        thought: dict[str, Any] = {
            "thought": sentence(random.Random(number), 25),
            "nextThoughtNeeded": number < 5,
            "thoughtNumber": number + 1,
            "totalThoughts": 6,
        }
        yield Call("small answers", "thinking", "sequentialthinking", thought)
    for number in range(12):
        yield Call("small answers", "everything", "get-sum", {"a": number, "b": 2})
        yield Call("small answers", "everything", "echo", {"message": sentence(random.Random(number), 8)})
    for city in ("New York", "Chicago", "Los Angeles"):
        yield Call("small answers", "everything", "get-structured-content", {"location": city})
    yield Call("small answers", "everything", "get-tiny-image", {})
    yield Call("small answers", "everything", "get-resource-links", {"count": 5})
    for number in range(6):
        target = str(place / f"written{number}.txt")
        yield _files("small answers", "write_file", path=target, content=sentence(random.Random(number), 40))
    for number in range(6):
        target = str(place / f"written{number}.txt")
        yield _files("small answers", "edit_file", path=target, edits=[{"oldText": " ", "newText": "  "}])
    for path in ("absent.txt", "project/absent.py", "../outside"):
        yield _files("small answers", "read_text_file", path=str(place / path))
