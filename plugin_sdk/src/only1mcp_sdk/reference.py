"""The reference pages of the extension kinds, made from the Protocols themselves, so that they can't say anything else.

    python -m only1mcp_sdk.reference --write docs/kinds
    python -m only1mcp_sdk.reference --check docs/kinds

Read from the source, without importing the kinds. The plugins named are those that the distribution `only1mcp` brings
along, whichever others are installed.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from inspect import cleandoc, getdoc
from pathlib import Path

from only1mcp_sdk import hookspecs
from only1mcp_sdk.offer import Offer

HOOK_PREFIX = "only1mcp_register_"
KINDS = tuple(name.removeprefix(HOOK_PREFIX) for name in vars(hookspecs) if name.startswith(HOOK_PREFIX))
_SOURCES = Path(__file__).parent
_NOTE = "<!-- Made by `python -m only1mcp_sdk.reference --write docs/kinds`. Do not edit. -->"


def pages() -> Mapping[str, str]:
    """File name to Markdown, one page per kind and an index."""
    offers = {kind: list(_offers(kind)) for kind in KINDS}
    made = {f"{kind}.md": "\n\n".join(_page(kind, offers[kind])) + "\n" for kind in KINDS}
    rows = [
        f"| [`{kind}`]({kind}.md) | {_purpose(kind)} | {', '.join(f'`{name}`' for name, *_ in offers[kind])} |"
        for kind in KINDS
    ]
    table = "\n".join(["| kind | a plugin may offer | there are |", "|---|---|---|", *rows])
    text = "What plugins can add to the gateway. [Write a plugin](../write-a-plugin.md) shows how."
    made["README.md"] = "\n\n".join(["# Extension kinds", _NOTE, text, table]) + "\n"
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 when checked pages are not what they should be."""
    parser = argparse.ArgumentParser(prog="python -m only1mcp_sdk.reference")
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--check", type=Path, metavar="FOLDER", help="compare with the pages in a folder")
    chosen.add_argument("--write", type=Path, metavar="FOLDER", help="write the pages into a folder")
    options = parser.parse_args(arguments)
    made = pages()
    if options.write:
        options.write.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            (options.write / name).write_text(text, encoding="utf-8")
        return 0
    found = {path.name: path.read_text(encoding="utf-8") for path in options.check.glob("*.md")}
    wrong = sorted(name for name in {*made, *found} if made.get(name) != found.get(name))
    if wrong:
        names = ", ".join(wrong)
        sys.stderr.write(
            f"out of date: {names}; run python -m only1mcp_sdk.reference --write {options.check}\n"
        )
    return 1 if wrong else 0


def _page(kind: str, offers: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    module = ast.parse((_SOURCES / "kinds" / f"{kind}.py").read_text("utf-8"))
    checks = ast.parse((_SOURCES / "testing" / f"{kind}.py").read_text("utf-8"))
    yield f"# {kind.capitalize()}"
    yield _NOTE
    yield _about(ast.get_docstring(module) or "")
    yield f"Hook: `{HOOK_PREFIX}{kind}`. It offers {_purpose(kind)}."
    classes = [node for node in module.body if isinstance(node, ast.ClassDef)]
    for node in sorted(classes, key=lambda node: node.name.lower() != kind):
        yield from _class(node)
    yield from _aliases(module)
    yield "## Its check"
    for check in checks.body:
        if isinstance(check, ast.AsyncFunctionDef) and check.name == f"check_{kind}":
            yield from _function(check)
    yield "## What there is"
    rows = [f"| `{name}` | {distribution} | {text} |" for name, distribution, text in offers]
    yield "\n".join(["| name | from | |", "|---|---|---|", *rows])


def _class(node: ast.ClassDef) -> Iterator[str]:
    yield f"## `{node.name}`"
    yield ast.get_docstring(node) or ""
    yield from _aliases(node)
    for member in node.body:
        if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _function(member)


def _aliases(node: ast.ClassDef | ast.Module) -> Iterator[str]:
    """Names that are given a value or a type, with the docstrings under them."""
    for index, member in enumerate(node.body):
        if isinstance(member, ast.AnnAssign):
            yield _code(_unparse(member))
            after = node.body[index + 1] if index + 1 < len(node.body) else None
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                yield cleandoc(str(after.value.value))


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    is_property = any(ast.unparse(each) == "property" for each in node.decorator_list)
    returns = f" -> {_unparse(node.returns)}" if node.returns else ""
    if is_property:
        yield _code(f"{node.name}: {returns.removeprefix(' -> ')}")
    else:
        word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
        yield _code(f"{word} {node.name}({_unparse(node.args)}){returns}")
    text = ast.get_docstring(node)
    if text:
        yield text


def _offers(kind: str) -> Iterator[tuple[str, str, str]]:
    """Name, distribution and purpose of what is brought along."""
    for member in sorted(_brought_along()):
        for point in distribution(member).entry_points.select(group="only1mcp.plugins"):
            hook = getattr(point.load(), HOOK_PREFIX + kind, None)
            for offer in hook() if hook else ():
                assert isinstance(offer, Offer)
                text = " ".join((getdoc(offer.config) or "").partition("\n\n")[0].split())
                yield offer.name, member, text


def _brought_along() -> set[str]:
    try:
        required = distribution("only1mcp").requires or []
    except PackageNotFoundError:
        return set()
    names = {re.split(r"[^A-Za-z0-9._-]", each, maxsplit=1)[0] for each in required}
    return {name for name in names if name.startswith("only1mcp-")}


def _purpose(kind: str) -> str:
    text = (getattr(hookspecs, HOOK_PREFIX + kind).__doc__ or "").strip()
    return text.removeprefix("Offer ").removesuffix(".")


def _about(text: str) -> str:
    """A module's docstring, whose first line says `Kind ...: what it does`."""
    first, _, rest = text.partition(": ")
    return rest[:1].upper() + rest[1:] if first.startswith("Kind ") else text


def _unparse(node: ast.AST) -> str:
    """Its source, with the quotation marks that the formatter wants, in the pages too."""
    return ast.unparse(node).replace("'", '"')


def _code(text: str) -> str:
    return f"```python\n{text}\n```"


if __name__ == "__main__":
    sys.exit(main())
