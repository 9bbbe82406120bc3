"""YAML 1.2 into a tree. Reads what the core schema of the specification (section 10.3) defines and nothing else: no
tags, no merge keys, one document, text as keys."""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from only1mcp_kernel.config.document import Builder, Node, Scalar, refuse
from only1mcp_kernel.config.problems import ConfigError
from only1mcp_kernel.config.scalars import plain_scalar


def read_yaml(text: str, file: str) -> Node:
    """Raises `ConfigError`, with every duplicate key, or with the first thing that can't be read."""
    try:
        return _Reader(file).read(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        lines = text.splitlines()
        unquoted = 0 < line <= len(lines) and "${" in lines[line - 1]
        hint = "inside { } and [ ] a ${...} needs quotes" if unquoted else ""
        raise refuse(file, line, column, f"not YAML: {error.problem or error.context}", hint) from None
    except YAMLError as error:
        raise refuse(file, 0, 0, f"not YAML: {str(error).splitlines()[0]}") from None


class _Reader:
    def __init__(self, file: str) -> None:
        self._file = file
        self._tree = Builder(file)
        self._anchored: dict[str, Node] = {}
        self._anchors: list[str | None] = []
        self._documents = 0

    def read(self, text: str) -> Node:
        # Events, not objects: they still tell where everything stood, and nothing has been constructed yet.
        for event in YAML(typ="safe", pure=True).parse(text):
            self._take(event, event.start_mark.line + 1, event.start_mark.column + 1)
        if self._tree.problems:
            raise ConfigError(self._tree.problems)
        return self._tree.root or Node(None, 1, 1, 1, 1)

    def _take(self, event: Any, line: int, column: int) -> None:
        if isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self._refuse(line, column, "a second document", "put everything above the `---`")
        elif isinstance(event, AliasEvent):
            self._alias(event.anchor, line, column)
        elif isinstance(event, ScalarEvent):
            self._scalar(event, line, column)
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            self._check(event, line, column)
            if self._tree.expects_key:
                raise self._refuse(line, column, "a key has to be text", "a `{` or `[` in text needs quotes")
            self._anchors.append(event.anchor)
            self._tree.begin(isinstance(event, MappingStartEvent), line, column)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._remember(self._anchors.pop(), self._tree.end())

    def _scalar(self, event: ScalarEvent, line: int, column: int) -> None:
        self._check(event, line, column)
        value: Scalar = event.value
        if event.style is None or event.style == "":
            try:
                value = plain_scalar(event.value)
            except ValueError as error:
                raise self._refuse(line, column, str(error)) from None
        if not self._tree.expects_key:
            self._remember(event.anchor, self._tree.scalar(value, line, column))
        elif not isinstance(value, str):
            raise self._refuse(
                line, column, f"a key has to be text, not {event.value or 'nothing'}", "quote it"
            )
        elif event.anchor is not None:
            raise self._refuse(line, column, "a key can't be an anchor")
        elif value == "<<" and event.style is None:
            raise self._refuse(line, column, "merge keys are not in YAML 1.2", "write the members out")
        else:
            self._tree.key(value, line, column)

    def _alias(self, anchor: str, line: int, column: int) -> None:
        if self._tree.expects_key:
            raise self._refuse(line, column, "a key can't be an alias")
        if anchor not in self._anchored:
            raise self._refuse(line, column, f"nothing before this is anchored as &{anchor}")
        self._tree.again(self._anchored[anchor], line, column)

    def _remember(self, anchor: str | None, node: Node) -> None:
        if anchor is not None:
            self._anchored[anchor] = node

    def _check(self, event: Any, line: int, column: int) -> None:
        if event.tag is not None:
            raise self._refuse(line, column, f"tags such as {event.tag} are not read here", "leave it out")

    def _refuse(self, line: int, column: int, message: str, hint: str = "") -> ConfigError:
        return refuse(self._file, line, column, message, hint)
