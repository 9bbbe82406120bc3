"""Find out which offer a part of the file names, and have that offer's model check the options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from only1mcp_kernel.config.document import Node, Path, dotted, drop
from only1mcp_kernel.config.model import Component
from only1mcp_kernel.config.problems import listed, nearest
from only1mcp_kernel.config.validate import Checker, describe
from only1mcp_kernel.offers import Offers, Registered, UnknownOffer, option_names


class Components:
    """Each method reports what it finds wrong and leaves out, or returns None for, what could not be made."""

    def __init__(self, offers: Offers, checker: Checker) -> None:
        self.offers = offers
        self.checker = checker
        self.inline: Mapping[str, Registered] = {
            key: found for found in offers.inline_transforms() for key in option_names(found.offer.config)
        }
        """The options of inline transforms, and whose they are."""

    def listed(self, kind: str, node: Node | None, path: Path) -> tuple[Component, ...]:
        """A list of components that each say `use`."""
        items = node.items if node is not None else ()
        made = (self.selected(kind, item, (*path, index)) for index, item in enumerate(items))
        return tuple(component for component in made if component is not None)

    def transforms(self, node: Node, path: Path) -> tuple[Component, ...]:
        """The transforms of a server or a profile: those written straight into it first, then its list."""
        made = []
        for found in self.offers.inline_transforms():
            options = {key: each for key, each in node.members.items() if self.inline.get(key) is found}
            if options:
                component = self.make(found, replace(node, value=options), path)
                if component is not None:
                    made.append(replace(component, place=_place((*path, next(iter(options))))))
        return (*made, *self.listed("transform", node.members.get("transforms"), (*path, "transforms")))

    def selected(self, kind: str, node: Node, path: Path) -> Component | None:
        """A component that says with `use` what it is."""
        installed = listed(self.offers.of(kind))
        if not isinstance(node.value, Mapping):
            hint = f"write {{use: name}}; installed: {installed}"
            self.checker.report(node, path, f"should be a mapping, not {describe(node)}", hint)
            return None
        use = node.members.get("use")
        if use is None:
            self.checker.report(node, path, 'missing "use"', f"installed: {installed}", at_key=True)
            return None
        found = self.named(kind, use, (*path, "use"))
        return self.make(found, drop(node, {"use"}), path) if found is not None else None

    def named(self, kind: str, use: Node, path: Path) -> Registered | None:
        """The offer that a value names."""
        if not isinstance(use.value, str):
            self.checker.report(use, path, f"should be the name of a {kind}, not {describe(use)}")
            return None
        try:
            return self.offers.get(kind, use.value)
        except UnknownOffer:
            message = f"no {kind} called {use.value!r} is installed"
            self.checker.report(use, path, message, self._why_not(kind, use.value))
            return None

    def make(
        self, found: Registered, node: Node, path: Path, neighbours: Iterable[str] = ()
    ) -> Component | None:
        """The component with the options in a mapping."""
        options = self.checker.check(found.offer.config, node, path, neighbours)
        return None if options is None else Component(found.kind, found.offer.name, options, _place(path))

    def silent(self) -> str:
        """The refused plugins that could not even be asked what they offer, and why; one of them may have it."""
        silent = [f"{each.distribution} ({each.reason})" for each in self.offers.refused() if not each.kinds]
        return f"plugins that were refused: {listed(silent)}" if silent else ""

    def _why_not(self, kind: str, name: str) -> str:
        for plugin in self.offers.refused():
            if name in plugin.kinds.get(kind, ()):
                return f"{plugin.distribution} offers it, but was refused: {plugin.reason}"
        guess = nearest(name, self.offers.words(kind))
        installed = listed(self.offers.of(kind))
        text = f"{guess} Installed: {installed}" if guess else f"installed: {installed}"
        silent = self.silent()
        return f"{text}; {silent}" if silent else text


def _place(path: Path) -> str:
    return dotted(("servers", *path[1:]) if path[0] == "mcpServers" else path)
