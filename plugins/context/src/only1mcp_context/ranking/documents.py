"""What of a tool is searched: a document, made from the tool as its server lists it.

Everything here comes from servers, so it is taken as far as it makes sense and bounded: a schema of any depth or size
costs no more than the limits below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

DEEPEST = 8
MOST_PARAMETERS = 300
MOST_TEXT = 20_000
"""Characters of a description, of all parameters' texts together, and of a server's text; the rest is not searched."""


class ToolDocument(Struct, frozen=True):
    """The searched texts of one tool, by field."""

    server: str
    name: str
    description: str = ""
    parameters: tuple[str, ...] = ()
    """Names, those of nested objects too."""
    parameter_text: str = ""
    """Descriptions and the values of enumerations."""
    server_text: str = ""
    """What the server says about itself: its title and instructions."""


def document(
    server: str, name: str, description: str = "", input_schema: object = None, server_text: str = ""
) -> ToolDocument:
    """The document of a tool. `input_schema` is decoded JSON; parts of it that are no schema are passed over."""
    names: dict[str, None] = {}
    texts: list[str] = []
    _gather(input_schema, names, texts, 0)
    return ToolDocument(
        server=server,
        name=name,
        description=description[:MOST_TEXT],
        parameters=tuple(names),
        parameter_text="\n".join(texts)[:MOST_TEXT],
        server_text=server_text[:MOST_TEXT],
    )


_ONE = ("items", "additionalProperties", "not", "contains")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("$defs", "definitions")


def _gather(schema: object, names: dict[str, None], texts: list[str], depth: int) -> None:
    if not isinstance(schema, Mapping) or depth > DEEPEST or len(names) >= MOST_PARAMETERS:
        return
    text = schema.get("description")
    if isinstance(text, str):
        texts.append(text)
    values = schema.get("enum")
    if isinstance(values, Sequence) and not isinstance(values, str):
        texts.extend(value for value in values if isinstance(value, str))
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        for name, inner in properties.items():
            if len(names) >= MOST_PARAMETERS:
                return
            names[str(name)] = None
            _gather(inner, names, texts, depth + 1)
    for key in _ONE:
        _gather(schema.get(key), names, texts, depth + 1)
    for key in _LISTS:
        inner = schema.get(key)
        if isinstance(inner, Sequence) and not isinstance(inner, str):
            for one in inner:
                _gather(one, names, texts, depth + 1)
    for key in _NAMED:
        inner = schema.get(key)
        if isinstance(inner, Mapping):
            for one in inner.values():
                _gather(one, names, texts, depth + 1)
