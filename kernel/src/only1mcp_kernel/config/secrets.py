"""`${name:reference}` in configuration files: find the references, resolve them, keep the values out of sight.

A reference may stand anywhere inside text, several in one; `${name:reference:-default}` has a default, and `$${` is
a literal `${`. What a reference means is the business of the secret plugin called `name`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from pydantic import ValidationError

from only1mcp_kernel.config.document import Node, Path, dotted, walk
from only1mcp_kernel.config.model import Component
from only1mcp_kernel.config.problems import Problem, listed, nearest
from only1mcp_kernel.offers import Offers
from only1mcp_sdk import OpenFailed, Secret, SecretMissing

Opener: TypeAlias = Callable[[Component], AbstractAsyncContextManager[Any]]
"""Opens a component; raises `OpenFailed`. `Workshop.open` is one."""

_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)(\})?")
_SHORTEST = 4
"""Shorter values are not blotted out of messages: they are no secrets, and they occur everywhere."""


@dataclass(frozen=True)
class Reference:
    """One `${...}`. `name` is empty where the text has none."""

    text: str
    name: str
    reference: str
    default: str | None


class Vault:
    """What was resolved while loading one configuration, so that it can be kept out of what people see."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def add(self, value: str, written: str) -> None:
        if len(value) >= _SHORTEST:
            self._values[value] = written

    def blot(self, text: str) -> str:
        """The text with every resolved value in it replaced by its reference."""
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(value, self._values[value])
        return text


def references(text: str) -> Iterable[Reference]:
    """The references in a text; one that does not end has an empty name."""
    for found in _REFERENCE.finditer(text):
        if found[0] != "$${":
            yield _parse(found)


def names_used(root: Node) -> frozenset[str]:
    """The names of the secret plugins a file refers to."""
    return frozenset(
        reference.name
        for _, node in walk(root)
        if isinstance(node.value, str)
        for reference in references(node.value)
        if reference.name
    )


@asynccontextmanager
async def open_secrets(
    offers: Offers, names: Iterable[str], open: Opener
) -> AsyncIterator[Mapping[str, Secret]]:
    """The secret plugins of these names, open with their default options; names nobody knows are left out.

    Raises `OpenFailed` for one that can't be opened so.
    """
    wanted = set(names)
    async with AsyncExitStack() as stack:
        opened: dict[str, Secret] = {}
        for name, found in offers.of("secret").items():
            used = {name, *found.offer.aliases} & wanted
            if not used:
                continue
            try:
                options = found.offer.config.model_validate_json("{}")
            except ValidationError:
                raise OpenFailed(f"the secret plugin {name!r} has options that must be given") from None
            component = Component("secret", name, options, f"secrets.{name}")
            secret: Secret = await stack.enter_async_context(open(component))
            opened.update(dict.fromkeys(used, secret))
        yield opened


class Resolver:
    """Replaces the references in a tree and collects what could not be resolved."""

    def __init__(self, file: str, secrets: Mapping[str, Secret], installed: Sequence[str]) -> None:
        self.problems: list[Problem] = []
        self.vault = Vault()
        self._file = file
        self._secrets = secrets
        self._installed = installed

    def resolve(self, node: Node, path: Path = (), *, needed: bool = True) -> Node:
        """The tree with values in place of references. Where they are not `needed`, a missing one stays as written.

        Only a switched-off server does not need its references.
        """
        if isinstance(node.value, str):
            return self._text(node, node.value, path, needed=needed) if "${" in node.value else node
        if isinstance(node.value, Mapping):
            return replace(
                node,
                value={
                    key: self.resolve(member, (*path, key), needed=needed and not _switched_off(path, member))
                    for key, member in node.value.items()
                },
            )
        items = [self.resolve(item, (*path, index), needed=needed) for index, item in enumerate(node.items)]
        return replace(node, value=items) if items else node

    def _text(self, node: Node, text: str, path: Path, *, needed: bool) -> Node:
        problems: list[Problem] = []

        def put(found: re.Match[str]) -> str:
            if found[0] == "$${":
                return "${"
            reference = _parse(found)
            return self._value(reference, node, path, problems)

        value = _REFERENCE.sub(put, text)
        if needed:
            self.problems += problems
        return replace(node, value=value, written=text, unresolved=bool(problems))

    def _value(self, reference: Reference, node: Node, path: Path, problems: list[Problem]) -> str:
        def report(message: str, hint: str = "") -> str:
            problems.append(Problem(self._file, node.line, node.column, dotted(path), message, hint))
            return reference.text

        if not reference.text.endswith("}"):
            return report("a ${ that does not end", "close it with }, or write $${ for a literal ${")
        if not reference.name:
            example = next(iter(self._installed), "name")
            return report(
                f"{reference.text} does not say where to look",
                f"write e.g. ${{{example}:{reference.reference}}}, or $${{ for a literal ${{",
            )
        secret = self._secrets.get(reference.name)
        if secret is None:
            hint = nearest(reference.name, self._installed) or f"installed: {listed(self._installed)}"
            return report(f"{reference.text}: no secret plugin is called {reference.name!r}", hint)
        try:
            value = secret.resolve(reference.reference)
        except SecretMissing as missing:
            if reference.default is not None:
                return reference.default
            return report(f"{reference.text}: {missing}", nearest(reference.reference, missing.known))
        except Exception as fault:
            # The message of a fault nobody foresaw might quote what it was reading.
            return report(f"{reference.text}: the secret plugin failed with {type(fault).__name__}")
        self.vault.add(value, reference.text)
        return value


def _parse(found: re.Match[str]) -> Reference:
    inside, closed = found[1], found[2]
    name, colon, rest = inside.partition(":")
    if not closed or not colon or rest.startswith("-"):
        return Reference(found[0], "", name, None)
    reference, marked, default = rest.partition(":-")
    return Reference(found[0], name, reference, default if marked else None)


def _switched_off(path: Path, member: Node) -> bool:
    if path not in (("servers",), ("mcpServers",)):
        return False
    disabled = member.members.get("disabled")
    return disabled is not None and disabled.value is True
