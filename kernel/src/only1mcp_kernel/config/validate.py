"""Check a part of the file against a pydantic model, and say what is wrong at its place in the file."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from only1mcp_kernel.config.document import Node, Path, Step, child, dotted, plain, walk
from only1mcp_kernel.config.problems import Problem, nearest
from only1mcp_kernel.config.scalars import plain_scalar
from only1mcp_kernel.config.secrets import Vault

ModelT = TypeVar("ModelT", bound=BaseModel)

_NOT_TEXT = frozenset({"int_type", "float_type", "bool_type"})


class Checker:
    """Collects the problems of one file."""

    def __init__(self, file: str, vault: Vault) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._vault = vault

    def report(self, node: Node, path: Path, message: str, hint: str = "", *, at_key: bool = False) -> None:
        """A problem with the value at `path`, or with its key."""
        if node.unresolved:
            return
        line, column = (node.key_line, node.key_column) if at_key else (node.line, node.column)
        for _, inner in walk(node):
            # Too short for the vault maybe, but this is the very value that the message is about.
            if inner.written is not None and inner.value:
                message = message.replace(str(inner.value), inner.written)
        blot = self._vault.blot
        self.problems.append(Problem(self._file, line, column, dotted(path), blot(message), blot(hint)))

    def check(
        self, model: type[ModelT], node: Node, path: Path, neighbours: Iterable[str] = ()
    ) -> ModelT | None:
        """The mapping at `path` as an instance of `model`, or None after reporting why not.

        `neighbours` are further keys that could have been meant in the same mapping.
        """
        data = plain(node)
        try:
            built = _build(model, data)
            if isinstance(built, list) and _reread(data, node, built):
                built = _build(model, data)
        except Exception as fault:  # A validator that a plugin brought along.
            self.report(node, path, f"{model.__name__} can't be checked: {type(fault).__name__}", at_key=True)
            return None
        if isinstance(built, list):
            self._explain(model, node, path, built, tuple(neighbours))
            return None
        return built

    def mapping(self, node: Node, path: Path) -> bool:
        """Whether there is a mapping; reports it when not."""
        if not isinstance(node.value, Mapping):
            self.report(node, path, f"should be a mapping, not {describe(node)}")
            return False
        return True

    def _explain(
        self,
        model: type[BaseModel],
        node: Node,
        path: Path,
        errors: Sequence[ErrorDetails],
        neighbours: tuple[str, ...],
    ) -> None:
        wrong: dict[Path, tuple[Node, list[str]]] = {}
        for error in errors:
            location = error["loc"]
            if error["type"] == "missing":
                found, inside, _ = locate(node, location[:-1])
                self.report(found, (*path, *inside), f'missing "{location[-1]}"', at_key=True)
                continue
            found, inside, rest = locate(node, location)
            if error["type"] == "extra_forbidden" and not rest:
                known = keys_of(model, location[:-1]) | (set(neighbours) if len(location) == 1 else set())
                hint = nearest(str(location[-1]), known)
                self.report(found, (*path, *inside), "unknown key", hint, at_key=True)
            else:
                wrong.setdefault(inside, (found, []))[1].append(_message(error))
        for inside, (found, messages) in wrong.items():
            first, *others = dict.fromkeys(messages)
            text = " or ".join([first, *(other.removeprefix("should be ") for other in others)])
            if " valid " in text:
                text += f", not {describe(found)}"
            self.report(found, (*path, *inside), text)


def _build(model: type[ModelT], data: Any) -> ModelT | list[ErrorDetails]:
    try:
        # As JSON, because there pydantic's strict mode means "no guessing" and not "Python's own types only".
        return model.model_validate_json(json.dumps(data))
    except ValidationError as error:
        return error.errors(include_url=False)


def locate(node: Node, location: Sequence[Step]) -> tuple[Node, Path, Sequence[Step]]:
    """The node at a pydantic location as far as the file goes, its path, and what is left of the location: pydantic
    puts names of types in between."""
    path: Path = ()
    for index, step in enumerate(location):
        found = child(node, step)
        if found is None:
            return node, path, location[index:]
        node, path = found, (*path, step)
    return node, path, ()


def keys_of(model: type[BaseModel], location: Iterable[Step]) -> set[str]:
    """The keys that a model knows at a location inside it."""
    models = [model]
    for step in location:
        if isinstance(step, int):
            continue
        fields = [
            field
            for one in models
            for name, field in one.model_fields.items()
            if step in (name, field.alias, field.validation_alias)
        ]
        if fields:
            models = [inner for field in fields for inner in _models_in(field.annotation)]
    return {field.alias or name for one in models for name, field in one.model_fields.items()}


def describe(node: Node) -> str:
    """What sort of value stands there, in words."""
    match node.value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case Mapping():
            return "a mapping"
        case _:
            return "a list"


def _models_in(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _models_in(inner)


def _message(error: ErrorDetails) -> str:
    text = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    text = text.replace("a valid dictionary", "a valid mapping").replace("a valid array", "a valid list")
    text = text.replace("a valid string", "valid text").replace("an object", "a mapping")
    return text[:1].lower() + text[1:]


def _reread(data: Any, node: Node, errors: Iterable[ErrorDetails]) -> bool:
    """Where a number or a boolean is wanted and a reference gave text, read that text as a bare word of the file
    would have been. True when something changed."""
    changed = False
    for error in errors:
        found, inside, _ = locate(node, error["loc"])
        if error["type"] not in _NOT_TEXT or found.written is None or not inside:
            continue
        try:
            value = plain_scalar(str(found.value).strip())
        except ValueError:
            continue
        holder = data
        for step in inside[:-1]:
            holder = holder[step]
        holder[inside[-1]] = value
        changed = changed or not isinstance(value, str)
    return changed
