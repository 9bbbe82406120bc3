"""The server of `upstream`, over standard input and output: one write for each answer, as servers do.

Run as `python -m tests.bench.stdio_upstream CPU`: it inherits the core of what is measured, and has to leave that.
"""

from __future__ import annotations

import os
import sys

from tests.bench.upstream import DECODE, LEGACY, MODERN, NO_METHOD


def main() -> None:
    os.sched_setaffinity(0, {int(sys.argv[1])})
    rest = b""
    while data := os.read(0, 1 << 16):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            answer(line)


def answer(line: bytes) -> None:
    request = DECODE(line)
    if not request.id:
        return
    result = (MODERN if b"2026-07-28" in bytes(request.params) else LEGACY).get(request.method)
    number = bytes(request.id)
    text = (
        NO_METHOD % number if result is None else b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (number, result)
    )
    left = memoryview(text + b"\n")
    while left:
        left = left[os.write(1, left) :]


if __name__ == "__main__":
    main()
