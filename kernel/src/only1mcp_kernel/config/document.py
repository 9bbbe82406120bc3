"""A configuration file as a tree that remembers where everything stood, whatever the format was.

Readers make trees; all later steps read them. Nodes never change.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from only1mcp_kernel.config.problems import ConfigError, Problem

MAX_BYTES = 1 << 20
"""The largest file that is read."""
MAX_DEPTH = 64
"""How deep lists and mappings may nest: far more than any option needs, far less than Python's stack."""
MAX_VALUES = 100_000
"""How many values a file may hold, an alias counting as all that it stands for."""

Scalar: TypeAlias = str | int | float | bool | None
Step: TypeAlias = str | int
Path: TypeAlias = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A value and its place in the file, counted from 1. `key_line` and `key_column` are those of the key that
    names it, or its own where none does."""

    value: Mapping[str, Node] | Sequence[Node] | Scalar
    line: int
    column: int
    key_line: int
    key_column: int
    written: str | None = None
    """What the file says in place of `value`, where it says it with `${...}`."""
    unresolved: bool = False
    """`value` still holds references, because nobody needs them."""

    @property
    def members(self) -> Mapping[str, Node]:
        """The members of a mapping; of anything else, none."""
        return self.value if isinstance(self.value, Mapping) else {}

    @property
    def items(self) -> Sequence[Node]:
        """The items of a list; of anything else, none."""
        return self.value if isinstance(self.value, Sequence) and not isinstance(self.value, str) else ()


def plain(node: Node) -> Any:
    """The value without positions."""
    if isinstance(node.value, Mapping):
        return {key: plain(member) for key, member in node.value.items()}
    if isinstance(node.value, Sequence) and not isinstance(node.value, str):
        return [plain(item) for item in node.value]
    return node.value


def child(node: Node, step: Step) -> Node | None:
    """The member or item, or None."""
    if isinstance(step, str):
        return node.members.get(step)
    items = node.items
    return items[step] if 0 <= step < len(items) else None


def walk(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """A node and everything in it, in the order of the file."""
    yield path, node
    for key, member in node.members.items():
        yield from walk(member, (*path, key))
    for index, item in enumerate(node.items):
        yield from walk(item, (*path, index))


def dotted(path: Iterable[Step]) -> str:
    """A path as people write it: `listen[0].port`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def refuse(file: str, line: int, column: int, message: str, hint: str = "", where: str = "") -> ConfigError:
    """The error of a reader that can't go on."""
    return ConfigError([Problem(file, line, column, where, message, hint)])


class Builder:
    """Puts a tree together out of what a reader finds, one event after another, and enforces the limits above.

    A mapping's keys and values alternate. No recursion: what is being read may be hostile.
    """

    def __init__(self, file: str) -> None:
        self.problems: list[Problem] = []
        self.root: Node | None = None
        self._file = file
        self._open: list[_Open] = []
        self._values = 0

    @property
    def expects_key(self) -> bool:
        return bool(self._open) and self._open[-1].members is not None and self._open[-1].key is None

    def key(self, key: str, line: int, column: int) -> None:
        """The key of the next value."""
        key = self._text(key, line, column)
        top = self._open[-1]
        assert top.members is not None
        if key in top.members:
            first = top.members[key]
            where = dotted((*(step for step in self._path()), key))
            self._report(line, column, "given twice", f"first on line {first.key_line}", where)
        top.key = key, line, column

    def scalar(self, value: Scalar, line: int, column: int) -> Node:
        if isinstance(value, str):
            value = self._text(value, line, column)
        return self._place(value, line, column)

    def begin(self, mapping: bool, line: int, column: int) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise refuse(self._file, line, column, f"nested deeper than {MAX_DEPTH} levels")
        self._open.append(_Open(line, column, {} if mapping else None, []))

    def end(self) -> Node:
        done = self._open.pop()
        return self._place(done.members if done.members is not None else done.items, done.line, done.column)

    def again(self, node: Node, line: int, column: int) -> None:
        """A node that was built before, once more: an alias."""
        paths = [path for path, _ in walk(node)]
        self._count(len(paths) - 1, line, column)
        if len(self._open) + max(map(len, paths)) > MAX_DEPTH:
            raise refuse(self._file, line, column, f"nested deeper than {MAX_DEPTH} levels")
        self._place(node.value, line, column)

    def _place(self, value: Mapping[str, Node] | Sequence[Node] | Scalar, line: int, column: int) -> Node:
        self._count(1, line, column)
        top = self._open[-1] if self._open else None
        key_line, key_column = line, column
        if top is not None and top.key is not None:
            key_line, key_column = top.key[1:]
        node = Node(value, line, column, key_line, key_column)
        if top is None:
            self.root = node
        elif top.members is None:
            top.items.append(node)
        elif top.key is not None:
            top.members.setdefault(top.key[0], node)
            top.key = None
        return node

    def _text(self, text: str, line: int, column: int) -> str:
        """Text with the surrogate pairs that escapes spell put together."""
        if text.isascii():
            return text
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise refuse(self._file, line, column, "this text holds half a surrogate pair") from None

    def _count(self, more: int, line: int, column: int) -> None:
        self._values += more
        if self._values > MAX_VALUES:
            raise refuse(self._file, line, column, f"more than {MAX_VALUES} values")

    def _path(self) -> Iterator[Step]:
        for outer in self._open[:-1]:
            if outer.members is None:
                yield len(outer.items)
            elif outer.key is not None:
                yield outer.key[0]

    def _report(self, line: int, column: int, message: str, hint: str, where: str) -> None:
        self.problems.append(Problem(self._file, line, column, where, message, hint))


@dataclass
class _Open:
    line: int
    column: int
    members: dict[str, Node] | None
    items: list[Node]
    key: tuple[str, int, int] | None = None


def keep(node: Node, keys: Container[str]) -> Node:
    """The same mapping with only these of its members."""
    return replace(node, value={key: member for key, member in node.members.items() if key in keys})


def drop(node: Node, keys: Container[str]) -> Node:
    """The same mapping without these of its members."""
    return replace(node, value={key: member for key, member in node.members.items() if key not in keys})
