"""What a session at rest keeps in memory."""

from __future__ import annotations

import tracemalloc

from only1mcp_kernel.gateway.clients.load import Load
from only1mcp_kernel.gateway.clients.sessions import Sessions
from only1mcp_kernel.protocol.capabilities import read_client
from only1mcp_kernel.protocol.legacy import Hello
from only1mcp_kernel.wire.seal import KeyRing
from only1mcp_sdk import ANONYMOUS, Arrival
from only1mcp_sdk.testing import RecordingAnswer

COUNT = 500
BAR = 1500
"""Bytes of each, its place among the others included, and without its client's connection."""


class Deaf(RecordingAnswer):
    """Keeps nothing."""

    def send(self, message: bytes, event: str = "") -> None:
        """Lost."""


async def test_a_session_that_hears_nothing_keeps_little() -> None:
    answer = Deaf()
    sessions = Sessions(KeyRing(), Load(COUNT, COUNT), Load(COUNT, COUNT), lambda session: None)

    def open_one() -> None:
        declared = bytes(bytearray(b'{"roots":{"listChanged":true},"sampling":{},"elicitation":{}}'))
        session = sessions.start(
            Hello("2025-11-25", read_client(declared), b'{"name":"it"}'), ANONYMOUS, Arrival("http")
        )
        assert session is not None
        kept.append(session.listen(answer))

    kept: list[object] = []
    open_one()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(COUNT - 1):
            open_one()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / (COUNT - 1) < BAR


def test_clients_that_declare_the_same_share_it() -> None:
    one, other = (read_client(bytes(bytearray(b'{"sampling":{}}'))) for _ in range(2))
    assert one is other
    long = b'{"sampling":{},"x":"' + b"y" * 2000 + b'"}'
    assert read_client(long) == read_client(bytes(bytearray(long)))
    assert read_client(long) is not read_client(long)  # nobody fills the memory with declarations
