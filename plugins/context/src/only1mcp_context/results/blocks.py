"""The content blocks of a result that hold text a model reads, and the result with others in their place.

These are text blocks and embedded resources with a text. Everything else stays as the raw JSON it came as: images,
audio, blobs, links, blocks of kinds to come, and resources of the `ui` scheme, which a client renders.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from only1mcp_sdk import DuplicateMember, Json, Members, members


class Block(Struct, frozen=True):
    """A block whose text is read."""

    outer: Members
    text: bytes
    """In UTF-8."""
    resource: Members | None = None
    """The embedded resource that the text belongs to."""
    source: Json = b""
    """The block as it came, while it says what it said then."""

    def saying(self, text: bytes) -> Block:
        """The same block with another text."""
        return self if text == self.text else Block(self.outer, text, self.resource)

    @property
    def raw(self) -> Json:
        if self.source:
            return self.source
        quoted = members.quoted(self.text.decode())
        if self.resource is None:
            return members.join({**self.outer, "text": quoted})
        return members.join({**self.outer, "resource": members.join({**self.resource, "text": quoted})})


def text_block(text: str) -> Json:
    """A text block of our own."""
    return members.join({"type": b'"text"', "text": members.quoted(text)})


def blocks_of(result: bytes) -> tuple[Members, list[Block | Json]] | None:
    """The members of a result, and its blocks. None where it has none that could be read."""
    try:
        parts = members.split(result)
        content = parts.get("content")
        if content is None or content[:1] != b"[":
            return None
        return parts, [_read(raw) for raw in members.items(content)]
    except (msgspec.DecodeError, DuplicateMember):
        return None


def with_blocks(parts: Members, blocks: list[Block | Json]) -> bytes:
    """The result of these members with these blocks."""
    content = members.array(block.raw if isinstance(block, Block) else block for block in blocks)
    return members.join({**parts, "content": content})


def _read(raw: Json) -> Block | Json:
    try:
        outer = members.split(raw)
        kind = outer.get("type")
        if kind == b'"text"':
            text = members.text(outer.get("text"))
            return raw if text is None else Block(outer, text.encode(), source=raw)
        if kind == b'"resource"':
            resource = members.split(outer.get("resource", b""))
            text = members.text(resource.get("text"))
            uri = members.text(resource.get("uri")) or ""
            if text is not None and not uri.lower().startswith("ui:"):
                return Block(outer, text.encode(), resource, raw)
    except (msgspec.DecodeError, DuplicateMember, UnicodeError):
        # Escapes that are no characters, for one, can't be cut: the block stays as it is.
        pass
    return raw
