"""JMESPath expressions of callers, at bounded cost.

An expression can be small and its work huge: `[@,@]|[@,@]|...` doubles with every step. So there are bounds for its
length, for how often it may repeat what it is given, and for the steps it may take. Numbers that are only passed on
stay as they were written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.visitor import TreeInterpreter

from only1mcp_context.results.blocks import Block, blocks_of, text_block, with_blocks
from only1mcp_context.results.budget import Keep
from only1mcp_sdk import Json, members

LONGEST = 500
"""Characters of an expression."""
STEPS = 400_000
"""Of an evaluation, some second of work."""
GROWTH = 16
"""How many times what is given an expression may return."""
_REPEATING = ("to_string", "merge", "join")


class BadPath(ValueError):
    """The expression, or what it was to be applied to, is not what it has to be. The message is for the caller."""


class Written(float):
    """A number that keeps how it was written."""

    text: str


Written.__name__ = "float"  # jmespath tells types by their names


class _Counting(TreeInterpreter):  # type: ignore[misc,unused-ignore]
    def __init__(self) -> None:
        super().__init__()
        self._left = STEPS

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise BadPath(f"path takes more than {STEPS:,} steps on this data: select less first")
        return super().visit(node, *args, **kwargs)


class Path:
    """An expression that may be applied to any value. Made by `read_path`."""

    def __init__(self, expression: str, tree: Any) -> None:
        self.expression = expression
        self._tree = tree

    def of(self, text: bytes) -> Json:
        """What it selects of a JSON text, as compact JSON; `null` where there is nothing.

        May take a second for large texts: then call it from a thread. Raises `BadPath`.
        """
        value = _decode(text)
        try:
            found = _Counting().visit(self._tree, value)
        except (JMESPathError, RecursionError, TypeError, OverflowError) as error:
            raise BadPath(f"path can't be applied here: {error}") from None
        try:
            return _encode(found).encode("utf-8", "strict")
        except (UnicodeError, RecursionError):
            raise BadPath("path selects what can't be written as JSON") from None


def read_path(expression: str) -> Path:
    """Raises `BadPath`."""
    if len(expression) > LONGEST:
        raise BadPath(f"path has {len(expression):,} characters, more than {LONGEST}")
    try:
        tree = jmespath.compile(expression).parsed
        growth = _growth(tree)
    except JMESPathError as error:
        raise BadPath(f"path is no JMESPath: {error}") from None
    except RecursionError:
        raise BadPath("path is nested too deeply") from None
    if growth > GROWTH:
        raise BadPath(
            f"path may return its input more than {GROWTH} times over: select less, or ask in two steps"
        )
    return Path(expression, tree)


def project(result: bytes, path: Path, keep: Keep) -> bytes:
    """The result of a call whose caller wants only what `path` selects of it: of its structured content, or else of
    the one text that is JSON. `structuredContent`, which would no longer have its schema, is left out then; the whole
    is kept.

    A result that can't be selected from comes back whole and says so: the call has been made. An error stays as it is.
    """
    found = blocks_of(result)
    if found is None or found[0].get("isError") == b"true":
        return result
    parts, blocks = found
    texts = [block for block in blocks if isinstance(block, Block)]
    data = parts.get("structuredContent") or (texts[0].text if len(texts) == 1 else None)
    if data is None:
        return _telling(parts, blocks, "path can't be applied: the result is not one JSON text")
    try:
        selected = path.of(data)
    except BadPath as error:
        return _telling(parts, blocks, str(error))
    call = keep(data)
    whole = f"[path selected {len(selected):,} bytes of {len(data):,}"
    note = f"{whole}; {call} has the whole.]" if call else f"{whole}.]"
    others = [block for block in blocks if not isinstance(block, Block)]
    parts.pop("structuredContent", None)
    return with_blocks(parts, [text_block(selected.decode()), text_block(note), *others])


def _telling(parts: dict[str, Json], blocks: list[Block | Json], what: str) -> bytes:
    return with_blocks(parts, [*blocks, text_block(f"[{what}. This is the whole result.]")])


def _growth(node: Any) -> int:
    """How many times its input an expression may return, at most."""
    children = [child for child in node["children"] if isinstance(child, dict)]
    kind = node["type"]
    inside = [_growth(child) for child in children]
    if kind in ("multi_select_list", "multi_select_dict"):
        return max(sum(inside), 1)
    if kind == "function_expression":
        return max(sum(inside), 1) * (2 if node["value"] in _REPEATING else 1)
    if kind in ("comparator", "or_expression", "and_expression", "not_expression"):
        return max(inside, default=1)
    product = 1
    for one in inside:
        product *= one
        if product > GROWTH:
            break
    return product


def _decode(text: bytes) -> Any:
    try:
        return json.loads(
            text, parse_float=_written, parse_int=_whole, parse_constant=_refuse, object_pairs_hook=_once
        )
    except BadPath:
        raise
    except (ValueError, RecursionError):
        raise BadPath("path can't be applied: the text is not JSON. Use range or grep") from None


def _written(text: str) -> Written:
    number = Written(text)
    number.text = text
    return number


def _whole(text: str) -> int | Written:
    return int(text) if len(text) < 1000 and text != "-0" else _written(text)


def _refuse(constant: str) -> Any:
    raise BadPath(f"path can't be applied: {constant} is not JSON. Use range or grep")


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadPath("path can't be applied: an object names a member twice. Use range or grep")
    return found


def _encode(value: Any) -> str:
    if isinstance(value, Written):
        return value.text
    if isinstance(value, str):
        return members.quoted(value).decode()
    if isinstance(value, dict):
        return "{" + ",".join(f"{_encode(name)}:{_encode(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_encode, value)) + "]"
    if value is None or isinstance(value, bool | float):
        return members.encode(value).decode()
    if isinstance(value, int):
        return str(value)
    raise BadPath("path selects an expression, not a value")
