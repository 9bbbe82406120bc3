"""Newline framing: messages out of a stream of bytes and into one, in time linear to their length."""

from __future__ import annotations


class Lines:
    """Cuts what is fed to it into lines.

    Of a line over `limit` bytes only the first `limit + 1` come out, as soon as they are there; the rest of it is
    skipped. So whoever gets a line longer than the limit knows, and no more than that is ever held. `limit` may be
    changed between lines.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete now, without their ends."""
        lines: list[bytes] = []
        *ends, begin = data.split(b"\n")
        for end in ends:
            self._take(end, lines)
            if not self._skipping:
                lines.append(self.rest())
            self._skipping = False
        self._take(begin, lines)
        return lines

    def rest(self) -> bytes:
        """What is there of a line that has no end yet. It is not held any longer."""
        line = bytes(self._held)
        self._held.clear()
        return line

    def _take(self, part: bytes, lines: list[bytes]) -> None:
        if self._skipping:
            return
        self._held += part[: self.limit + 1 - len(self._held)]
        if len(self._held) > self.limit:
            lines.append(self.rest())
            self._skipping = True


def as_line(message: bytes) -> bytes:
    """A JSON text as one line. Line breaks in it are white space between its values (RFC 8259, section 2); a lone
    carriage return is one of them, because some readers end a line there too."""
    if b"\n" in message:
        message = message.replace(b"\n", b" ")
    if b"\r" in message:
        message = message.replace(b"\r", b" ")
    return message + b"\n"
