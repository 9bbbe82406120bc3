"""The reference page of the configuration, made from the models that check it, so that it can't say anything else.

    python -m only1mcp_kernel.config.reference --write docs/configuration-reference.md
    python -m only1mcp_kernel.config.reference --check docs/configuration-reference.md

covers the plugins that the distribution `only1mcp` brings along, whichever others are installed.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from only1mcp_kernel.config.settings import ProfileSettings, ReplicaSettings, RootSettings, ServerSettings
from only1mcp_kernel.offers import HOOK_PREFIX, KINDS, Offers, Registered
from only1mcp_sdk import hookspecs

_OPENING = """\
# Configuration reference

<!-- Made by `python -m only1mcp_kernel.config.reference --write docs/configuration-reference.md`. Do not edit. -->

Every key, with its type and default. [The guide](CONFIGURATION_GUIDE.md) explains how they go together.
Wherever a key says `use`, a plugin's options follow in the same mapping; the plugins are listed below.
`only1mcp config schema` prints the same as a JSON Schema for editors, other installed plugins included.
"""
_TEXTS: Mapping[str, str] = {"path": "path", "password": "text, secret"}
_SECTIONS: Sequence[tuple[str, str, type[BaseModel]]] = (
    ("Top level", "What may stand at the top of the file.", RootSettings),
    (
        "`servers.<name>`",
        "Beside these keys stand the options of a connector. It is named with `use` (or `type`), or told by its "
        "required options.",
        ServerSettings,
    ),
    ("`servers.<name>.replicas[]`", "Beside these keys stand the options of a connector.", ReplicaSettings),
    ("`profiles.<name>`", "A view of the catalogue, at a URL of its own.", ProfileSettings),
)


def render(offers: Offers) -> str:
    """The page, in Markdown. Equal for equal offers."""
    lines = [_OPENING]
    for title, text, model in _SECTIONS:
        lines += [f"## {title}", text, "", *_table(model), ""]
    for kind in KINDS:
        lines += [f"## {kind.capitalize()}s", _purpose(kind), ""]
        for found in offers.of(kind).values():
            lines += [*_offer(found), ""]
    return "\n".join(lines).rstrip() + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 when a checked file is not what it should be."""
    parser = argparse.ArgumentParser(prog="python -m only1mcp_kernel.config.reference")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--check", type=Path, metavar="FILE", help="compare with a file")
    chosen.add_argument("--write", type=Path, metavar="FILE", help="write a file")
    options = parser.parse_args(arguments)
    page = render(_brought_along())
    if options.write:
        options.write.write_text(page, encoding="utf-8")
    elif options.check:
        if not options.check.is_file() or options.check.read_text(encoding="utf-8") != page:
            sys.stderr.write(
                f"{options.check} is out of date; run python -m only1mcp_kernel.config.reference "
                f"--write {options.check}\n"
            )
            return 1
    else:
        sys.stdout.write(page)
    return 0


def _brought_along() -> Offers:
    from only1mcp_kernel.discovery import discover

    required = importlib.metadata.requires("only1mcp") or []
    return discover([re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0] for requirement in required])


def _purpose(kind: str) -> str:
    text = (getattr(hookspecs, HOOK_PREFIX + kind).__doc__ or "").strip().removeprefix("Offer ")
    return text[:1].upper() + text[1:]


def _offer(found: Registered) -> Iterator[str]:
    offer = found.offer
    yield f"### `{offer.name}`"
    schema = offer.config.model_json_schema()
    if schema.get("description"):
        yield " ".join(schema["description"].split())
    also = [f"From {found.plugin.distribution}."]
    if offer.aliases:
        also.append(f"Also called {_words(offer.aliases)}.")
    if offer.inline:
        also.append("Its options may be written straight into a server or a profile.")
    yield " ".join(also)
    yield ""
    yield from _table(offer.config)


def _table(model: type[BaseModel]) -> Iterator[str]:
    schema = model.model_json_schema()
    rows = list(_rows(schema, schema.get("$defs", {}), ""))
    if not rows:
        yield "No options."
        return
    yield "| key | type | default | |"
    yield "|---|---|---|---|"
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _rows(schema: Mapping[str, Any], defs: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, ...]]:
    required = schema.get("required", ())
    for key, given in schema.get("properties", {}).items():
        default = "required" if key in required else _default(given.get("default"))
        text = " ".join(given.get("description", "").split())
        yield f"`{prefix}{key}`", _type(given, defs), default, text
        for inner, mark in _nested(given, defs):
            yield from _rows(inner, defs, f"{prefix}{key}{mark}.")


def _nested(
    schema: Mapping[str, Any], defs: Mapping[str, Any], mark: str = ""
) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The mappings with keys of their own inside a type, and how to write the way to them."""
    if "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]]
    if "properties" in schema:
        yield schema, mark
    for each in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _nested(each, defs, mark)
    if isinstance(schema.get("items"), dict):
        yield from _nested(schema["items"], defs, f"{mark}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _nested(schema["additionalProperties"], defs, f"{mark}.<name>")


def _type(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return _type(defs[schema["$ref"].rpartition("/")[2]], defs)
    choices = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    if choices:
        types = [_type(each, defs) for each in choices if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(types))
    if "enum" in schema:
        return _words(schema["enum"])
    if "const" in schema:
        return _words([schema["const"]])
    match schema.get("type"):
        case "array":
            inner = _type(schema.get("items", {}), defs)
            return f"list of {inner}" if inner else "list"
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            return f"mapping of names to {_type(schema['additionalProperties'], defs) or 'anything'}"
        case "object":
            return "mapping"
        case "string":
            return _TEXTS.get(str(schema.get("format")), "text")
        case "integer" | "number" as number:
            return f"{number}{_range(schema)}"
        case str(other):
            return other
        case _:
            return "plugin (`use`)"


def _range(schema: Mapping[str, Any]) -> str:
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    most = schema.get("maximum", schema.get("exclusiveMaximum"))
    above = "above " if "exclusiveMinimum" in schema else ""
    if least is None and most is None:
        return ""
    if most is None:
        return f", {above or 'at least '}{least:g}"
    if least is None:
        return f", up to {most:.15g}"
    return f", {above}{least:g} to {most:.15g}"


def _default(value: Any) -> str:
    return "" if value is None or value == "" else f"`{json.dumps(value, ensure_ascii=False)}`"


def _words(values: Iterable[Any]) -> str:
    return ", ".join(f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`" for value in values)


if __name__ == "__main__":
    sys.exit(main())
